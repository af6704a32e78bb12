//! The programs that a line may call beside cmdlets: `winrm` and `winrs`, which seeds of documentation mix with cmdlets.
//!
//! They are started as processes of their own, with the words as the line has them: found beside this program, in it where it is
//! `transom`, or where the shell finds programs.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command as Process;

use super::context::Context;
use super::show::Sink;
use super::value::{HASHTABLE, Object, Value};
use crate::command_error::CommandError;

/// What may be called.
const PROGRAMS: [&str; 2] = ["winrm", "winrs"];
/// The program that is all of them.
const WHOLE: &str = "transom";
/// The most output that a variable or a pipe takes.
const MAX_OUTPUT: u64 = 64 * 1024 * 1024;

/// The program of this name, in any case and with Windows's endings.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let bare = lower.strip_suffix(".cmd").or_else(|| lower.strip_suffix(".exe")).unwrap_or(&lower);
    PROGRAMS.into_iter().find(|program| *program == bare)
}

/// A word of a program's command line, as a value has it: hashtables as they are typed.
pub(super) fn word(value: &Value) -> String {
    if let Value::Object(Object { properties, .. }) = value
        && value.type_name() == HASHTABLE
    {
        let entries = properties.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        return format!("@{{{}}}", entries.collect::<Vec<_>>().join(";"));
    }
    if let Value::List(values) = value {
        return values.iter().map(word).collect::<Vec<_>>().join(",");
    }
    if let Value::Bool(is) = value { is.to_string() } else { value.text() }
}

/// A value in a hashtable of `winrm`.
fn quoted(value: &Value) -> String {
    if matches!(value, Value::Null) {
        return "$null".to_owned();
    }
    let text = if let Value::Bool(is) = value { is.to_string() } else { value.text() };
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// Runs a program to its end. Its output goes where a cmdlet's would, line by line; what it says on stderr is its own.
///
/// # Errors
/// It cannot be started, or a signal came.
pub(super) fn run(
    name: &'static str,
    words: &[String],
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let is_shown = sink.is_text();
    let mut process = place(name)?;
    process.args(words).kill_on_drop(true);
    // The next lines of a script are none of the program's.
    let has_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    process.stdin(if has_terminal { Stdio::inherit() } else { Stdio::null() });
    process.stdout(if is_shown { Stdio::inherit() } else { Stdio::piped() });
    let failed = |error: std::io::Error| CommandError::caused(format!("running {name}"), &error);
    let (is_well, output) = context.waiter.wait(async {
        let mut child = process.spawn().map_err(failed)?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await.map_err(failed)?;
        }
        if output.len() as u64 > MAX_OUTPUT {
            let most = MAX_OUTPUT / 1024 / 1024;
            return Err(CommandError::failed(format!("{name} wrote more than {most} MiB")));
        }
        Ok((child.wait().await.map_err(failed)?.success(), output))
    })?;
    for line in String::from_utf8_lossy(&output).lines() {
        sink.put(Value::Text(line.to_owned()))?;
    }
    // What was wrong it has said itself.
    context.failed |= !is_well;
    Ok(())
}

/// Where a program is.
fn place(name: &'static str) -> Result<Process, CommandError> {
    let own = std::env::current_exe()
        .map_err(|error| CommandError::caused("finding this program's own file", &error))?;
    if own.file_name().is_some_and(|file| file == WHOLE) {
        return Ok(of_whole(own, name));
    }
    let beside = own.with_file_name(name);
    if beside.is_file() {
        return Ok(Process::new(beside));
    }
    let whole = own.with_file_name(WHOLE);
    if whole.is_file() { Ok(of_whole(whole, name)) } else { Ok(Process::new(name)) }
}

fn of_whole(program: PathBuf, name: &str) -> Process {
    let mut process = Process::new(program);
    process.arg(name);
    process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_any_case_and_their_words_are_as_typed() {
        assert_eq!(
            (find("WinRM.cmd"), find("winrs"), find("rm")),
            (Some("winrm"), Some("winrs"), None)
        );
        for (json, expected) in [
            (
                r#"{"Basic":"true","N":null,"B":false,"Q":"a\"b"}"#,
                r#"@{Basic="true";N=$null;B="false";Q="a\"b"}"#,
            ),
            (r#"["a",1]"#, "a,1"),
            ("true", "true"),
            (r#""x y""#, "x y"),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(word(&value), expected);
        }
    }
}
