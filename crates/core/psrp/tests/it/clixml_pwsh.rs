//! CLIXML held against a real PowerShell: what it wrote we read and write alike, what it read or
//! refused we read or refuse alike, with the listed exceptions.

use psrp::clixml::{Content, Limits, Value, Zone, decode_document, encode_document};
use serde_json::Value as Json;

use crate::corpora;
use crate::graph::canonical;

#[test]
fn what_powershell_wrote_is_written_alike() {
    let Some(folder) =
        corpora::folder("psrp::what_powershell_wrote_is_written_alike", "clixml-pwsh")
    else {
        return;
    };
    let entries: Vec<Json> = corpora::json(&folder.join("serialize.json"));
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in &entries {
        let Some(text) = entry["clixml"].as_str() else { continue };
        count += 1;
        let expression = &entry["expr"];
        match decode_document(text, &Limits::default()) {
            Err(error) => wrong.push(format!("{expression}: {error}\n  {text}")),
            Ok(items) => {
                let ours = encode_document(&items);
                let (ours, text) = (canonical(&ours), canonical(text));
                if ours != text {
                    wrong.push(format!("{expression}:\n  {text}\n  {ours}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
    assert_eq!(count, 559);
}

/// CLIXML that PowerShell refuses and this reads.
const WE_READ: &[(&str, &str)] = &[
    ("<URI>http://[bad</URI>", "a URI is passed on as it is written"),
    ("<XD>&lt;a&gt;</XD>", "XML inside CLIXML is passed on as it is written"),
    ("<SS></SS>", "a SecureString is opened by whoever has the key"),
];

/// CLIXML that PowerShell reads and this refuses.
const WE_REFUSE: &[(&str, &str)] =
    &[("<DT>03:04:05</DT>", "a time without a date means today, and the reader has no clock")];

/// Types that PowerShell makes anew from their properties; here they stay what was written.
const REHYDRATED: &[&str] = &[
    "System.Globalization.CultureInfo",
    "System.Management.Automation.PSCredential",
    "System.Management.Automation.SwitchParameter",
    "System.Net.IPAddress",
];

#[test]
fn what_powershell_read_or_refused_is_read_or_refused_alike() {
    let name = "psrp::what_powershell_read_or_refused_is_read_or_refused_alike";
    let Some(folder) = corpora::folder(name, "clixml-pwsh") else { return };
    let entries: Vec<Json> = corpora::json(&folder.join("deserialize.json"));
    let mut wrong = Vec::new();
    for entry in &entries {
        let text = entry["clixml"].as_str().unwrap();
        let ours = decode_document(text, &Limits::default());
        let listed = |list: &[(&str, &str)]| list.iter().any(|(part, _)| text.contains(part));
        match (ours, entry.get("result")) {
            (Ok(_), None) if listed(WE_READ) => {}
            (Err(_), Some(_)) if listed(WE_REFUSE) => {}
            (Ok(_), None) => wrong.push(format!("PowerShell refuses {text}: {}", entry["error"])),
            (Err(error), Some(_)) => wrong.push(format!("{error}: {text}")),
            (Err(_), None) => {}
            (Ok(items), Some(result)) => {
                let same = match items.as_slice() {
                    [] => result.is_null(),
                    [item] => is_same(&item.value, result),
                    items => result["items"].as_array().is_some_and(|results| {
                        items.iter().zip(results).all(|(item, result)| is_same(&item.value, result))
                    }),
                };
                if !same {
                    wrong.push(format!("{text}\n  {result}\n  {items:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        entries.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
    assert_eq!(entries.len(), 276);
}

/// Whether a value is what PowerShell describes.
fn is_same(value: &Value, result: &Json) -> bool {
    if result.is_null() || value.is_null() {
        return result.is_null() && value.is_null();
    }
    let described = result["type"].as_str().unwrap();
    if REHYDRATED.contains(&described)
        || result["text_error"].is_string()
        || result["cut"].is_boolean()
    {
        return true;
    }
    if let Value::Ancestor(_) = value {
        return true;
    }
    if let Value::Object(object) = value {
        let parts = match &object.content {
            Content::None => true,
            Content::Base(value) => is_same_primitive(value, result),
            Content::Dictionary(entries) => is_same_entries(entries, result),
            Content::Enumerable(items)
            | Content::List(items)
            | Content::Queue(items)
            | Content::Stack(items) => is_same_items(items, result),
            _ => false,
        };
        let properties = result["properties"].as_array();
        return parts
            && properties.is_none_or(|properties| {
                properties.iter().all(|property| {
                    let named = object.property(property["name"].as_str().unwrap());
                    named.is_some_and(|named| is_same(named, &property["value"]))
                })
            });
    }
    is_same_primitive(value, result)
}

fn is_same_items(items: &[Value], result: &Json) -> bool {
    let Some(results) = result["items"].as_array() else { return false };
    // A stack is described from its bottom or its top; both hold the same.
    let forward = || items.iter().zip(results).all(|(item, result)| is_same(item, result));
    let backward =
        || items.iter().zip(results.iter().rev()).all(|(item, result)| is_same(item, result));
    items.len() == results.len() && (forward() || backward())
}

fn is_same_entries(entries: &[(Value, Value)], result: &Json) -> bool {
    let Some(results) = result["entries"].as_array() else { return false };
    // Of two equal keys PowerShell keeps the last one. The recorder could not look up the value of
    // a key that is a list.
    results.iter().all(|pair| {
        let is_list = pair[0]["items"].is_array();
        entries
            .iter()
            .any(|(key, value)| is_same(key, &pair[0]) && (is_list || is_same(value, &pair[1])))
    })
}

fn is_same_primitive(value: &Value, result: &Json) -> bool {
    let described = result["type"].as_str().unwrap();
    let text = result["value"].as_str().unwrap_or_default();
    match value {
        Value::Bool(value) => result["value"].as_bool() == Some(*value),
        Value::Byte(number) => described == "System.Byte" && number.to_string() == text,
        Value::Bytes(bytes) => {
            text == bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
                || text.eq_ignore_ascii_case(
                    &bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
                )
        }
        Value::Char(unit) => result["value"].as_u64() == Some(u64::from(*unit)),
        Value::DateTime(time) => match time.zone() {
            // PowerShell moves it into its own zone.
            Zone::Offset(_) => result["kind"] == "Local",
            _ => result["ticks"].as_str() == Some(&*time.ticks().to_string()),
        },
        Value::Decimal(number) => number.to_string() == text,
        Value::Double(number) => described == "System.Double" && is_number(*number, text),
        Value::Single(number) => {
            described == "System.Single" && is_number(f64::from(*number), text)
        }
        Value::Guid(guid) => guid.to_string() == text,
        Value::Int16(number) => described == "System.Int16" && number.to_string() == text,
        Value::Int32(number) => described == "System.Int32" && number.to_string() == text,
        Value::Int64(number) => described == "System.Int64" && number.to_string() == text,
        Value::SByte(number) => described == "System.SByte" && number.to_string() == text,
        Value::UInt16(number) => described == "System.UInt16" && number.to_string() == text,
        Value::UInt32(number) => described == "System.UInt32" && number.to_string() == text,
        Value::UInt64(number) => described == "System.UInt64" && number.to_string() == text,
        Value::String(string) | Value::ScriptBlock(string) => {
            string.to_utf16() == corpora::units(text)
        }
        Value::TimeSpan(span) => format!("{} ticks", span.ticks) == text,
        Value::Uri(uri) => *uri == text,
        Value::Version(version) => version.to_string() == text,
        Value::Xml(_) => described == "System.Xml.XmlDocument",
        Value::SecureString(_) => described == "System.Security.SecureString",
        Value::Progress(_) => described == "System.Management.Automation.ProgressRecord",
        _ => false,
    }
}

fn is_number(number: f64, text: &str) -> bool {
    match text {
        "NaN" => number.is_nan(),
        "Infinity" => number == f64::INFINITY,
        "-Infinity" => number == f64::NEG_INFINITY,
        _ => text.parse() == Ok(number),
    }
}
