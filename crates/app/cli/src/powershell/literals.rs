//! Reads values that hold others: members, parentheses, hashtables; and numbers.

use super::cursor::{is_name, unsupported};
use super::parser::Parser;
use super::syntax::{Element, Expression, ParseError, Part, is_double_quote, is_single_quote};

/// How many members of each other a value may name.
const MAX_MEMBERS: usize = 32;
const MISSING_PARENTHESIS: &str = "Missing closing ')' in expression.";

impl Parser<'_> {
    /// `.Name` behind a value, as often as it comes.
    pub(super) fn members(&mut self, value: Expression) -> Result<Expression, ParseError> {
        let mut value = value;
        loop {
            let start = self.cursor.at();
            match self.cursor.peek() {
                Some('[') => return Err(self.cursor.unsupported(1, "An index")),
                Some(':') if self.cursor.rest().starts_with("::") => {
                    return Err(self.cursor.unsupported(2, "A static member"));
                }
                Some('.') if self.cursor.peek_second().is_some_and(is_name) => {
                    self.cursor.bump();
                    let name = self.cursor.take_while(is_name).to_owned();
                    if self.cursor.peek() == Some('(') {
                        return Err(
                            unsupported(self.cursor.error(start, "")).named("The call of a method")
                        );
                    }
                    value = self.deeper(value, name)?;
                }
                _ => return Ok(value),
            }
        }
    }

    fn deeper(&self, value: Expression, name: String) -> Result<Expression, ParseError> {
        let mut depth = 0;
        let mut inner = &value;
        while let Expression::Member(next, _) = inner {
            (depth, inner) = (depth + 1, next);
        }
        if depth >= MAX_MEMBERS {
            let message = format!("Too deep: more than {MAX_MEMBERS} members of each other.");
            return Err(self.cursor.error(self.cursor.at(), message));
        }
        Ok(Expression::Member(Box::new(value), name))
    }

    pub(super) fn parentheses(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        self.cursor.enter()?;
        self.cursor.bump();
        self.cursor.skip_lines()?;
        if self.cursor.peek() == Some(')') {
            return Err(self
                .cursor
                .error(self.cursor.at(), "An expression was expected after '('."));
        }
        if self.cursor.peek().is_none() {
            return Err(self.cursor.unfinished(start, MISSING_PARENTHESIS));
        }
        let pipeline = self.pipeline()?;
        self.cursor.skip_lines()?;
        if !self.cursor.eat(")") {
            return Err(match self.cursor.peek() {
                None => self.cursor.unfinished(start, MISSING_PARENTHESIS),
                Some(_) => self.cursor.error(self.cursor.at(), MISSING_PARENTHESIS),
            });
        }
        self.cursor.leave();
        Ok(Expression::Parentheses(Box::new(pipeline)))
    }

    pub(super) fn at_sign(&mut self) -> Result<Expression, ParseError> {
        match self.cursor.peek_second() {
            Some('{') => self.hashtable(),
            Some('(') => Err(self.cursor.unsupported(2, "An array expression @(…)")),
            Some(letter) if is_single_quote(letter) || is_double_quote(letter) => {
                Err(self.cursor.unsupported(2, "A here-string"))
            }
            Some(letter) if is_name(letter) => Err(self.cursor.unsupported(2, "Splatting")),
            _ => Err(self.cursor.error(self.cursor.at(), "Unrecognized token in source text.")),
        }
    }

    fn hashtable(&mut self) -> Result<Expression, ParseError> {
        const INCOMPLETE: &str = "The hash literal was incomplete.";
        let start = self.cursor.at();
        self.cursor.enter()?;
        self.cursor.bump();
        self.cursor.bump();
        let mut entries: Vec<(String, Expression)> = Vec::new();
        loop {
            self.cursor.skip_lines()?;
            if self.cursor.eat(";") {
                continue;
            }
            if self.cursor.eat("}") {
                self.cursor.leave();
                return Ok(Expression::Hashtable(entries));
            }
            let place = self.cursor.at();
            let key = self.key(start)?;
            if entries.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(&key)) {
                let message = format!("Duplicate keys '{key}' are not allowed in hash literals.");
                return Err(self.cursor.error(place, message));
            }
            self.cursor.skip_comments()?;
            if !self.cursor.eat("=") {
                return Err(match self.cursor.peek() {
                    None => self.cursor.unfinished(start, INCOMPLETE),
                    Some(_) => self
                        .cursor
                        .error(self.cursor.at(), "Missing '=' operator after key in hash literal."),
                });
            }
            self.cursor.skip_lines()?;
            match self.cursor.peek() {
                None => return Err(self.cursor.unfinished(start, INCOMPLETE)),
                Some(';' | '}') => {
                    return Err(self
                        .cursor
                        .error(self.cursor.at(), "Missing statement after '=' in hash literal."));
                }
                Some(_) => entries.push((key, self.hash_value()?)),
            }
            self.cursor.skip_comments()?;
            match self.cursor.peek() {
                Some(';' | '}' | '\n' | '\r') => {}
                None => return Err(self.cursor.unfinished(start, INCOMPLETE)),
                Some(_) => return Err(self.unexpected()),
            }
        }
    }

    fn hash_value(&mut self) -> Result<Expression, ParseError> {
        let mut pipeline = self.pipeline()?;
        Ok(match pipeline.elements.pop() {
            Some(Element::Expression(only)) if pipeline.elements.is_empty() => only,
            last => {
                pipeline.elements.extend(last);
                Expression::Parentheses(Box::new(pipeline))
            }
        })
    }

    fn key(&mut self, start: usize) -> Result<String, ParseError> {
        let key = match self.cursor.peek() {
            None => return Err(self.cursor.unfinished(start, "The hash literal was incomplete.")),
            Some(letter) if is_single_quote(letter) => self.cursor.single_quoted()?,
            Some(letter) if is_double_quote(letter) => {
                let place = self.cursor.at();
                let mut parts = Vec::new();
                self.cursor.double_quoted(&mut parts)?;
                let Expression::Text(key) = text_of(parts) else {
                    return Err(
                        unsupported(self.cursor.error(place, "")).named("A variable in a key")
                    );
                };
                key
            }
            Some('$' | '(') => return Err(self.cursor.unsupported(1, "An expression as a key")),
            Some(_) => self
                .cursor
                .take_while(|letter| is_name(letter) || letter == '-' || letter == '.')
                .to_owned(),
        };
        if key.is_empty() {
            return Err(self
                .cursor
                .error(self.cursor.at(), "Missing key before '=' in hash literal."));
        }
        Ok(key)
    }
}

/// A text, or its pieces when there are variables in it.
pub(super) fn text_of(mut parts: Vec<Part>) -> Expression {
    match parts.pop() {
        None => Expression::Text(String::new()),
        Some(Part::Text(text)) if parts.is_empty() => Expression::Text(text),
        Some(last) => {
            parts.push(last);
            Expression::Template(parts)
        }
    }
}

/// The most numbers of `first..last`.
const MAX_RANGE: u64 = 1_000_000;

/// Reads `1..3`, where the numbers may be negative.
pub(super) fn range(word: &str) -> Option<Expression> {
    let (first, last) = word.split_once("..")?;
    let integer = |text| {
        let Expression::Integer { value, .. } = number(text)? else { return None };
        i32::try_from(value).ok().map(i64::from)
    };
    let (first, last) = (integer(first)?, integer(last)?);
    (first.abs_diff(last) < MAX_RANGE).then_some(Expression::Range(first, last))
}

/// Reads a number: decimal, hexadecimal, with a fraction, with a multiplier such as `kb`.
pub(crate) fn number(word: &str) -> Option<Expression> {
    let text = word.to_owned();
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1_i64, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    if !digits.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    if let Some(hexadecimal) = lower.strip_prefix("0x") {
        let is_plain = hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = i64::from_str_radix(hexadecimal, 16).ok().filter(|_| is_plain)?;
        return Some(Expression::Integer { value: sign.checked_mul(value)?, text });
    }
    let (digits, power) = ["kb", "mb", "gb", "tb", "pb"]
        .iter()
        .zip(1..)
        .find_map(|(unit, power)| Some((lower.strip_suffix(unit)?, power)))
        .unwrap_or((&lower, 0));
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let value = digits.parse::<i64>().ok()?.checked_mul(1024_i64.checked_pow(power)?)?;
        return Some(Expression::Integer { value: sign.checked_mul(value)?, text });
    }
    let (whole, fraction) = digits.split_once('.')?;
    let is_plain =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if power != 0 || !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    Some(Expression::Real { value: word.parse().ok()?, text })
}
