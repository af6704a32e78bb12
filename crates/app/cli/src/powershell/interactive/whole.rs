//! Whether what was typed is whole, as PowerShell's own parser would say of it: an open brace, quote or here-string, or an
//! operator at the end, waits for more lines.

/// What is open inside of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Brace,
    Bracket,
    Parenthesis,
    /// `$( … )` inside of a text in double quotes.
    Subexpression,
}

/// Operators after which every statement goes on.
const OPERATORS: &[&str] = &["|", "&&", "||", ","];
/// Operators after which an expression goes on. Behind a command's name they are words: `Format-List *`.
const OF_EXPRESSIONS: &[&str] = &["+", "*", "/", "%", "=", "..", "!"];
/// The deepest nesting that is looked at.
const MAX_DEPTH: usize = 1000;

/// Whether no more lines are needed.
pub(super) fn is_whole(text: &str) -> bool {
    let letters: Vec<char> = text.trim_end_matches(['\n', '\r']).chars().collect();
    let mut scanner = Scanner {
        letters: &letters,
        place: 0,
        open: Vec::new(),
        begun: vec![0],
        last: String::new(),
    };
    scanner.scan() && scanner.open.is_empty() && !scanner.goes_on()
}

#[derive(Debug)]
struct Scanner<'a> {
    letters: &'a [char],
    place: usize,
    open: Vec<Open>,
    /// Where the statements that are not over begin, the outermost first.
    begun: Vec<usize>,
    /// The last word outside of texts and comments.
    last: String,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.place + ahead).copied()
    }

    /// Goes through the text; false where a text or a comment has no end.
    fn scan(&mut self) -> bool {
        while let Some(letter) = self.peek(0) {
            if self.open.len() > MAX_DEPTH {
                return true;
            }
            let done = match letter {
                '`' => {
                    if self.peek(1).is_none() {
                        return false;
                    }
                    self.place += 2;
                    continue;
                }
                '@' if matches!(self.peek(1), Some('\'' | '"')) && self.ends_line(2) => {
                    self.here_string()
                }
                '\'' => self.single(),
                '"' => self.double(),
                '#' if self.begins_word() => self.comment(),
                '<' if self.peek(1) == Some('#') => self.block_comment(),
                _ => {
                    self.other(letter);
                    true
                }
            };
            if !done {
                return false;
            }
        }
        true
    }

    fn other(&mut self, letter: char) {
        match letter {
            '{' => self.open.push(Open::Brace),
            '(' => self.open.push(Open::Parenthesis),
            '[' => self.open.push(Open::Bracket),
            // One that was never opened is the host's to refuse.
            '}' => self.close(Open::Brace),
            ')' => self.close(Open::Parenthesis),
            ']' => self.close(Open::Bracket),
            ';' | '|' | '\n' => self.begin(),
            '=' if !self.is_command() => self.begin(),
            _ => {}
        }
        if matches!(letter, '{' | '(' | '[') {
            self.begun.push(self.place + 1);
        }
        if letter.is_whitespace() {
            if !self.last.ends_with(' ') {
                self.last.push(' ');
            }
        } else {
            if self.last.ends_with(' ') {
                self.last.clear();
            }
            self.last.push(letter);
        }
        self.place += 1;
    }

    fn close(&mut self, what: Open) {
        if self.open.last() == Some(&what) {
            self.open.pop();
            self.begun.pop();
        }
    }

    /// A statement, or what is assigned, begins behind this letter.
    fn begin(&mut self) {
        if let Some(begun) = self.begun.last_mut() {
            *begun = self.place + 1;
        }
    }

    /// Whether the statement here begins with the name of a command.
    fn is_command(&self) -> bool {
        let begun = self.begun.last().and_then(|begun| self.letters.get(*begun..));
        let first = begun.unwrap_or_default().iter().find(|letter| !letter.is_whitespace());
        first.is_some_and(|letter| {
            letter.is_alphabetic() || matches!(letter, '_' | '.' | '/' | '&' | '?' | '%')
        })
    }

    /// Whether only blanks follow on the line.
    fn ends_line(&self, ahead: usize) -> bool {
        let rest = self.letters.get(self.place + ahead..).unwrap_or_default();
        rest.iter().take_while(|letter| **letter != '\n').all(|letter| letter.is_whitespace())
    }

    fn begins_word(&self) -> bool {
        let before = self.place.checked_sub(1).and_then(|before| self.letters.get(before));
        before.is_none_or(|letter| {
            letter.is_whitespace() || matches!(letter, ';' | '|' | '(' | '{' | '}' | ')')
        })
    }

    /// Goes behind a text; false where it has no end.
    fn single(&mut self) -> bool {
        self.place += 1;
        while let Some(letter) = self.peek(0) {
            self.place += 1;
            if letter == '\'' {
                "'".clone_into(&mut self.last);
                return true;
            }
        }
        false
    }

    fn double(&mut self) -> bool {
        self.place += 1;
        while let Some(letter) = self.peek(0) {
            match letter {
                '`' => self.place += 2,
                '"' => {
                    self.place += 1;
                    "\"".clone_into(&mut self.last);
                    return true;
                }
                '$' if self.peek(1) == Some('(') => {
                    self.place += 2;
                    if !self.subexpression() {
                        return false;
                    }
                }
                _ => self.place += 1,
            }
        }
        false
    }

    /// Goes behind the `)` of a subexpression in a text.
    fn subexpression(&mut self) -> bool {
        let depth = self.open.len();
        if depth > MAX_DEPTH {
            return false;
        }
        self.open.push(Open::Subexpression);
        let mut inner = 0_usize;
        while let Some(letter) = self.peek(0) {
            match letter {
                ')' if inner == 0 => {
                    self.place += 1;
                    self.open.truncate(depth);
                    return true;
                }
                '\'' if !self.single() => return false,
                '"' if !self.double() => return false,
                '\'' | '"' => {}
                '(' => {
                    inner += 1;
                    self.place += 1;
                }
                ')' => {
                    inner -= 1;
                    self.place += 1;
                }
                '`' => self.place += 2,
                _ => self.place += 1,
            }
        }
        false
    }

    /// Goes behind `'@` or `"@` at the beginning of a line.
    fn here_string(&mut self) -> bool {
        let Some(quote) = self.peek(1) else { return false };
        self.place += 2;
        while let Some(letter) = self.peek(0) {
            if letter == '\n' && self.peek(1) == Some(quote) && self.peek(2) == Some('@') {
                self.place += 3;
                "@".clone_into(&mut self.last);
                return true;
            }
            self.place += 1;
        }
        false
    }

    fn comment(&mut self) -> bool {
        while self.peek(0).is_some_and(|letter| letter != '\n') {
            self.place += 1;
        }
        true
    }

    fn block_comment(&mut self) -> bool {
        self.place += 2;
        while let Some(letter) = self.peek(0) {
            if letter == '#' && self.peek(1) == Some('>') {
                self.place += 2;
                return true;
            }
            self.place += 1;
        }
        false
    }

    /// Whether the last word wants another one behind it.
    fn goes_on(&self) -> bool {
        let last = self.last.trim_end();
        OPERATORS.contains(&last)
            || last.ends_with(['|', ','])
            || (OF_EXPRESSIONS.contains(&last) && !self.is_command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_more_lines_is_not_whole() {
        for text in [
            "if ($true) {",
            "foreach ($i in 1..2) {\n$i",
            "@'",
            "@'\nline one\n  line two",
            "1..3 |",
            "\"open quote",
            "Get-Date `",
            "(1 +",
            "(1 +\n2",
            "1 +",
            "'a",
            "<# c",
            "@{",
            "$x =",
            "a,",
            "\"$('",
            "\"$(\"a\"",
            "a ||",
            "{ ( [",
            "1 +\n\n",
            "Get-Date; 1 +",
            "(Get-Item x).Length *",
            "$x = 5 *",
        ] {
            assert!(!is_whole(text), "{text:?}");
        }
    }

    #[test]
    fn what_powershell_runs_or_refuses_itself_is_whole() {
        for text in [
            "",
            "Get-Date",
            "if ($true) {\n'inside'\n}",
            "@'\nline one\n'@",
            "\"open quote\nend\"",
            "Get-Date `\n-Year 2026",
            "1 +* 2",
            ")",
            "}",
            "'it''s'",
            "\"a `\" b\"",
            "# {",
            "'{'",
            "a # (",
            "<# { #> 1",
            "\"$(1 + \"x\")\"",
            "$a[0]",
            "ls c:\\",
            "1 -eq 2",
            "Get-Item -Path",
            "$x = 5; $x",
            "1 %{ }",
            "'a' + 'b'",
            "a=b",
            "Get-Process | Format-List *",
            "Get-ChildItem *",
            "cd /",
            "$x = Get-ChildItem *",
            "git log --format= %",
        ] {
            assert!(is_whole(text), "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        for text in ["(".repeat(100_000), "\"$(".repeat(100_000), "{\"$('".repeat(50_000)] {
            let _decided = is_whole(&text);
        }
    }
}
