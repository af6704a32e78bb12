//! Paths on the drive `WSMan:`.

use crate::command_error::CommandError;

/// The drive's name in front of a path.
const DRIVE: &str = "WSMan:";
/// How PowerShell writes the place of an item: the provider and its module in front.
const PROVIDER: &str = "Microsoft.WSMan.Management\\WSMan::";
/// The longest path, in bytes.
const MAX_PATH: usize = 4096;
/// The deepest item is `WSMan:\localhost\Plugin\NAME\Resources\RESOURCE\Security\SECURITY\Sddl`.
const MAX_DEPTH: usize = 8;

/// A path from the drive's root: the computer first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::powershell) struct Path(Vec<String>);

impl Path {
    /// Reads a path: `WSMan:\a\b`, with `/` or `\`, or with the provider in front, as objects of the drive have it.
    ///
    /// # Errors
    /// A path of another drive, or none at all.
    pub(in crate::powershell) fn parse(text: &str) -> Result<Self, CommandError> {
        if text.len() > MAX_PATH {
            return Err(CommandError::usage(format!("the path is longer than {MAX_PATH} bytes")));
        }
        let rest =
            after(text, PROVIDER).or_else(|| after(text, "WSMan::")).or_else(|| after(text, DRIVE));
        let Some(rest) = rest else {
            let drive = text.split_once(':').map(|(drive, _)| drive);
            let message = match drive {
                Some(drive) => {
                    format!("Cannot find drive. A drive with the name '{drive}' does not exist.")
                }
                None => format!("Cannot find path '{text}' because it does not exist."),
            };
            return Err(
                CommandError::usage(message).hint("write a path as WSMan:\\localhost\\Service")
            );
        };
        let parts: Vec<String> =
            rest.split(['\\', '/']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if parts.len() > MAX_DEPTH || parts.iter().any(|part| part == "." || part == "..") {
            return Err(missing(text));
        }
        Ok(Self(parts))
    }

    /// The names from the root on.
    pub(in crate::powershell) fn parts(&self) -> &[String] {
        &self.0
    }

    /// An item in it.
    pub(in crate::powershell) fn join(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// As PowerShell writes it with the provider in front: `PSPath`.
    pub(in crate::powershell) fn full(&self) -> String {
        format!("{PROVIDER}{}", self.0.join("\\"))
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{DRIVE}\\{}", self.0.join("\\"))
    }
}

/// That there is no such item.
pub(in crate::powershell) fn missing(path: &str) -> CommandError {
    CommandError::failed(format!("Cannot find path '{path}' because it does not exist."))
}

fn after<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(head.len())?;
    start.eq_ignore_ascii_case(head).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_either_slash_and_with_the_provider() {
        for text in [
            "WSMan:\\localhost\\Service\\Auth\\Basic",
            "wsman:/localhost/Service/Auth/Basic",
            "WSMan:localhost\\Service\\Auth\\Basic\\",
            "Microsoft.WSMan.Management\\WSMan::localhost\\Service\\Auth\\Basic",
            "WSMan::localhost\\Service\\Auth\\Basic",
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.to_string(), "WSMan:\\localhost\\Service\\Auth\\Basic", "{text}");
            assert_eq!(Path::parse(&path.full()).unwrap(), path);
        }
        assert_eq!(Path::parse("WSMan:\\").unwrap(), Path::default());
    }

    #[test]
    fn paths_of_other_drives_and_too_deep_ones_are_refused() {
        for (text, part) in [
            ("C:\\temp", "A drive with the name 'C' does not exist"),
            ("cert:\\LocalMachine\\root", "'cert'"),
            ("localhost\\Service", "Cannot find path 'localhost\\Service'"),
            ("", "Cannot find path ''"),
            ("WSMan:\\a\\..\\b", "Cannot find path"),
            ("WSMan:\\1\\2\\3\\4\\5\\6\\7\\8\\9", "Cannot find path"),
        ] {
            let error = Path::parse(text).unwrap_err();
            assert!(error.error().contains(part), "{text}: {}", error.error());
        }
        assert!(Path::parse(&format!("WSMan:\\{}", "a".repeat(5000))).is_err());
    }
}
