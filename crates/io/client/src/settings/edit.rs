//! Changes one setting of a `client.toml` and nothing else of it: comments, order and spelling stay.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{MAX_FILE, Settings};
use crate::entropy;
use crate::error::ConfigError;

/// The new value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the kinds of value that settings have")]
pub enum SettingValue {
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A list of texts.
    Texts(Vec<String>),
}

impl SettingValue {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => toml::Value::from(text.as_str()),
            Self::Bool(is) => toml::Value::from(*is),
            Self::Integer(number) => toml::Value::from(*number),
            Self::Texts(texts) => toml::Value::from(texts.clone()),
        }
        .to_string()
    }
}

/// Gives a setting another value in the user's `client.toml`: `key`, in `table` where it is in one. What the file says as a
/// whole is read before it is written, and the old file is there until the new one is.
///
/// # Errors
///
/// [`ConfigError::File`] names the file and what is wrong: it cannot be read or written, or the value is none for the setting.
pub fn change(table: Option<&str>, key: &str, value: &SettingValue) -> Result<(), ConfigError> {
    let path = super::path().ok_or_else(|| ConfigError::File {
        file: "client.toml".to_owned(),
        problem: "there is no home folder to keep it in".to_owned(),
    })?;
    // Whoever keeps the file elsewhere and has a link to it keeps the link.
    let path = fs::canonicalize(&path).unwrap_or(path);
    let wrong = |problem: String| ConfigError::File { file: path.display().to_string(), problem };
    let text = read(&path).map_err(|error| wrong(error.to_string()))?;
    let changed = edited(&text, table, key, value).map_err(wrong)?;
    if changed.len() as u64 > MAX_FILE {
        return Err(wrong("larger than 1 MiB".to_owned()));
    }
    Settings::parse(&changed).map_err(wrong)?;
    write(&path, &changed).map_err(|error| wrong(error.to_string()))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
        Ok(file) => {
            let size = file.take(MAX_FILE + 1).read_to_string(&mut text)?;
            if size as u64 > MAX_FILE {
                return Err(std::io::Error::other("larger than 1 MiB"));
            }
            Ok(text)
        }
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let mode = fs::metadata(path).ok().map(|known| known.permissions());
    let new = folder.join(format!(".client.toml.{}", entropy::uuid()));
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        if let Some(mode) = mode {
            file.set_permissions(mode)?;
        }
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        let _gone = fs::remove_file(&new);
    }
    written
}

/// The text with the setting's value replaced, or added at the end of its table.
fn edited(
    text: &str,
    table: Option<&str>,
    key: &str,
    value: &SettingValue,
) -> Result<String, String> {
    let whole = DeTable::parse(text).map_err(|error| error.to_string())?;
    let written = value.written();
    let named = |table: &DeTable<'_>, name: &str| {
        let found = table.iter().find(|(known, _)| known.get_ref() == name);
        found.map(|(known, value)| (known.span(), value.span()))
    };
    let replaced = |place: std::ops::Range<usize>, by: &str| {
        let (before, after) = (text.get(..place.start), text.get(place.end..));
        let both = before.zip(after).ok_or("a place in the file is none")?;
        Ok::<_, String>(format!("{}{by}{}", both.0, both.1))
    };
    let Some(name) = table else {
        return match named(whole.get_ref(), key) {
            Some((_, place)) => replaced(place, &written),
            // In front of everything: behind a table's head it would be in the table.
            None => Ok(format!("{key} = {written}\n{text}")),
        };
    };
    let inner = whole.get_ref().iter().find(|(known, _)| known.get_ref() == name);
    let Some((head, inner)) = inner else {
        let gap = if text.is_empty() || text.ends_with("\n\n") {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        return Ok(format!("{text}{gap}[{name}]\n{key} = {written}\n"));
    };
    let DeValue::Table(entries) = inner.get_ref() else {
        return Err(format!("{name} is no table"));
    };
    if let Some((_, place)) = named(entries, key) {
        return replaced(place, &written);
    }
    // Behind the line with the table's head; a table within one line has a brace there.
    let end_of_head = head.span().end;
    let rest = text.get(end_of_head..).unwrap_or_default();
    if rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with(']') {
        let line = rest.find('\n').map_or(text.len(), |end| end_of_head + end + 1);
        let gap =
            if text.get(..line).is_some_and(|before| before.ends_with('\n')) { "" } else { "\n" };
        return replaced(line..line, &format!("{gap}{key} = {written}\n"));
    }
    Err(format!("{name} is written in one line: write it as [{name}], so that {key} can be added"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, table: Option<&str>, key: &str, value: &SettingValue) -> String {
        edited(text, table, key, value).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn values_are_replaced_and_everything_else_stays() {
        let text = |text: &str| SettingValue::Text(text.to_owned());
        for (before, table, key, value, after) in [
            (
                "# mine\nTrustedHosts = 'a' # why\nAllowUnencrypted=false\n",
                None,
                "TrustedHosts",
                text("a,b"),
                "# mine\nTrustedHosts = \"a,b\" # why\nAllowUnencrypted=false\n",
            ),
            (
                "[TLS]\nLevel = 'modern'\n",
                None,
                "NetworkDelayms",
                SettingValue::Integer(600),
                "NetworkDelayms = 600\n[TLS]\nLevel = 'modern'\n",
            ),
            (
                "[CredSSP]\nAllowFreshCredentials = [\n  'wsman/a', # first\n]\nLevel = 'legacy'\n",
                Some("CredSSP"),
                "AllowFreshCredentials",
                SettingValue::Texts(vec!["wsman/b".to_owned()]),
                "[CredSSP]\nAllowFreshCredentials = [\"wsman/b\"]\nLevel = 'legacy'\n",
            ),
            (
                "[CredSSP] # c\nLevel = 'legacy'",
                Some("CredSSP"),
                "AllowFreshCredentials",
                SettingValue::Texts(Vec::new()),
                "[CredSSP] # c\nAllowFreshCredentials = []\nLevel = 'legacy'",
            ),
            ("", Some("CredSSP"), "A", SettingValue::Bool(true), "[CredSSP]\nA = true\n"),
            ("A = 1", Some("T"), "B", text("\"\n"), "A = 1\n\n[T]\nB = '''\n\"\n'''\n"),
            (
                "T = { A = 1 }\n",
                Some("T"),
                "B",
                SettingValue::Integer(2),
                "error: T is written in one line: write it as [T], so that B can be added",
            ),
            ("T = 1\n", Some("T"), "B", SettingValue::Integer(2), "error: T is no table"),
        ] {
            let found = changed(before, table, key, &value);
            if before == "A = 1" {
                // How a text with a line break is quoted is the writer's affair; it must be read as it was.
                let read: toml::Table = toml::from_str(&found).unwrap();
                assert_eq!(read["T"]["B"].as_str(), Some("\"\n"));
            } else {
                assert_eq!(found, after, "{before}");
            }
        }
        assert!(edited("= 1", None, "A", &SettingValue::Bool(true)).is_err());
    }
}
