//! What a host call brings, checked: a host may send anything.

use psrp::clixml::{Progress, Text, Value};
use psrp::messages::{Coordinates, HostCall, ProgressRecord};

use super::Refused;
use super::screen::Cell;

/// The parameters of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a>(pub(super) &'a HostCall);

/// A part of the screen, the last column and line included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

/// What can be chosen: its label without the mark, the key that chooses it, and its help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) key: String,
    pub(super) help: String,
}

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    /// The full name of the type, without the brackets of a list.
    pub(super) type_name: String,
    pub(super) is_list: bool,
    pub(super) help: String,
    pub(super) default: Value,
}

impl<'a> Parameters<'a> {
    fn value(self, index: usize) -> &'a Value {
        self.0.parameters.get(index).unwrap_or(&Value::Null)
    }

    fn wrong(self, index: usize) -> Refused {
        let method = self.0.method.name();
        Refused::Call(format!("the parameter {} of {method} is not what it takes", index + 1))
    }

    /// A text; null is an empty one.
    pub(super) fn text(self, index: usize) -> Result<String, Refused> {
        match self.value(index) {
            Value::Null => Ok(String::new()),
            value => value.as_text().map(string).ok_or_else(|| self.wrong(index)),
        }
    }

    pub(super) fn number(self, index: usize) -> Result<i32, Refused> {
        self.value(index).as_i32().ok_or_else(|| self.wrong(index))
    }

    pub(super) fn long(self, index: usize) -> Result<i64, Refused> {
        self.value(index).as_i64().ok_or_else(|| self.wrong(index))
    }

    /// A progress record: an object, or the primitive.
    pub(super) fn progress(self, index: usize) -> Result<Progress, Refused> {
        match self.value(index) {
            Value::Progress(progress) => Ok((**progress).clone()),
            value => {
                ProgressRecord::of(value).map(|record| record.0).ok_or_else(|| self.wrong(index))
            }
        }
    }

    pub(super) fn numbers(self, index: usize) -> Result<Vec<i32>, Refused> {
        let value = self.value(index);
        let object = value.as_object().ok_or_else(|| self.wrong(index))?;
        // Arrays are told with their dimensions.
        let items = match object.property("mae") {
            Some(flat) => flat.as_object().and_then(|flat| flat.items()),
            None => object.items(),
        };
        let numbers = items.and_then(|items| items.iter().map(Value::as_i32).collect());
        numbers.ok_or_else(|| self.wrong(index))
    }

    pub(super) fn place(self, index: usize) -> Result<Coordinates, Refused> {
        Coordinates::of(self.value(index)).ok_or_else(|| self.wrong(index))
    }

    pub(super) fn rectangle(self, index: usize) -> Result<Rectangle, Refused> {
        let number = |name| self.value(index).as_object()?.property(name)?.as_i32();
        let read = || {
            let (left, top) = (number("left")?, number("top")?);
            Some(Rectangle { left, top, right: number("right")?, bottom: number("bottom")? })
        };
        read().ok_or_else(|| self.wrong(index))
    }

    /// The character and the colours of a cell.
    pub(super) fn cell(self, index: usize) -> Result<Cell, Refused> {
        cell(self.value(index)).ok_or_else(|| self.wrong(index))
    }

    /// Lines of cells.
    pub(super) fn cells(self, index: usize) -> Result<Vec<Vec<Cell>>, Refused> {
        let read = || {
            let object = self.value(index).as_object()?;
            let flat = object.property("mae")?.as_object()?.items()?;
            let sizes = object.property("mal")?.as_object()?.items()?;
            let columns = usize::try_from(sizes.get(1)?.as_i32()?).ok()?.max(1);
            let line = |line: &[Value]| line.iter().map(cell).collect::<Option<Vec<_>>>();
            let lines: Option<_> = flat.chunks(columns).map(line).collect();
            lines
        };
        read().ok_or_else(|| self.wrong(index))
    }

    pub(super) fn choices(self, index: usize) -> Result<Vec<Choice>, Refused> {
        let read = |value: &Value| {
            let label = property(value, "label")?;
            let (label, key) = marked(&label);
            Some(Choice { label, key, help: property(value, "helpMessage").unwrap_or_default() })
        };
        let choices: Option<Vec<Choice>> = self.items(index)?.iter().map(read).collect();
        choices.filter(|choices| !choices.is_empty()).ok_or_else(|| self.wrong(index))
    }

    pub(super) fn fields(self, index: usize) -> Result<Vec<Field>, Refused> {
        let read = |value: &Value| {
            let name = property(value, "name")?;
            let label = marked(&property(value, "label").unwrap_or_default()).0;
            let full = property(value, "parameterTypeFullName").unwrap_or_default();
            let single = full.strip_suffix("[]");
            Some(Field {
                label: if label.is_empty() { name.clone() } else { label },
                name,
                type_name: single.unwrap_or(&full).to_owned(),
                is_list: single.is_some(),
                help: property(value, "helpMessage").unwrap_or_default(),
                default: value
                    .as_object()
                    .and_then(|object| object.property("defaultValue"))
                    .cloned()
                    .unwrap_or_default(),
            })
        };
        let fields: Option<Vec<Field>> = self.items(index)?.iter().map(read).collect();
        fields.ok_or_else(|| self.wrong(index))
    }

    fn items(self, index: usize) -> Result<&'a [Value], Refused> {
        let items = self.value(index).as_object().and_then(|object| object.items());
        items.ok_or_else(|| self.wrong(index))
    }
}

/// A text of a host; halves of surrogates that stand alone are replaced.
pub(super) fn string(text: &Text) -> String {
    text.to_string_lossy().into_owned()
}

fn property(value: &Value, name: &str) -> Option<String> {
    value.as_object()?.property(name)?.as_text().map(string)
}

fn cell(value: &Value) -> Option<Cell> {
    let object = value.as_object()?;
    let letter = match object.property("character")?.base() {
        Value::Char(unit) => char::from_u32((*unit).into()).unwrap_or('\u{fffd}'),
        value => string(value.as_text()?).chars().next().unwrap_or(' '),
    };
    let color = |name| object.property(name).and_then(Value::as_i32).unwrap_or(-1);
    Some((letter, color("foregroundColor"), color("backgroundColor")))
}

/// The label without its first `&`, and the letter behind that, in upper case.
fn marked(label: &str) -> (String, String) {
    let Some((before, behind)) = label.split_once('&') else {
        return (label.to_owned(), String::new());
    };
    let key = behind.chars().next().filter(|key| !key.is_whitespace());
    let key = key.map(|key| key.to_uppercase().collect()).unwrap_or_default();
    (format!("{before}{behind}").trim().to_owned(), key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_a_label_names_its_key() {
        for (label, plain, key) in [
            ("&Yes", "Yes", "Y"),
            ("No to A&ll", "No to All", "L"),
            ("none", "none", ""),
            ("a & b", "a  b", ""),
            ("last&", "last", ""),
            ("&ß", "ß", "SS"),
        ] {
            assert_eq!(marked(label), (plain.to_owned(), key.to_owned()), "{label}");
        }
    }
}
