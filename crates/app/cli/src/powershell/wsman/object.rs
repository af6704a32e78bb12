//! Items of the drive as objects, and their tables.

use super::path::Path;
use super::tree::{Kind, Node};
use crate::command_error::printable;
use crate::powershell::value::{Object, Value};

/// The type of a setting.
const LEAF: &str = "Microsoft.WSMan.Management.WSManConfigLeafElement";
/// The type of a container.
const CONTAINER: &str = "Microsoft.WSMan.Management.WSManConfigContainerElement";
/// How the types of all items begin.
const ANY: &str = "Microsoft.WSMan.Management.WSManConfig";

/// An item in a container.
pub(in crate::powershell) fn item(parent: &Path, node: &Node) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut properties = vec![
        ("PSPath".to_owned(), Value::Text(parent.join(&node.name).full())),
        ("PSParentPath".to_owned(), Value::Text(parent.full())),
        ("PSChildName".to_owned(), text(&node.name)),
        ("Name".to_owned(), text(&node.name)),
    ];
    let (type_name, element, rest) = match &node.kind {
        Kind::Leaf(leaf) => {
            let source = Some(&leaf.source).filter(|source| !source.is_empty());
            let source = source.map_or(Value::Null, |source| text(source));
            let rest = vec![("SourceOfValue", source), ("Value", text(&leaf.value))];
            (LEAF, "System.String", rest)
        }
        Kind::Branch(branch) => {
            let keys = branch.keys.iter().map(|key| text(key)).collect();
            (CONTAINER, "Container", vec![("Keys", Value::List(keys))])
        }
    };
    properties.push(("TypeNameOfElement".to_owned(), text(element)));
    properties.push(("Type".to_owned(), text(element)));
    properties.extend(rest.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(Object { type_name: type_name.to_owned(), properties })
}

/// Whether an object is an item of the drive.
pub(in crate::powershell) fn is_item(object: &Object) -> bool {
    object.type_name.starts_with(ANY)
}

/// The table that an item stands in: its container, and whether the items have keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) struct Sheet {
    parent: String,
    has_keys: bool,
}

impl Sheet {
    pub(in crate::powershell) fn of(object: &Object) -> Self {
        let parent = text(object, "PSParentPath");
        let keys = object.property("Keys");
        Self { parent, has_keys: matches!(keys, Some(Value::List(keys)) if !keys.is_empty()) }
    }

    /// What stands above the first item.
    pub(in crate::powershell) fn head(&self) -> String {
        let names = if self.has_keys {
            row(["Type", "Keys", "Name", ""], true)
        } else {
            row(["Type", "Name", "SourceOfValue", "Value"], false)
        };
        let rules = if self.has_keys {
            row(["----", "----", "----", ""], true)
        } else {
            row(["----", "----", "-------------", "-----"], false)
        };
        format!("\n   WSManConfig: {}\n\n{names}{rules}", printable(&self.parent))
    }

    /// An item's line.
    pub(in crate::powershell) fn line(&self, object: &Object) -> String {
        let kind = text(object, "TypeNameOfElement");
        let name = text(object, "Name");
        if self.has_keys {
            let keys = match object.property("Keys") {
                Some(Value::List(keys)) => {
                    keys.iter().map(Value::text).collect::<Vec<_>>().join(", ")
                }
                _ => String::new(),
            };
            return row([&kind, &format!("{{{keys}}}"), &name, ""], true);
        }
        let (source, value) = (text(object, "SourceOfValue"), text(object, "Value"));
        row([&kind, &name, &source, &value], false)
    }
}

fn text(object: &Object, name: &str) -> String {
    object.property(name).map(Value::text).unwrap_or_default()
}

/// Cells in columns as wide as PowerShell has them; one that is too long moves the rest to the right.
fn row(cells: [&str; 4], has_keys: bool) -> String {
    let widths = if has_keys { [15, 35, 0, 0] } else { [15, 30, 15, 0] };
    let cells = cells.map(printable);
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let line = cells.collect::<Vec<_>>().join(" ");
    // What has several lines would look like other items.
    format!("{}\n", line.trim_end().replace('\n', " "))
}
