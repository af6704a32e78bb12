//! From `rsp:Command` and `rsp:Arguments` to what is executed.

use server::plugin::StartCommand;

/// The line for `/bin/sh -c`: command and arguments with a space between each.
///
/// Clients quote for Windows's `cmd.exe /c`, which takes one pair of double quotes off that encloses
/// the whole line: pypsrp and Windows's `winrs` send every command in such a pair. The same is done
/// here. Inside a line that stays quoted (`"a b" c`, `"a" "b"`) nothing is touched: the rest is the
/// shell's own language.
#[must_use]
pub fn shell_line(start: &StartCommand) -> String {
    let line = start.line();
    match unquoted(&line) {
        Some(inner) => inner.to_owned(),
        None => line,
    }
}

/// The program and its arguments for `WINRS_SKIP_CMD_SHELL`: nothing is parsed by a shell. A
/// command that is quoted as a whole loses its quotes; each `rsp:Arguments` element is one argument,
/// and loses the quotes that keep it in one piece.
#[must_use]
pub fn program_arguments(start: &StartCommand) -> Vec<String> {
    let command = start.command.trim();
    let program = unquoted(command).unwrap_or(command);
    let arguments = start.arguments.iter();
    let arguments = arguments.map(|text| unquoted(text).unwrap_or(text).to_owned());
    std::iter::once(program.to_owned()).chain(arguments).collect()
}

/// What stands between the double quotes of a text that begins and ends with one and has no other.
fn unquoted(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str, arguments: &[&str]) -> String {
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        shell_line(&StartCommand::new(command.to_owned(), arguments, false))
    }

    #[test]
    fn command_and_arguments_make_one_line() {
        assert_eq!(line("ls", &["-l", "/tmp"]), "ls -l /tmp");
        assert_eq!(line("echo out; echo err >&2; exit 7", &[]), "echo out; echo err >&2; exit 7");
        assert_eq!(line("echo", &["a  b"]), "echo a  b");
    }

    #[test]
    fn one_pair_of_quotes_around_everything_is_taken_off() {
        assert_eq!(line("\"echo $HOME; exit 3\"", &[]), "echo $HOME; exit 3");
        assert_eq!(line(" \"true\" ", &[]), "true");
        assert_eq!(line("\"", &[]), "\"");
        assert_eq!(line("\"a b\" \"c\"", &[]), "\"a b\" \"c\"");
        assert_eq!(line("\"a b\"", &["c"]), "\"a b\" c");
    }

    #[test]
    fn program_and_arguments_stay_apart_without_the_shell() {
        let start = StartCommand::new(
            "\"/bin/my prog\"".to_owned(),
            vec!["a b".to_owned(), "\"c d\"".to_owned(), "$HOME".to_owned()],
            true,
        );
        assert_eq!(program_arguments(&start), ["/bin/my prog", "a b", "c d", "$HOME"]);
    }
}
