//! `$using:` in a script: which expressions of this side's variables it has, and what they are worth here.
//!
//! The host looks the values up by the text of the expression, so each is found as PowerShell's own parser finds it: in
//! code with its members and indexes (`$using:h.k`, `$using:h['k']`), in a text in double quotes the variable alone.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::command_error::CommandError;
use crate::powershell::syntax::{is_double_quote, is_single_quote};
use crate::powershell::value::Value;

/// An expression that a script takes from this side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Using {
    /// As the script has it: `$using:h.k`.
    pub(super) text: String,
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(i64),
}

impl Using {
    /// What the host looks the value up by: of a plain variable the case does not count.
    pub(super) fn key(&self) -> String {
        if self.steps.is_empty() { self.text.to_lowercase() } else { self.text.clone() }
    }

    /// The value on this side.
    ///
    /// # Errors
    /// There is no such variable.
    pub(super) fn value(
        &self,
        variable: impl Fn(&str) -> Option<Value>,
    ) -> Result<Value, CommandError> {
        let mut value = variable(&self.name).ok_or_else(|| {
            CommandError::usage(format!(
                "The value of the using variable '$using:{}' cannot be retrieved because it has not been set in the local session.",
                self.name
            ))
        })?;
        for step in &self.steps {
            value = match step {
                Step::Member(name) => value.member(name),
                Step::Index(index) => item(&value, *index),
            };
        }
        Ok(value)
    }
}

/// An item of a list, from its end where the index is negative; null where there is none.
fn item(value: &Value, index: i64) -> Value {
    let items = value.clone().into_pipe();
    let place = if index < 0 {
        usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back))
    } else {
        usize::try_from(index).ok()
    };
    place.and_then(|place| items.get(place)).cloned().unwrap_or(Value::Null)
}

/// The expressions of a script, each once.
///
/// # Errors
/// One calls a method, or has an index that is no constant.
pub(super) fn find(script: &str) -> Result<Vec<Using>, CommandError> {
    let mut scanner =
        Scanner { source: script, letters: script.char_indices().peekable(), found: Vec::new() };
    scanner.code(None)?;
    Ok(scanner.found)
}

struct Scanner<'a> {
    source: &'a str,
    letters: Peekable<CharIndices<'a>>,
    found: Vec<Using>,
}

/// How deep texts and code may stand in each other; what is deeper is not looked into.
const MAX_DEPTH: usize = 64;

impl Scanner<'_> {
    fn at(&mut self) -> usize {
        self.letters.peek().map_or(self.source.len(), |(at, _)| *at)
    }

    fn rest(&mut self) -> &str {
        let at = self.at();
        self.source.get(at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<char> {
        self.letters.peek().map(|(_, letter)| *letter)
    }

    fn next(&mut self) -> Option<char> {
        self.letters.next().map(|(_, letter)| letter)
    }

    fn skip(&mut self, letters: usize) {
        for _ in 0..letters {
            self.letters.next();
        }
    }

    /// Reads code to its end, or behind the parenthesis that ends it.
    fn code(&mut self, depth: Option<usize>) -> Result<(), CommandError> {
        let inner = depth.map_or(0, |depth| depth + 1);
        let mut open = 0_usize;
        let mut before = ' ';
        while let Some(letter) = self.next() {
            match letter {
                '`' => self.skip(1),
                '#' if !is_word(before) => self.line(),
                '<' if self.peek() == Some('#') => self.block_comment(),
                '@' if self.rest().starts_with('\'') => self.here(false, inner)?,
                '@' if self.rest().starts_with('"') => self.here(true, inner)?,
                '$' | '@' => self.variable(letter, true)?,
                '(' => open += 1,
                ')' if open == 0 && depth.is_some() => return Ok(()),
                ')' => open = open.saturating_sub(1),
                quote if is_single_quote(quote) => self.single_quoted(),
                quote if is_double_quote(quote) => self.double_quoted(inner)?,
                _ => {}
            }
            before = letter;
        }
        Ok(())
    }

    fn line(&mut self) {
        while self.peek().is_some_and(|letter| letter != '\n') {
            self.skip(1);
        }
    }

    fn block_comment(&mut self) {
        let length = self.rest().find("#>").map(|end| end + 2);
        self.to(length);
    }

    /// Goes so many bytes on, or to the end.
    fn to(&mut self, length: Option<usize>) {
        let end = length.map_or(self.source.len(), |length| self.at() + length);
        while self.letters.peek().is_some_and(|(at, _)| *at < end) {
            self.letters.next();
        }
    }

    fn single_quoted(&mut self) {
        while let Some(letter) = self.next() {
            if is_single_quote(letter) {
                if !self.peek().is_some_and(is_single_quote) {
                    return;
                }
                self.skip(1);
            }
        }
    }

    fn double_quoted(&mut self, depth: usize) -> Result<(), CommandError> {
        while let Some(letter) = self.next() {
            match letter {
                '`' => self.skip(1),
                '$' => self.in_text(depth)?,
                quote if is_double_quote(quote) => {
                    if !self.peek().is_some_and(is_double_quote) {
                        return Ok(());
                    }
                    self.skip(1);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Behind a `$` in a text.
    fn in_text(&mut self, depth: usize) -> Result<(), CommandError> {
        if self.peek() == Some('(') && depth < MAX_DEPTH {
            self.skip(1);
            return self.code(Some(depth));
        }
        self.variable('$', false)
    }

    /// A text over several lines, behind its `@`.
    fn here(&mut self, is_expanded: bool, depth: usize) -> Result<(), CommandError> {
        let end = if is_expanded { "\n\"@" } else { "\n'@" };
        while !self.rest().is_empty() {
            if self.rest().starts_with(end) {
                self.skip(3);
                return Ok(());
            }
            match self.next() {
                Some('`') if is_expanded => self.skip(1),
                Some('$') if is_expanded => self.in_text(depth)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Behind the sign of a variable.
    fn variable(&mut self, sign: char, takes_members: bool) -> Result<(), CommandError> {
        let start = self.at() - 1;
        let rest = self.rest();
        let has_braces = rest.starts_with('{');
        let behind = if has_braces { rest.get(1..).unwrap_or_default() } else { rest };
        let Some(drive) = behind.get(..6).filter(|drive| drive.eq_ignore_ascii_case("using:"))
        else {
            return Ok(());
        };
        let name = behind.get(drive.len()..).unwrap_or_default();
        let end = if has_braces {
            name.find('}')
        } else {
            Some(name.find(|letter| !is_word(letter)).unwrap_or(name.len()))
        };
        let Some(name) = end.and_then(|end| name.get(..end)).filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let name = name.to_owned();
        let length = usize::from(has_braces) * 2 + drive.len() + name.len();
        self.to(Some(length));
        let steps = if takes_members { self.steps(start)? } else { Vec::new() };
        let end = self.at();
        let text = self.source.get(start..end).unwrap_or_default();
        // A splatted variable is looked up as what it is.
        let text = if sign == '@' { text.replacen('@', "$", 1) } else { text.to_owned() };
        let using = Using { text, name, steps };
        if !self.found.contains(&using) {
            self.found.push(using);
        }
        Ok(())
    }

    /// `.name` and `[index]`, as many as follow without a blank.
    fn steps(&mut self, start: usize) -> Result<Vec<Step>, CommandError> {
        let mut steps = Vec::new();
        loop {
            let rest = self.rest();
            let member = rest.strip_prefix('.').filter(|name| name.starts_with(is_word));
            if let Some(member) = member {
                let end = member.find(|letter| !is_word(letter)).unwrap_or(member.len());
                let name = member.get(..end).unwrap_or_default().to_owned();
                let is_call = member.get(end..).is_some_and(|rest| rest.starts_with('('));
                self.to(Some(1 + name.len()));
                if is_call {
                    return Err(self.not_allowed(start));
                }
                steps.push(Step::Member(name));
            } else if rest.starts_with('[') {
                let end = rest.find(']').map(|end| end + 1);
                let inside = end.and_then(|end| rest.get(1..end - 1)).unwrap_or_default().trim();
                let step = index(inside);
                self.to(end);
                steps.push(step.ok_or_else(|| self.not_allowed(start))?);
            } else {
                return Ok(steps);
            }
        }
    }

    fn not_allowed(&mut self, start: usize) -> CommandError {
        let end = self.at();
        let text = self.source.get(start..end).unwrap_or_default();
        CommandError::usage(format!("Expression is not allowed in a Using expression: {text}"))
            .hint("after $using:name there may be .member, [number] and ['key']; assign anything else to a variable first")
    }
}

/// A number, or a text in quotes.
fn index(inside: &str) -> Option<Step> {
    let mut letters = inside.chars();
    let (first, last) = (letters.next()?, letters.next_back());
    let is_quoted = |quote: fn(char) -> bool| quote(first) && last.is_some_and(quote);
    if is_quoted(is_single_quote) || (is_quoted(is_double_quote) && !inside.contains(['$', '`'])) {
        let text = letters.as_str();
        let is_plain = !text.contains(|letter| is_single_quote(letter) || is_double_quote(letter));
        return is_plain.then(|| Step::Member(text.to_owned()));
    }
    inside.parse().ok().map(Step::Index)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(script: &str) -> Vec<String> {
        find(script).unwrap().iter().map(Using::key).collect()
    }

    #[test]
    fn expressions_are_found_as_powershell_finds_them() {
        for (script, found) in [
            (
                r#" "$using:v $($using:h.k) $($using:h['k'])" "#,
                &["$using:v", "$using:h.k", "$using:h['k']"][..],
            ),
            ("$Using:Ab; $using:AB.C", &["$using:ab", "$using:AB.C"]),
            ("\"$using:a.b[0]\"", &["$using:a"]),
            ("$using:a.b[0] + $using:l[-1]", &["$using:a.b[0]", "$using:l[-1]"]),
            ("${using:x y}", &["${using:x y}"]),
            ("f @using:splat", &["$using:splat"]),
            ("1..$using:n", &["$using:n"]),
            ("$using:a..3", &["$using:a"]),
            ("'$using:no' # $using:no\n <# $using:no #> `$using:no \"`$using:no\"", &[]),
            (
                "@'\n$using:no'\n'@; @\"\n\"$using:yes $($using:too)\n\"@",
                &["$using:yes", "$using:too"],
            ),
            ("'it''s $using:no'; a#$using:yes", &["$using:yes"]),
            ("$(if (1) { $using:a }) \"$((\")\")) $using:b\"", &["$using:a", "$using:b"]),
            ("$using: $usin $x", &[]),
        ] {
            assert_eq!(keys(script), found, "{script}");
        }
    }

    #[test]
    fn values_are_those_of_this_side_with_members_and_indexes() {
        let of = |script: &str| {
            let found = find(script).unwrap();
            found.first().unwrap().value(|name| {
                let text = r#"{"h":{"k":[1,2,3]}}"#;
                serde_json::from_str::<Value>(text).unwrap().member(name).some()
            })
        };
        for (script, text) in [
            ("$using:H.k", "1 2 3"),
            ("$using:h['K'][-1]", "3"),
            ("$using:h.k[0]", "1"),
            ("$using:h.k[7]", ""),
            ("$using:h.none", ""),
        ] {
            assert_eq!(of(script).unwrap().text(), text, "{script}");
        }
        let error = of("$using:notdefined").unwrap_err();
        assert!(
            error.error().contains("'$using:notdefined' cannot be retrieved"),
            "{}",
            error.error()
        );
        assert!(find("$using:h.Remove('k')").is_err());
        assert!(find("$using:l[$i]").is_err());
    }

    impl Value {
        fn some(self) -> Option<Self> {
            (!matches!(self, Self::Null)).then_some(self)
        }
    }
}
