//! Shows objects: as lists of properties in Windows's layout, or as lines of JSON.

use std::io::{self, IsTerminal as _, Write as _};

use super::value::{CONFIGURATION, Object, SESSION, Value};
use super::wsman::object as item;
use crate::command_error::{CommandError, Program, printable};
use crate::winrs;

/// The width of a hashtable's first column.
const NAME: usize = 30;

/// What stands for the rest of a cell.
const REST: &str = "…";

/// Where values go.
#[derive(Debug)]
pub(super) enum Sink<'a> {
    /// To the next element of the pipe, or into a variable.
    Kept(&'a mut Vec<Value>),
    /// To the user.
    Shown(&'a mut Sheet),
}

impl Sink<'_> {
    pub(super) fn put(&mut self, value: Value) -> Result<(), CommandError> {
        match self {
            Self::Kept(values) => values.push(value),
            Self::Shown(sheet) => sheet.put(&value)?,
        }
        Ok(())
    }

    /// Whether people read it: what a host formats may be shown.
    pub(super) const fn is_text(&self) -> bool {
        matches!(self, Self::Shown(sheet) if !sheet.is_json)
    }

    /// A line as a host has it. On a terminal nothing of it does more than show text.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CommandError> {
        match self {
            Self::Kept(values) => values.push(Value::Text(line.to_owned())),
            Self::Shown(sheet) => sheet.line(line)?,
        }
        Ok(())
    }
}

/// How output looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    is_json: bool,
}

impl Shown {
    pub(super) const fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Whether it is JSON.
    pub(super) const fn is_json(self) -> bool {
        self.is_json
    }

    /// For the output of one pipeline.
    pub(super) const fn sheet(self) -> Sheet {
        Sheet { is_json: self.is_json, open: Open::Nothing }
    }

    /// The same as bytes.
    pub(super) fn text(self, values: &[Value]) -> Vec<u8> {
        let mut sheet = self.sheet();
        let mut bytes: Vec<u8> = values.iter().flat_map(|value| sheet.piece(value)).collect();
        bytes.extend(sheet.end());
        bytes
    }

    /// Tells what is no output: beside it for people, on stderr where output is JSON.
    pub(super) fn note(self, text: &str) -> Result<(), CommandError> {
        if self.is_json {
            // Where stderr is closed nobody wanted to know.
            let _unread = writeln!(io::stderr(), "{}", printable(text));
            return Ok(());
        }
        print(&format!("{}\n", printable(text)))
    }

    /// Tells an error: on stderr, or as a line of JSON on stdout.
    pub(super) fn error(self, error: &CommandError) {
        // The exit code is that of the whole script.
        let _code = if self.is_json {
            error.report_as(Program::Pssession, winrs::error_line(error), io::stdout())
        } else {
            error.report(Program::Pssession)
        };
    }
}

/// What stands on the page and is not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    List,
    Table,
    Sessions,
    /// Items of the drive `WSMan:`.
    Items(item::Sheet),
}

/// The output of one pipeline.
#[derive(Debug)]
pub(super) struct Sheet {
    is_json: bool,
    open: Open,
}

impl Sheet {
    fn put(&mut self, value: &Value) -> Result<(), CommandError> {
        let piece = self.piece(value);
        write(&piece)
    }

    fn line(&mut self, line: &str) -> Result<(), CommandError> {
        let mut bytes = self.end();
        if io::stdout().is_terminal() {
            bytes.extend(winrs::Filter::default().pass(line.as_bytes()));
        } else {
            bytes.extend(line.bytes());
        }
        bytes.push(b'\n');
        write(&bytes)
    }

    /// Ends what is open.
    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        let end = self.end();
        write(&end)
    }

    fn end(&mut self) -> Vec<u8> {
        let is_open = std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing;
        if is_open { b"\n".to_vec() } else { Vec::new() }
    }

    fn piece(&mut self, value: &Value) -> Vec<u8> {
        if self.is_json {
            return value.json();
        }
        if let Value::Remote(remote) = value {
            return self.piece(&remote.plain());
        }
        if let Value::List(values) = value {
            return values.iter().flat_map(|value| self.piece(value)).collect();
        }
        let form = match value {
            Value::Object(object) if object.is_hashtable() => Open::Table,
            Value::Object(object) if object.type_name == SESSION => Open::Sessions,
            Value::Object(object) if item::is_item(object) => Open::Items(item::Sheet::of(object)),
            Value::Object(_) => Open::List,
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Real(_)
            | Value::Milliseconds(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::ScriptBlock(_)
            | Value::Secret(_)
            | Value::Remote(_) => Open::Nothing,
        };
        let begins = self.open != form;
        let mut text = if begins { self.end() } else { Vec::new() };
        self.open = form;
        if let Value::Object(object) = value {
            let lines = match &self.open {
                Open::Table => table(object, begins),
                Open::Sessions => session(object, begins),
                Open::Items(sheet) if begins => sheet.head() + &sheet.line(object),
                Open::Items(sheet) => sheet.line(object),
                Open::List | Open::Nothing => list(object),
            };
            text.extend(lines.bytes());
        } else {
            text.extend(printable(&value.text()).bytes());
            text.push(b'\n');
        }
        text
    }
}

/// A line for each entry, below a head if the table begins.
fn table(object: &Object, begins: bool) -> String {
    let mut text = String::new();
    if begins {
        text = format!("\n{:NAME$} Value\n{:NAME$} -----\n", "Name", "----");
    }
    for (name, value) in &object.properties {
        let line = format!("{:NAME$} {}", printable(name), cell(value));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The columns of sessions and their widths, as PowerShell has them in a terminal of 120 columns; those at the ends are
/// aligned right.
const COLUMNS: [(&str, usize); 8] = [
    ("Id", 3),
    ("Name", 15),
    ("Transport", 9),
    ("ComputerName", 15),
    ("ComputerType", 15),
    ("State", 13),
    ("ConfigurationName", 21),
    ("Availability", 12),
];

/// A line for a session, below a head if the table begins.
fn session(object: &Object, begins: bool) -> String {
    let mut text = String::new();
    if begins {
        let names = COLUMNS.map(|(name, _)| name.to_owned());
        let lines = COLUMNS.map(|(name, _)| "-".repeat(name.len()));
        text = format!("\n{}\n{}\n", row(names), row(lines));
    }
    let cells = COLUMNS
        .map(|(name, _)| object.property(name).map(cell).unwrap_or_default().replace('\n', " "));
    text.push_str(&row(cells));
    text.push('\n');
    text
}

/// Cells in their columns; the rest of one that is too long is left out.
fn row(cells: [String; COLUMNS.len()]) -> String {
    let last = COLUMNS.len() - 1;
    let fitted = cells.into_iter().zip(COLUMNS).enumerate().map(|(index, (cell, (_, width)))| {
        let cell = if cell.chars().count() > width && index > 0 {
            let head: String = cell.chars().take(width - 1).collect();
            head + REST
        } else {
            cell
        };
        if index == 0 || index == last {
            format!("{cell:>width$}")
        } else {
            format!("{cell:width$}")
        }
    });
    fitted.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// How many properties of a session configuration PowerShell shows; they are the first.
const SHOWN_OF_CONFIGURATION: usize = 5;

/// `Name : value`, a line each, a blank one before them.
fn list(object: &Object) -> String {
    let is_configuration = object.type_name == CONFIGURATION;
    let most = if is_configuration { SHOWN_OF_CONFIGURATION } else { usize::MAX };
    let properties = object.properties.get(..most).unwrap_or(&object.properties);
    let width = properties.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = "\n".to_owned();
    for (name, value) in properties {
        // Lines of a value stay below its first one, and look like no property.
        let value = cell(value).replace('\n', &format!("\n{:width$}", "", width = width + 3));
        let line = format!("{:width$} : {value}", printable(name));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cell(value: &Value) -> String {
    if let Value::List(values) = value {
        let cells: Vec<String> = values.iter().map(cell).collect();
        return format!("{{{}}}", cells.join(", "));
    }
    if let Value::Remote(remote) = value {
        return printable(&remote.cell());
    }
    let Value::Object(object) = value else { return printable(&value.text()) };
    if !object.is_hashtable() {
        // An XML element is shown as its name.
        return printable(object.type_name.rsplit('#').next().unwrap_or_default());
    }
    let entries = object.properties.iter();
    let entries: Vec<String> =
        entries.map(|(name, value)| format!("[{}, {}]", printable(name), cell(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// Tells on stderr what is being done, as PowerShell does.
pub(super) fn verbose(text: &str) {
    // Where stderr is closed nobody wanted to know.
    let _unread = writeln!(io::stderr(), "VERBOSE: {}", printable(text));
}

/// Tells on stderr what a user should know, as PowerShell does.
pub(super) fn warning(text: &str) {
    let _unread = writeln!(io::stderr(), "WARNING: {}", printable(text));
}

/// Writes text to stdout.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    write(text.as_bytes())
}

fn write(bytes: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CommandError::reader_gone()),
        Err(error) => Err(CommandError::caused("writing to stdout", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_several_forms_are_parted_by_blank_lines() {
        let json = r#"["a",{"PSTypeName":"T","Name":"x","L":[1,"b\nc : d"]},{"PSTypeName":"T","Name":""},{"k":1,"t":{"a":2}},"\u001b[2J"]"#;
        let values: Value = serde_json::from_str(json).unwrap();
        let text = String::from_utf8(Shown::new(false).text(&[values])).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn sessions_have_powershells_table_and_long_names_are_cut() {
        let session = |id: u32, name: &str, computer: &str, availability: &str| {
            format!(
                r#"{{"PSTypeName":"{SESSION}","Id":{id},"Name":"{name}","ComputerName":"{computer}","ComputerType":"RemoteMachine",
                    "State":"Opened","ConfigurationName":"DefaultShell","Availability":"{availability}","Transport":"SSH"}}"#
            )
        };
        let json = format!(
            "[{},{},{}]",
            session(2, "Runspace1", "localhost", "Available"),
            session(4, "a rather long name for a session", "server1.example.org", "None"),
            session(12345, "x", "y", "Busy")
        );
        let values: Value = serde_json::from_str(&json).unwrap();
        let text = String::from_utf8(Shown::new(false).text(&[values])).unwrap();
        insta::assert_snapshot!(text);
    }
}
