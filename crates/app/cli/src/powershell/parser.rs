//! Reads PowerShell's spelling of commands: cmdlets with their arguments, pipes, variables, and literals.
//!
//! Two modes alternate, as in PowerShell: in arguments a bare word is a text (`-Name Server01`), elsewhere it is a command
//! (`$s = Get-PSSession`). What else the language has is an error that names the construct.

use super::cursor::{Cursor, is_blank, is_name, unsupported};
use super::literals::{number, range, text_of};
use super::syntax::{
    Argument, Command, Element, Expression, ParseError, Pipeline, Redirection, Script, Statement,
    is_dash, is_double_quote, is_single_quote,
};

/// The longest text in bytes; a longer one is no command that somebody typed.
pub(crate) const MAX_SOURCE: usize = 256 * 1024;

/// Words that begin a construct of the language, about_Reserved_Words.
pub(super) const KEYWORDS: &[&str] = &[
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

pub(super) struct Parser<'a> {
    pub(super) cursor: Cursor<'a>,
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

    pub(super) fn pipeline(&mut self) -> Result<Pipeline, ParseError> {
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
        number(word).is_some() || range(word).is_some() || letter == '!'
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
    pub(super) fn list(
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

    pub(super) fn primary(&mut self) -> Result<Expression, ParseError> {
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
                match number(word).or_else(|| range(word)) {
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
    pub(super) fn unexpected(&mut self) -> ParseError {
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

/// Whether a letter ends a bare word.
fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}' || ";|(){},&<>".contains(letter)
}
