//! Resource URIs as they are typed: with aliases in front and selectors behind.

use wsman::transfer::Locator;

use crate::command_error::CommandError;
use crate::winrm;

/// Reads `alias/rest?NAME=VALUE+NAME=VALUE`, as `winrm` does; behind the alias it must be a whole URI.
///
/// # Errors
/// No URI, or selectors that are none.
pub(in crate::powershell) fn locator(text: &str) -> Result<Locator, CommandError> {
    let wrong = |what: &str| {
        CommandError::usage(format!("-ResourceURI {text}: {what}"))
            .hint("write winrm/config/listener?Address=*+Transport=HTTP, or a whole URI")
    };
    let mut locator = winrm::uri::locator(text).map_err(|error| wrong(error.error()))?;
    let uri = locator.resource_uri.trim_end_matches('/');
    if !uri.contains(':') {
        return Err(wrong("it has no scheme, and begins with no alias"));
    }
    locator.resource_uri.truncate(uri.len());
    Ok(locator)
}

/// The last part of a resource's URI: the name of its element.
pub(in crate::powershell) fn last(uri: &str) -> &str {
    uri.trim_end_matches(['/', '*']).rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_selectors_are_written_out() {
        for (text, uri, selectors) in [
            ("winrm/config", "http://schemas.microsoft.com/wbem/wsman/1/config", ""),
            ("WSMAN/Config/", "http://schemas.microsoft.com/wbem/wsman/1/Config", ""),
            ("shell", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell", ""),
            (
                "winrm/config/Listener?Address=*+Transport=HTTPS",
                "http://schemas.microsoft.com/wbem/wsman/1/config/Listener",
                "Address=*,Transport=HTTPS",
            ),
            (
                "wmicimv2/Win32_Service?Name=a=b",
                "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service",
                "Name=a=b",
            ),
            ("http://example.org/x?k=v", "http://example.org/x", "k=v"),
        ] {
            let locator = locator(text).unwrap();
            let found: Vec<String> = locator
                .selectors
                .selectors
                .iter()
                .map(|one| format!("{}={}", one.name, locator.selectors.text(&one.name).unwrap()))
                .collect();
            assert_eq!((locator.resource_uri.as_str(), found.join(",").as_str()), (uri, selectors));
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "?a=b",
            "config",
            "winrm/x y",
            "winrm/config?a",
            "winrm/config?=b",
            "winrm/config?a=b+A=c",
        ] {
            assert!(locator(text).unwrap_err().error().contains("-ResourceURI"), "{text}");
        }
    }
}
