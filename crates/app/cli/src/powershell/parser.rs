//! Reads PowerShell's spelling of commands: cmdlets with their arguments, pipes, variables, and literals.
//!
//! Two modes alternate, as in PowerShell: in arguments a bare word is a text (`-Name Server01`), elsewhere it is a command
//! (`$s = Get-PSSession`). What else the language has is an error that names the construct.

use super::cursor::{Cursor, is_blank, is_name, unsupported};
use super::syntax::{
    Argument, Command, Element, Expression, ParseError, Part, Pipeline, Redirection, Script,
    Statement, is_dash, is_double_quote, is_single_quote,
};

/// The longest text in bytes; a longer one is no command that somebody typed.
pub(crate) const MAX_SOURCE: usize = 256 * 1024;

/// Words that begin a construct of the language, about_Reserved_Words.
const KEYWORDS: &[&str] = &[
    "begin",
    "break",
    "catch",
    "class",
    "clean",
    "continue",
    "data",
    "do",
    "dynamicparam",
    "else",
    "elseif",
    "end",
    "enum",
    "filter",
    "finally",
    "for",
    "foreach",
    "from",
    "function",
    "hidden",
    "if",
    "in",
    "param",
    "process",
    "return",
    "static",
    "switch",
    "throw",
    "trap",
    "try",
    "until",
    "using",
    "while",
    "workflow",
    "parallel",
    "sequence",
    "inlinescript",
    "configuration",
];

/// Reads a text of one or several lines.
///
/// # Errors
/// [`ParseError`], whose place is inside the text.
pub(crate) fn parse(source: &str) -> Result<Script, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(source) };
    if source.len() > MAX_SOURCE {
        let message = format!("The text is longer than {} KiB.", MAX_SOURCE / 1024);
        return Err(parser.cursor.error(0, message));
    }
    parser.script()
}

struct Parser<'a> {
    cursor: Cursor<'a>,
}

impl Parser<'_> {
    fn script(&mut self) -> Result<Script, ParseError> {
        let mut statements = Vec::new();
        loop {
            self.cursor.skip_lines()?;
            if self.cursor.eat(";") {
                continue;
            }
            if self.cursor.peek().is_none() {
                self.cursor.check_continued()?;
                return Ok(Script { statements });
            }
            statements.push(self.statement()?);
            self.cursor.skip_comments()?;
            if !matches!(self.cursor.peek(), None | Some(';' | '\n' | '\r')) {
                return Err(self.unexpected());
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, ParseError> {
        let start = self.cursor.at();
        let word = self.cursor.take_while(|letter| letter.is_ascii_alphabetic());
        let is_whole = self.cursor.peek().is_none_or(|letter| ends_word(letter) || letter == '#');
        if is_whole && word.eq_ignore_ascii_case("exit") {
            self.cursor.skip_comments()?;
            let code = match self.cursor.peek() {
                None | Some(';' | '\n' | '\r') => None,
                Some(_) => Some(self.expression()?),
            };
            return Ok(Statement::Exit(code));
        }
        if is_whole && KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
            let name = format!("The keyword '{word}'");
            return Err(unsupported(self.cursor.error(start, "")).named(&name));
        }
        self.cursor.return_to(start);
        let target = self.target()?;
        let pipeline = self.pipeline()?;
        let redirection = self.redirection()?;
        Ok(Statement::Run { target, pipeline, redirection })
    }

    /// `$name =`, if that is next.
    fn target(&mut self) -> Result<Option<String>, ParseError> {
        let start = self.cursor.at();
        if self.cursor.peek() != Some('$') || !self.cursor.peek_second().is_some_and(is_name) {
            return Ok(None);
        }
        let name = self.cursor.variable()?;
        let end = self.cursor.at();
        self.cursor.skip_blanks();
        let sign = self.cursor.at();
        for operator in ["+=", "-=", "*=", "/=", "%=", "??=", "++", "--"] {
            if self.cursor.eat(operator) {
                let name = format!("The operator '{operator}'");
                return Err(unsupported(self.cursor.error(sign, "")).named(&name));
            }
        }
        if !self.cursor.eat("=") {
            self.cursor.return_to(start);
            return Ok(None);
        }
        if ["true", "false"].iter().any(|constant| name.eq_ignore_ascii_case(constant)) {
            self.cursor.return_to(end);
            let message =
                format!("Cannot overwrite variable {name} because it is read-only or constant.");
            return Err(self.cursor.error(start, message));
        }
        self.cursor.skip_lines()?;
        if self.cursor.peek().is_none() {
            return Err(self.cursor.unfinished(
                sign,
                "You must provide a value expression following the '=' operator.",
            ));
        }
        Ok(Some(name))
    }

    fn pipeline(&mut self) -> Result<Pipeline, ParseError> {
        let mut elements = Vec::new();
        loop {
            elements.push(self.element(elements.is_empty())?);
            self.cursor.skip_comments()?;
            let bar = self.cursor.at();
            if !self.cursor.eat("|") {
                return Ok(Pipeline { elements });
            }
            if self.cursor.peek() == Some('|') {
                self.cursor.return_to(bar);
                return Err(self.cursor.unsupported(2, "The operator '||'"));
            }
            self.cursor.skip_lines()?;
            match self.cursor.peek() {
                None => return Err(self.cursor.unfinished(bar, EMPTY_ELEMENT)),
                Some('|' | ';' | ')' | '}') => {
                    return Err(self.cursor.error(self.cursor.at(), EMPTY_ELEMENT));
                }
                Some(_) => {}
            }
        }
    }

    fn element(&mut self, is_first: bool) -> Result<Element, ParseError> {
        let start = self.cursor.at();
        if !self.begins_expression() {
            return self.command().map(Element::Command);
        }
        let expression = self.expression()?;
        if !is_first {
            let message = "Expressions are only allowed as the first element of a pipeline.";
            return Err(self.cursor.error(start, message));
        }
        Ok(Element::Expression(expression))
    }

    /// Whether the next letters begin a value and no command.
    fn begins_expression(&mut self) -> bool {
        let Some(letter) = self.cursor.peek() else { return false };
        if "$({@[".contains(letter) || is_single_quote(letter) || is_double_quote(letter) {
            return true;
        }
        let start = self.cursor.at();
        let word = self.cursor.take_while(|letter| !ends_word(letter));
        self.cursor.return_to(start);
        number(word).is_some() || letter == '!'
    }

    fn command(&mut self) -> Result<Command, ParseError> {
        let start = self.cursor.at();
        match self.cursor.peek() {
            Some('&') => return Err(self.cursor.unsupported(1, "The call operator '&'")),
            Some('.') if self.cursor.peek_second().is_some_and(is_blank) => {
                return Err(self.cursor.unsupported(1, "The dot sourcing operator '.'"));
            }
            Some('|') => return Err(self.cursor.error(start, EMPTY_ELEMENT)),
            Some(letter) if ends_word(letter) => return Err(self.unexpected()),
            Some(_) | None => {}
        }
        let (Expression::Text(name)
        | Expression::Integer { text: name, .. }
        | Expression::Real { text: name, .. }) = self.word()?
        else {
            let what = "A command whose name holds a variable";
            return Err(unsupported(self.cursor.error(start, "")).named(what));
        };
        let place = start..self.cursor.at();
        Ok(Command { place, name, arguments: self.arguments()? })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, ParseError> {
        let mut arguments = Vec::new();
        let mut has_parameters = true;
        loop {
            self.cursor.skip_comments()?;
            let Some(letter) = self.cursor.peek() else { return Ok(arguments) };
            let start = self.cursor.at();
            match letter {
                '\n' | '\r' | ';' | '|' | ')' | '}' | '>' => return Ok(arguments),
                ',' => return Err(self.cursor.error(start, "Missing argument in parameter list.")),
                letter if has_parameters && is_dash(letter) => {
                    if let Some(parameter) = self.parameter()? {
                        arguments.push(parameter);
                        continue;
                    }
                    let mut word = self.cursor.rest().chars();
                    let is_end =
                        word.by_ref().take(2).all(is_dash) && word.next().is_none_or(ends_word);
                    if is_end {
                        self.cursor.bump();
                        self.cursor.bump();
                        has_parameters = false;
                        arguments.push(Argument::EndOfParameters);
                        continue;
                    }
                }
                _ => {}
            }
            let value = self.list(Self::argument)?;
            if self.cursor.peek() == Some('>')
                && matches!(self.cursor.since(start), "2" | "3" | "4" | "5" | "6" | "1" | "*")
            {
                return Err(self.cursor.unsupported(1, "The redirection of a single stream"));
            }
            arguments.push(Argument::Value(value));
        }
    }

    /// `-Name` or `-Name:value`, if that is next.
    fn parameter(&mut self) -> Result<Option<Argument>, ParseError> {
        if !self
            .cursor
            .peek_second()
            .is_some_and(|letter| letter.is_alphabetic() || matches!(letter, '_' | '?'))
        {
            return Ok(None);
        }
        self.cursor.bump();
        let name = self.cursor.take_while(|letter| !ends_word(letter) && letter != ':').to_owned();
        let colon = self.cursor.at();
        if !self.cursor.eat(":") {
            return Ok(Some(Argument::Parameter { name, value: None }));
        }
        self.cursor.skip_comments()?;
        if self.cursor.peek().is_none_or(|letter| "\n\r;|)},".contains(letter)) {
            let message = format!("The parameter -{name} requires an argument.");
            self.cursor.return_to(colon + 1);
            return Err(self.cursor.error(colon, message));
        }
        let value = self.list(Self::argument)?;
        Ok(Some(Argument::Parameter { name, value: Some(value) }))
    }

    /// One value, or several with commas between them.
    fn list(
        &mut self,
        item: fn(&mut Self) -> Result<Expression, ParseError>,
    ) -> Result<Expression, ParseError> {
        let first = item(self)?;
        let mut items = vec![first];
        loop {
            let behind = self.cursor.at();
            self.cursor.skip_comments()?;
            let comma = self.cursor.at();
            if !self.cursor.eat(",") {
                // What was skipped may be looked at again: the caller tells `a #b` from `a#b`.
                self.cursor.return_to(behind);
                return Ok(match items.pop() {
                    Some(only) if items.is_empty() => only,
                    last => Expression::List(items.into_iter().chain(last).collect()),
                });
            }
            self.cursor.skip_lines()?;
            match self.cursor.peek() {
                None => return Err(self.cursor.unfinished(comma, "Missing expression after ','.")),
                Some(letter) if ";|),}>".contains(letter) => {
                    return Err(self.cursor.error(comma, "Missing expression after ','."));
                }
                Some(_) => items.push(item(self)?),
            }
        }
    }

    /// A value among arguments, where a bare word is a text.
    fn argument(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        match self.cursor.peek() {
            Some('&') => Err(self.cursor.unsupported(1, "The operator '&'")),
            Some('<') => {
                Err(self.cursor.error(start, "The '<' operator is reserved for future use."))
            }
            Some('@') => self.at_sign(),
            Some('(' | '{') => self.primary(),
            Some('$')
                if self
                    .cursor
                    .peek_second()
                    .is_none_or(|letter| is_name(letter) || "({?$^:".contains(letter)) =>
            {
                let value = self.primary()?;
                if self.cursor.peek().is_none_or(ends_word) {
                    return Ok(value);
                }
                // `$folder/file` is a text.
                self.cursor.return_to(start);
                self.word()
            }
            Some(letter) if is_single_quote(letter) || is_double_quote(letter) => self.primary(),
            _ => self.word(),
        }
    }

    /// A value where a bare word would be a command, with all that the language may write behind it refused.
    fn expression(&mut self) -> Result<Expression, ParseError> {
        let value = self.list(Self::primary)?;
        self.cursor.skip_comments()?;
        match self.cursor.peek() {
            None | Some('\n' | '\r' | ';' | '|' | ')' | '}' | '>') => Ok(value),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn primary(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        let value = match self.cursor.peek() {
            Some('$') => Expression::Variable(self.cursor.variable()?),
            Some('(') => self.parentheses()?,
            Some('{') => {
                return Ok(Expression::ScriptBlock(self.cursor.script_block()?.to_owned()));
            }
            Some('@') => return self.at_sign(),
            Some('[') => return Err(self.cursor.unsupported(1, "A type in brackets")),
            Some(letter) if is_single_quote(letter) => {
                Expression::Text(self.cursor.single_quoted()?)
            }
            Some(letter) if is_double_quote(letter) => {
                let mut parts = Vec::new();
                self.cursor.double_quoted(&mut parts)?;
                text_of(parts)
            }
            _ => {
                let word = self.cursor.take_while(|letter| !ends_word(letter));
                match number(word) {
                    Some(number) => return Ok(number),
                    None => {
                        self.cursor.return_to(start);
                        return Err(self.unexpected());
                    }
                }
            }
        };
        self.members(value)
    }

    /// `.Name` behind a value, as often as it comes.
    fn members(&mut self, value: Expression) -> Result<Expression, ParseError> {
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

    fn parentheses(&mut self) -> Result<Expression, ParseError> {
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

    fn at_sign(&mut self) -> Result<Expression, ParseError> {
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

    /// A bare word, which may hold quoted texts and variables.
    fn word(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        let mut parts = Vec::new();
        while let Some(letter) = self.cursor.peek() {
            if is_single_quote(letter) {
                let text = self.cursor.single_quoted()?;
                text.chars().for_each(|letter| super::cursor::push(&mut parts, letter));
            } else if is_double_quote(letter) {
                self.cursor.double_quoted(&mut parts)?;
            } else if ends_word(letter) || self.cursor.is_continued() {
                break;
            } else if letter == '$' && self.cursor.peek_second().is_some_and(|second| second == '{')
            {
                return Err(self.cursor.unsupported(2, "A variable name in braces"));
            } else {
                self.cursor.part(&mut parts)?;
            }
        }
        if self.cursor.at() == start {
            return Err(self.unexpected());
        }
        Ok(number(self.cursor.since(start)).unwrap_or_else(|| text_of(parts)))
    }

    fn redirection(&mut self) -> Result<Option<Redirection>, ParseError> {
        let start = self.cursor.at();
        if !self.cursor.eat(">") {
            return Ok(None);
        }
        let append = self.cursor.eat(">");
        if self.cursor.peek() == Some('&') {
            return Err(self.cursor.unsupported(1, "The redirection of a single stream"));
        }
        self.cursor.skip_comments()?;
        if self.cursor.peek().is_none_or(|letter| "\n\r;|)}>".contains(letter)) {
            return Err(self
                .cursor
                .error(start, "Missing file specification after redirection operator."));
        }
        let file = self.argument()?;
        Ok(Some(Redirection { append, file }))
    }

    /// Refuses the next word.
    fn unexpected(&mut self) -> ParseError {
        let start = self.cursor.at();
        if self.cursor.take_while(|letter| !ends_word(letter)).is_empty() {
            self.cursor.bump();
        }
        let token = self.cursor.since(start);
        let is_operator =
            token.starts_with(|letter| is_dash(letter) || "+*/%=!?.&<".contains(letter));
        let message = format!("Unexpected token '{token}' in expression or statement.");
        let error = self.cursor.error(start, message);
        let hint =
            is_operator.then_some("pssession has no operators; & and . do not call anything here");
        ParseError { hint, ..error }
    }
}

const EMPTY_ELEMENT: &str = "An empty pipe element is not allowed.";
const MISSING_PARENTHESIS: &str = "Missing closing ')' in expression.";
/// How many members of each other a value may name.
const MAX_MEMBERS: usize = 32;

/// Whether a letter ends a bare word.
fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}' || ";|(){},&<>".contains(letter)
}

/// A text, or its pieces when there are variables in it.
fn text_of(mut parts: Vec<Part>) -> Expression {
    match parts.pop() {
        None => Expression::Text(String::new()),
        Some(Part::Text(text)) if parts.is_empty() => Expression::Text(text),
        Some(last) => {
            parts.push(last);
            Expression::Template(parts)
        }
    }
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
