//! Letters of a text one after the other: blanks, comments, quoted texts, and blocks that are skipped as a whole.

use std::ops::Range;

use super::syntax::{ParseError, Part, is_double_quote, is_single_quote};

/// How deep parentheses, hashtables and blocks may stand in each other.
const MAX_DEPTH: usize = 32;

/// A place in a text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
    /// Where the last backtick at a line's end stands.
    continued: Option<usize>,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(source: &'a str) -> Self {
        Self { source, at: 0, depth: 0, continued: None }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place where it was before.
    pub(super) const fn return_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// The text from a place to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.source.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The letter behind the next one.
    pub(super) fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    /// Takes this text if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes letters as long as they fit.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&fits) {
            self.bump();
        }
        self.since(start)
    }

    /// What is wrong from `start` to here, or with the next letter when nothing was taken.
    pub(super) fn error(&self, start: usize, message: impl Into<String>) -> ParseError {
        let place = if start < self.at { start..self.at } else { self.next_letter() };
        ParseError { message: message.into(), place, is_incomplete: false, hint: None }
    }

    /// What began at `start` and needs more lines.
    pub(super) fn unfinished(&self, start: usize, message: impl Into<String>) -> ParseError {
        let end = start
            + self
                .source
                .get(start..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        ParseError { message: message.into(), place: start..end, is_incomplete: true, hint: None }
    }

    fn next_letter(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    /// Goes one level deeper.
    ///
    /// # Errors
    /// It is too deep.
    pub(super) fn enter(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!(
                "Too deep: more than {MAX_DEPTH} parentheses, hashtables or blocks in each other."
            );
            return Err(self.error(self.at, message));
        }
        Ok(())
    }

    pub(super) const fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Whether a backtick at the line's end is next.
    pub(super) fn is_continued(&self) -> bool {
        self.rest().starts_with("`\n") || self.rest().starts_with("`\r\n")
    }

    /// Skips blanks, and a backtick at a line's end with the line's end.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            self.take_while(is_blank);
            let backtick = self.at;
            if !(self.eat("`\r\n") || self.eat("`\n")) {
                return;
            }
            self.continued = Some(backtick);
        }
    }

    /// Whether the text ends on a line that a backtick continues; an empty line behind it ends the statement, as lists of
    /// parameters in documentation do.
    ///
    /// # Errors
    /// It does: more lines are needed.
    pub(super) fn check_continued(&self) -> Result<(), ParseError> {
        let Some(at) = self.continued else { return Ok(()) };
        let rest = self.since(at);
        let is_last = rest.trim_start_matches('`').trim().is_empty();
        if is_last && rest.matches('\n').count() < 2 {
            return Err(self.unfinished(at, "Nothing follows the line that ends with a backtick."));
        }
        Ok(())
    }

    /// Skips blanks and comments that end on the same line.
    ///
    /// # Errors
    /// A comment without an end.
    pub(super) fn skip_comments(&mut self) -> Result<(), ParseError> {
        loop {
            self.skip_blanks();
            let start = self.at;
            if self.eat("<#") {
                let Some(end) = self.rest().find("#>") else {
                    self.at = self.source.len();
                    return Err(self.unfinished(
                        start,
                        "The terminator '#>' is missing from the multiline comment.",
                    ));
                };
                self.at += end + 2;
            } else if self.peek() == Some('#') {
                self.take_while(|letter| letter != '\n');
            } else {
                return Ok(());
            }
        }
    }

    /// Skips blanks, comments and line breaks.
    ///
    /// # Errors
    /// A comment without an end.
    pub(super) fn skip_lines(&mut self) -> Result<(), ParseError> {
        loop {
            self.skip_comments()?;
            if self.take_while(|letter| matches!(letter, '\n' | '\r')).is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads a text in single quotes: two of them mean one.
    ///
    /// # Errors
    /// It has no end.
    pub(super) fn single_quoted(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        while let Some(letter) = self.bump() {
            if !is_single_quote(letter) {
                text.push(letter);
            } else if let Some(second) = self.peek().filter(|second| is_single_quote(*second)) {
                self.bump();
                text.push(second);
            } else {
                return Ok(text);
            }
        }
        Err(self.unfinished(start, "The string is missing the terminator: '."))
    }

    /// Reads a text in double quotes into pieces: variables, escapes with a backtick, two quotes that mean one.
    ///
    /// # Errors
    /// It has no end, or something in it that is not read here.
    pub(super) fn double_quoted(&mut self, parts: &mut Vec<Part>) -> Result<(), ParseError> {
        let start = self.at;
        self.bump();
        while let Some(letter) = self.peek() {
            if is_double_quote(letter) {
                self.bump();
                let Some(second) = self.peek().filter(|second| is_double_quote(*second)) else {
                    return Ok(());
                };
                self.bump();
                push(parts, second);
            } else {
                self.part(parts)?;
            }
        }
        Err(self.unfinished(start, "The string is missing the terminator: \"."))
    }

    /// Reads one letter, escape or variable of a text that has such.
    ///
    /// # Errors
    /// An expression inside the text.
    pub(super) fn part(&mut self, parts: &mut Vec<Part>) -> Result<(), ParseError> {
        match self.peek() {
            Some('`') => {
                let start = self.at;
                self.bump();
                let Some(letter) = self.escaped()? else {
                    return Err(self.unfinished(start, "The text ends behind a backtick."));
                };
                push(parts, letter);
            }
            Some('$') => match self.peek_second() {
                Some('(') => return Err(self.unsupported(2, "A subexpression $(…)")),
                Some('{') => return Err(self.unsupported(2, "A variable name in braces")),
                Some(letter) if is_name(letter) => {
                    let name = self.variable()?;
                    parts.push(Part::Variable(name));
                }
                _ => {
                    self.bump();
                    push(parts, '$');
                }
            },
            Some(letter) => {
                self.bump();
                push(parts, letter);
            }
            None => {}
        }
        Ok(())
    }

    /// The letter that stands for what follows a backtick.
    fn escaped(&mut self) -> Result<Option<char>, ParseError> {
        let start = self.at;
        Ok(match self.bump() {
            Some('0') => Some('\0'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('e') => Some('\u{1b}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            Some('u') if self.peek() == Some('{') => {
                self.bump();
                let digits = self.take_while(|letter| letter.is_ascii_hexdigit());
                let letter = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                if digits.len() > 6 || letter.is_none() || !self.eat("}") {
                    let message = "The Unicode escape sequence is not valid: write `u{ and 1 to 6 hexadecimal digits.";
                    return Err(self.error(start, message));
                }
                letter
            }
            other => other,
        })
    }

    /// Reads `$name`.
    ///
    /// # Errors
    /// A name with a scope or a drive, and names of one sign such as `$?`.
    pub(super) fn variable(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.bump();
        if self.peek() == Some('{') {
            return Err(self.unsupported(1, "A variable name in braces"));
        }
        if self.peek() == Some('(') {
            return Err(self.unsupported(1, "A subexpression $(…)"));
        }
        let name = self.take_while(is_name);
        if name.is_empty() {
            self.bump();
            return Err(
                unsupported(self.error(start, "")).named("An automatic variable of one sign")
            );
        }
        let is_qualified = self.peek() == Some(':') && self.peek_second().is_some_and(is_name);
        if is_qualified {
            self.bump();
            self.take_while(is_name);
            return Err(
                unsupported(self.error(start, "")).named("A variable with a scope or a drive")
            );
        }
        Ok(name.to_owned())
    }

    /// Reads `{ … }` and hands out what is inside, as written.
    ///
    /// # Errors
    /// It has no end.
    pub(super) fn script_block(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.bump();
        let inside = self.at;
        self.skip_block('}', start)?;
        let text = self.since(inside);
        Ok(text.strip_suffix('}').unwrap_or(text))
    }

    /// Skips to the end of a block of any PowerShell: braces and parentheses in pairs, texts and comments as a whole.
    fn skip_block(&mut self, end: char, start: usize) -> Result<(), ParseError> {
        self.enter()?;
        let mut before = ' ';
        while let Some(letter) = self.peek() {
            let here = self.at;
            let begins = before.is_whitespace() || "{}();,|&=".contains(before);
            if letter == end {
                self.bump();
                self.leave();
                return Ok(());
            }
            match letter {
                '`' => {
                    self.bump();
                    self.bump();
                }
                '@' if self.is_here_string() => self.skip_here_string()?,
                '{' | '(' => {
                    self.bump();
                    self.skip_block(if letter == '{' { '}' } else { ')' }, here)?;
                }
                '<' if self.rest().starts_with("<#") => self.skip_comments()?,
                '#' if begins => self.skip_comments()?,
                letter if is_single_quote(letter) => drop(self.single_quoted()?),
                letter if is_double_quote(letter) => self.skip_double_quoted()?,
                _ => drop(self.bump()),
            }
            // A text or a block is behind us as a sign, a comment as a blank.
            before = if "<#".contains(letter) && self.at > here + 1 { ' ' } else { letter };
        }
        let message = match end {
            ')' => "Missing closing ')' in expression.",
            _ => "Missing closing '}' in statement block or type definition.",
        };
        Err(self.unfinished(start, message))
    }

    fn skip_double_quoted(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.bump();
        while let Some(letter) = self.peek() {
            let here = self.at;
            self.bump();
            match letter {
                '`' => drop(self.bump()),
                '$' if self.eat("(") => self.skip_block(')', here)?,
                letter if is_double_quote(letter) => match self.peek() {
                    Some(second) if is_double_quote(second) => drop(self.bump()),
                    _ => return Ok(()),
                },
                _ => {}
            }
        }
        Err(self.unfinished(start, "The string is missing the terminator: \"."))
    }

    /// Whether `@'` or `@"` is next, with the line's end behind it.
    fn is_here_string(&self) -> bool {
        let mut letters = self.rest().chars().skip(1);
        letters.next().is_some_and(|quote| is_single_quote(quote) || is_double_quote(quote))
            && letters
                .find(|letter| !is_blank(*letter))
                .is_some_and(|letter| matches!(letter, '\n' | '\r'))
    }

    /// Skips to the line that begins with the closing quote and `@`.
    fn skip_here_string(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.bump();
        let is_quote = if self.peek().is_some_and(is_single_quote) {
            is_single_quote
        } else {
            is_double_quote
        };
        while self.bump().is_some() {
            let begins = self.since(start).ends_with('\n');
            if begins && self.peek().is_some_and(is_quote) && self.peek_second() == Some('@') {
                self.bump();
                self.bump();
                return Ok(());
            }
        }
        Err(self.unfinished(
            start,
            "The string is missing the terminator: '@ or \"@ at the beginning of a line.",
        ))
    }

    /// Refuses what begins with the next `letters`, by the name of the construct.
    pub(super) fn unsupported(&mut self, letters: usize, what: &str) -> ParseError {
        let start = self.at;
        for _ in 0..letters {
            self.bump();
        }
        unsupported(self.error(start, "")).named(what)
    }
}

/// An error about a construct of PowerShell's that is not read here.
pub(super) struct Unsupported(ParseError);

pub(super) const fn unsupported(error: ParseError) -> Unsupported {
    Unsupported(error)
}

impl Unsupported {
    pub(super) fn named(self, what: &str) -> ParseError {
        ParseError {
            message: format!("{what} is not supported by pssession."),
            hint: Some(
                "pssession reads cmdlets, pipes, variables, texts, lists, hashtables and script blocks, and no more of the language",
            ),
            ..self.0
        }
    }
}

/// Adds a letter to the text at the end of the pieces.
pub(super) fn push(parts: &mut Vec<Part>, letter: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        _ => parts.push(Part::Text(letter.to_string())),
    }
}

/// A blank inside a line.
pub(super) fn is_blank(letter: char) -> bool {
    letter.is_whitespace() && !matches!(letter, '\n' | '\r') || letter == '\u{feff}'
}

/// A letter of a variable's name.
pub(super) fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
