//! From `rsp:Command` and `rsp:Arguments` to what is executed.

use server::plugin::StartCommand;

/// Where a word of the shell's language ends.
const WORD_ENDS: &[char] = &[' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')'];

/// The line for `/bin/sh -c`: command and arguments with a space between each.
///
/// Clients quote for Windows's `cmd.exe /c`, which takes the pair of double quotes off that
/// encloses a whole line, and some put each command into such a pair. The same is done here when
/// the quotes enclose the whole line: either there are no others, or what the first two enclose
/// would run into the text behind (`"echo "a b"; exit 3"`). In all other lines (`"a b" c`,
/// `"a" "b"`) nothing is touched: quotes are the shell's own language.
#[must_use]
pub fn shell_line(start: &StartCommand) -> String {
    let line = start.line();
    match enclosed(&line) {
        Some(inner) => inner.to_owned(),
        None => line,
    }
}

fn enclosed(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('"')?.strip_suffix('"')?;
    let Some((_, behind)) = inner.split_once('"') else { return Some(inner) };
    // An inner quote at the very end belongs to a word of its own.
    let runs_on = !behind.is_empty() && !behind.starts_with(WORD_ENDS);
    runs_on.then_some(inner)
}

/// The program and its arguments for `WINRS_SKIP_CMD_SHELL`: no shell looks at them.
///
/// Each `rsp:Arguments` element is one argument, without the quotes that keep it in one piece. A
/// command without such elements is taken apart as Windows does: at blanks outside double quotes.
#[must_use]
pub fn program_arguments(start: &StartCommand) -> Vec<String> {
    let command = start.command.trim();
    if start.arguments.is_empty() {
        return split(command);
    }
    let bare = |text: &str| {
        let inner = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.filter(|inner| !inner.contains('"')).unwrap_or(text).to_owned()
    };
    let arguments = start.arguments.iter().map(|text| bare(text));
    std::iter::once(bare(command)).chain(arguments).collect()
}

fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            ' ' | '\t' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun || words.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &str, arguments: &[&str]) -> StartCommand {
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        StartCommand::new(command.to_owned(), arguments, false)
    }

    #[test]
    fn command_and_arguments_make_one_line() {
        let line = |command, arguments| shell_line(&start(command, arguments));
        assert_eq!(line("ls", &["-l", "/tmp"]), "ls -l /tmp");
        assert_eq!(line("sh", &["-c \"sleep 7; exit 3\""]), "sh -c \"sleep 7; exit 3\"");
        assert_eq!(line("echo", &["a  b"]), "echo a  b");
    }

    #[test]
    fn quotes_around_the_whole_line_are_taken_off_and_no_others() {
        for (line, expected) in [
            ("\"echo $HOME; exit 3\"", "echo $HOME; exit 3"),
            (" \"true\" ", "true"),
            ("\"echo \"a b\"; exit 3\"", "echo \"a b\"; exit 3"),
            ("\"", "\""),
            ("\"a b\" \"c\"", "\"a b\" \"c\""),
            ("\"a\";\"b\"", "\"a\";\"b\""),
            ("\"a b\" c", "\"a b\" c"),
            ("echo \"a\"", "echo \"a\""),
        ] {
            assert_eq!(shell_line(&start(line, &[])), expected);
        }
    }

    #[test]
    fn program_and_arguments_stay_apart_without_the_shell() {
        let words = |command, arguments| program_arguments(&start(command, arguments));
        let given = words("\"/bin/my prog\"", &["a b", "\"c d\"", "$HOME"]);
        assert_eq!(given, ["/bin/my prog", "a b", "c d", "$HOME"]);
        assert_eq!(words("/bin/echo  \"a b\" c;d", &[]), ["/bin/echo", "a b", "c;d"]);
        assert_eq!(words("\"/bin/my prog\"", &[]), ["/bin/my prog"]);
        assert_eq!(words("", &[]), [""]);
    }
}
