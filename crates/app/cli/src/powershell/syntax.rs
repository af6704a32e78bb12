//! What a line in PowerShell's spelling is made of, as far as `pssession` reads it, and what is wrong with one.

use std::ops::Range;

/// Statements in the order written.
#[derive(Debug, PartialEq)]
pub(crate) struct Script {
    pub(crate) statements: Vec<Statement>,
}

/// What stands between two semicolons or line breaks.
#[derive(Debug, PartialEq)]
pub(crate) enum Statement {
    /// `$target = pipeline`, `pipeline`, `pipeline > file`.
    Run {
        /// The variable that takes the result, without `$`.
        target: Option<String>,
        pipeline: Pipeline,
        redirection: Option<Redirection>,
    },
    /// `exit`, `exit 3`.
    Exit(Option<Expression>),
}

/// `> file` or `>> file`.
#[derive(Debug, PartialEq)]
pub(crate) struct Redirection {
    pub(crate) append: bool,
    pub(crate) file: Expression,
}

/// Elements, each of which gets the output of the one before.
#[derive(Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) elements: Vec<Element>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Element {
    Command(Command),
    /// Only as the first.
    Expression(Expression),
}

/// A cmdlet or alias with its arguments.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    /// Where its name stands.
    pub(crate) place: Range<usize>,
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Argument {
    /// `-Name` or `-Name:value`.
    Parameter {
        /// Without dash and colon.
        name: String,
        value: Option<Expression>,
    },
    /// A value by itself: of the parameter before it, or by position.
    Value(Expression),
    /// `--`: no parameters behind it.
    EndOfParameters,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Expression {
    /// A number, and how it was written: `-Name 007` means the text.
    Integer {
        value: i64,
        text: String,
    },
    Real {
        value: f64,
        text: String,
    },
    /// `1..3`.
    Range(i64, i64),
    Text(String),
    /// Text with variables in it.
    Template(Vec<Part>),
    /// Without `$`.
    Variable(String),
    Member(Box<Self>, String),
    List(Vec<Self>),
    Hashtable(Vec<(String, Self)>),
    /// What stands between the braces, as written.
    ScriptBlock(String),
    Parentheses(Box<Pipeline>),
}

/// A piece of a text in double quotes.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    /// Without `$`.
    Variable(String),
}

/// Why a text cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// In PowerShell's words where PowerShell has the error.
    pub(crate) message: String,
    /// The bytes that are wrong.
    pub(crate) place: Range<usize>,
    /// More lines may make it right.
    pub(crate) is_incomplete: bool,
    /// What may be tried.
    pub(crate) hint: Option<&'static str>,
}

impl ParseError {
    /// The message below the line that is wrong, marked as PowerShell marks it; `earlier` lines came before the text.
    pub(crate) fn explain(&self, source: &str, earlier: usize) -> String {
        let before = source.get(..self.place.start).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = source.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let number = earlier + before.matches('\n').count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count();
        let wrong = source.get(self.place.clone()).unwrap_or_default();
        let width = wrong.lines().next().unwrap_or_default().chars().count().max(1);
        let (blanks, marks) = (" ".repeat(column), "~".repeat(width));
        let message = &self.message;
        format!("At line:{number} char:{}\n+ {line}\n+ {blanks}{marks}\n{message}", column + 1)
    }
}

/// Whether PowerShell takes a character for a dash: word processors put longer ones into documentation.
pub(crate) const fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '\u{2013}'..='\u{2015}')
}

/// Whether PowerShell takes a character for a single quote.
pub(crate) const fn is_single_quote(letter: char) -> bool {
    matches!(letter, '\'' | '\u{2018}'..='\u{201b}')
}

/// Whether PowerShell takes a character for a double quote.
pub(crate) const fn is_double_quote(letter: char) -> bool {
    matches!(letter, '"' | '\u{201c}'..='\u{201e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_place_is_marked_below_its_line() {
        let source = "$s = 1\nTest-WSMan ä | | x\n";
        let at = source.rfind("| x").unwrap();
        let error = ParseError {
            message: "An empty pipe element is not allowed.".to_owned(),
            place: at..at + 1,
            is_incomplete: false,
            hint: None,
        };
        let expected = "At line:2 char:16\n+ Test-WSMan ä | | x\n+                ~\nAn empty pipe element is not allowed.";
        assert_eq!(error.explain(source, 0), expected);
    }
}
