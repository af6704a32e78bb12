//! What a typed line becomes: a command or a script, in front of Out-Default.

use psrp::clixml::{Object, Value};
use psrp::messages::{Argument, Command, Merge, PipelineResultTypes, PowerShell};

use crate::powershell::parser::KEYWORDS;

/// Cmdlets that make no sense in a session that somebody is in, with their aliases, and what is said instead.
const REFUSED: &[(&str, &[&str], &str)] = &[
    (
        "Enter-PSSession",
        &["etsn"],
        "You are currently in a PowerShell PSSession and cannot use the Enter-PSSession cmdlet to enter another PSSession.",
    ),
    (
        "Disconnect-PSSession",
        &["dnsn"],
        "You are currently in a PowerShell PSSession, which cannot be disconnected from inside. Use Exit-PSSession first.",
    ),
    (
        "Connect-PSSession",
        &["cnsn"],
        "You are currently in a PowerShell PSSession and cannot connect another one. Use Exit-PSSession first.",
    ),
    (
        "Receive-PSSession",
        &["rcsn"],
        "You are currently in a PowerShell PSSession and cannot receive from another one. Use Exit-PSSession first.",
    ),
];

/// Why a line is not sent, if it is not.
pub(super) fn refusal(line: &str) -> Option<String> {
    let first = line.trim_start().split([' ', '\t', '\n', ';', '|']).next()?;
    let refused = REFUSED.iter().find(|(name, aliases, _)| {
        name.eq_ignore_ascii_case(first)
            || aliases.iter().any(|alias| alias.eq_ignore_ascii_case(first))
    });
    refused.map(|(name, _, why)| format!("{name}: {why}"))
}

/// A typed line. With `--json` its objects come as they are; else the host formats them.
pub(super) fn typed(line: &str, is_json: bool) -> PowerShell {
    // `exit` by itself ends the session without an exit code, as PowerShell has it.
    let line = if line.trim().eq_ignore_ascii_case("exit") { "Exit-PSSession" } else { line };
    let mut first = command(line).unwrap_or_else(|| Command::script(line));
    let mut commands = Vec::new();
    if is_json {
        commands.push(first);
    } else {
        first.merge = Merge {
            my_result: PipelineResultTypes::Error,
            to_result: PipelineResultTypes::Output,
            error: PipelineResultTypes::Output,
            ..Merge::NONE
        };
        commands.push(first);
        // What nobody claimed of the command before comes in with its output.
        let merge = Merge { previous_results: PipelineResultTypes::Warning, ..Merge::NONE };
        commands.push(Command { merge, ..out_default() });
    }
    PowerShell { history: Some(line.into()), ..of(commands) }
}

/// `Out-Default`, which shows what comes in.
pub(super) fn out_default() -> Command {
    Command { use_local_scope: Some(true), ..Command::named("Out-Default") }
}

/// One pipeline of these commands.
pub(super) fn of(commands: Vec<Command>) -> PowerShell {
    PowerShell { statements: vec![commands], ..PowerShell::default() }
}

/// `prompt`.
pub(super) fn prompt() -> PowerShell {
    PowerShell { history: Some("prompt".into()), ..of(vec![Command::named("prompt")]) }
}

/// Which of the commands that a session needs are there.
pub(super) fn needed() -> PowerShell {
    let names = ["Out-Default", "Exit-PSSession"].map(Value::from).to_vec();
    let command = Command::named("Get-Command")
        .with(Some("Name"), Object::array("System.String[]", names))
        .with(Some("ErrorAction"), "SilentlyContinue");
    of(vec![command])
}

/// What may stand at a place of a line; the place counts UTF-16 units.
pub(super) fn completion(line: &str, cursor: i32) -> PowerShell {
    let command = Command::named("TabExpansion2")
        .with(Some("inputScript"), line)
        .with(Some("cursorColumn"), cursor);
    of(vec![command])
}

/// The command that a plain line is. Sessions without a language take no scripts, so that one command with plain words is
/// sent as such; everything else is a script.
fn command(line: &str) -> Option<Command> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let name = words.next()?;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    // A program may be named by its path.
    let path = ["/", "./"].into_iter().find_map(|begin| name.strip_prefix(begin));
    let is_name = match path {
        Some(path) => {
            path.starts_with(is_letter)
                && path.chars().all(|letter| is_letter(letter) || matches!(letter, '/' | '.'))
        }
        None => {
            name.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && name.chars().all(is_letter)
        }
    };
    // Such a line is a script.
    let begins_statement =
        KEYWORDS.iter().chain(&["exit"]).any(|keyword| keyword.eq_ignore_ascii_case(name));
    if !is_name || begins_statement {
        return None;
    }
    let mut command = Command::named(name);
    for word in words {
        command.arguments.push(argument(word)?);
    }
    Some(command)
}

fn argument(word: &str) -> Option<Argument> {
    if let Some(name) = word.strip_prefix('-') {
        let is_parameter = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        // As PowerShell sends it: the name alone, and what follows takes the next place.
        return is_parameter.then(|| Argument { name: Some(word.into()), value: Value::Null });
    }
    let is_plain = word
        .starts_with(|letter: char| letter.is_ascii_alphabetic() || matches!(letter, '/' | '\\'))
        && word.chars().all(|letter| {
            letter.is_ascii_alphanumeric() || matches!(letter, '/' | '\\' | ':' | '.' | '-' | '_')
        });
    is_plain.then(|| Argument { name: None, value: word.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_are_commands_and_all_others_scripts() {
        for (line, words) in [
            ("Get-Item /", Some(2)),
            ("  ls  -Force  C:\\ps-test ", Some(3)),
            ("Get-Date", Some(1)),
            ("Get-Date 1", None),
            ("exit 3", None),
            ("foreach", None),
            ("/usr/bin/id", Some(1)),
            ("./program -x a", Some(3)),
            (". ./script", None),
            ("1+1", None),
            ("a; b", None),
            ("Get-Item a*", None),
            ("Get-Item 'a'", None),
            ("git --oneline", None),
            ("Get-Process Powershell > C:\\ps-test\\Process.txt", None),
            ("", None),
            ("a\nb", None),
        ] {
            let found = command(line).map(|command| 1 + command.arguments.len());
            assert_eq!(found, words, "{line:?}");
        }
        assert_eq!(
            typed(" EXIT ", false).statements[0][0].command.as_str(),
            Some("Exit-PSSession")
        );
        assert_eq!(typed("x", true).statements[0].len(), 1);
    }

    #[test]
    fn sessions_are_not_entered_or_left_from_inside() {
        for line in ["Enter-PSSession x", " etsn", "DISCONNECT-PSSession", "cnsn -Id 1", "rcsn;1"] {
            assert!(refusal(line).is_some(), "{line}");
        }
        for line in ["Exit-PSSession", "Enter-PSSessionX", "'etsn'", "Get-PSSession", ""] {
            assert_eq!(refusal(line), None, "{line}");
        }
    }
}
