//! What runs on the other computer: a script with its arguments and the values of `$using:`.

use std::fs::File;
use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::pool::Pool;
use psrp::clixml::{self, Content, Fields, Object, SecureString, TypeNames};
use psrp::messages::{Command, PowerShell};
use psrp::session_key::Plain;

use super::{objects, using};
use crate::command_error::CommandError;
use crate::powershell::binder::Bound;
use crate::powershell::value::Value;

/// The largest file with a script, in bytes: less than what a host takes as one object by default.
const MAX_FILE: u64 = 8 * 1024 * 1024;
/// The argument under which PowerShell sends the values of `$using:`.
const VERBATIM: &str = "--%";
/// The type of that argument's value.
const USING: &str = "System.Collections.Hashtable";

/// A script with what it needs from here.
#[derive(Debug)]
pub(crate) struct Script {
    text: String,
    arguments: Vec<Value>,
    /// By the text of the expression.
    using: Vec<(String, Value)>,
}

impl Script {
    /// The script of `-ScriptBlock` or `-FilePath` with its `-ArgumentList`.
    ///
    /// # Errors
    /// The file cannot be read, or a variable of `$using:` was not set.
    pub(crate) fn of(
        bound: &Bound,
        variable: impl Fn(&str) -> Option<Value>,
    ) -> Result<Self, CommandError> {
        let text = match (bound.value("ScriptBlock"), bound.text("FilePath")) {
            (Some(Value::ScriptBlock(text)), _) => text.clone(),
            (_, Some(path)) => file(path)?,
            (_, None) => String::new(),
        };
        let mut using = Vec::new();
        for found in using::find(&text)? {
            let key = found.key();
            if !using.iter().any(|(known, _)| *known == key) {
                using.push((key, found.value(&variable)?));
            }
        }
        let arguments = match bound.value("ArgumentList") {
            None => Vec::new(),
            Some(Value::List(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        Ok(Self { text, arguments, using })
    }

    /// As the host takes it; secrets are encrypted for the pool.
    ///
    /// # Errors
    /// The keys for secrets could not be exchanged.
    pub(crate) async fn power_shell(&self, pool: &Pool) -> Result<PowerShell, client::Error> {
        let mut command = Command::script(self.text.as_str());
        for argument in &self.arguments {
            command = command.with(None, sent(argument, pool).await?);
        }
        if !self.using.is_empty() {
            let mut entries = Vec::new();
            for (text, value) in &self.using {
                entries.push((key(text).into(), sent(value, pool).await?));
            }
            let table = Object::new(Fields {
                type_names: Some(TypeNames::new([USING, "System.Object"])),
                content: Content::Dictionary(entries),
                ..Fields::default()
            });
            command = command.with(Some(VERBATIM), table);
        }
        Ok(PowerShell { statements: vec![vec![command]], ..PowerShell::default() })
    }
}

/// A value for the host of a pool.
///
/// # Errors
/// The keys for secrets could not be exchanged.
pub(crate) async fn sent(value: &Value, pool: &Pool) -> Result<clixml::Value, client::Error> {
    let mut secrets = Vec::new();
    objects::secrets(value, &mut secrets);
    let mut encrypted: Vec<SecureString> = Vec::new();
    for secret in secrets {
        encrypted.push(pool.encrypt(Plain::from(secret.expose())).await?);
    }
    Ok(objects::wire(value, &mut encrypted.into_iter()))
}

/// The text of an expression as PowerShell makes a key of it.
fn key(text: &str) -> String {
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// The text of a file: UTF-8, or UTF-16 where its first bytes say so.
fn file(path: &str) -> Result<String, CommandError> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            let message = format!("Cannot find path '{path}' because it does not exist.");
            return CommandError::usage(message);
        }
        CommandError::caused(format!("reading {path}"), &error)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let most = MAX_FILE / 1024 / 1024;
        return Err(CommandError::usage(format!("{path} is larger than {most} MiB")));
    }
    let units = |read: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().skip(1).map(|pair| read(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    let text = match bytes.as_slice() {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes).ok(),
    };
    text.ok_or_else(|| {
        CommandError::usage(format!("{path} is no text in UTF-8, nor in UTF-16 with a mark"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn key_is_what_powershell_looks_up() {
        assert_eq!(key("$using:v"), "JAB1AHMAaQBuAGcAOgB2AA==");
        assert_eq!(key("$using:h.k"), "JAB1AHMAaQBuAGcAOgBoAC4AawA=");
    }

    #[test]
    fn files_are_read_as_the_encoding_that_they_name() {
        let read = |bytes: &[u8]| {
            let mut file_of = tempfile::NamedTempFile::new().unwrap();
            file_of.write_all(bytes).unwrap();
            file(file_of.path().to_str().unwrap())
        };
        for bytes in [
            "'ä'".as_bytes(),
            b"\xef\xbb\xbf'\xc3\xa4'",
            b"\xff\xfe'\0\xe4\0'\0",
            b"\xfe\xff\0'\0\xe4\0'",
        ] {
            assert_eq!(read(bytes).unwrap(), "'ä'", "{bytes:?}");
        }
        for bytes in [&b"'\xe4'"[..], b"\xff\xfe'\0\xe4"] {
            assert!(read(bytes).unwrap_err().error().contains("no text in UTF-8"), "{bytes:?}");
        }
        let missing = file("/nope.ps1").unwrap_err();
        assert_eq!(missing.error(), "Cannot find path '/nope.ps1' because it does not exist.");
    }
}
