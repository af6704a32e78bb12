//! How a command line names a resource: `ALIAS/REST?NAME=VALUE+NAME=VALUE`.

use wsman::SelectorSet;
use wsman::transfer::Locator;

use crate::command_error::CommandError;

/// What the first part of a URI may stand for.
pub(super) const ALIASES: [(&str, &str); 6] = [
    ("wmi", "http://schemas.microsoft.com/wbem/wsman/1/wmi"),
    ("wmicimv2", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2"),
    ("cimv2", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2"),
    ("winrm", "http://schemas.microsoft.com/wbem/wsman/1"),
    ("wsman", "http://schemas.microsoft.com/wbem/wsman/1"),
    ("shell", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"),
];

/// The resource that a text names, without options or a fragment.
///
/// # Errors
/// It is empty, or its selectors are not `NAME=VALUE`.
pub(crate) fn locator(text: &str) -> Result<Locator, CommandError> {
    let (uri, query) = match text.split_once('?') {
        Some((uri, query)) => (uri, Some(query)),
        None => (text, None),
    };
    if uri.is_empty() {
        return Err(CommandError::usage("the resource URI is empty"));
    }
    if uri.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CommandError::usage(format!("the resource URI {uri:?} has a space in it")));
    }
    let mut locator = Locator::new(expanded(uri));
    if let Some(query) = query {
        locator.selectors = selectors(query)?;
    }
    Ok(locator)
}

/// The URI with its alias written out.
pub(super) fn expanded(uri: &str) -> String {
    let (first, rest) = match uri.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (uri, None),
    };
    let known = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(first));
    match (known, rest) {
        (None, _) => uri.to_owned(),
        (Some((_, base)), None) => (*base).to_owned(),
        (Some((_, base)), Some(rest)) => format!("{base}/{rest}"),
    }
}

/// `NAME=VALUE+NAME=VALUE`; a value in quotes may hold anything, another one a `+` that begins no name.
fn selectors(query: &str) -> Result<SelectorSet, CommandError> {
    let mut set = SelectorSet::default();
    let mut rest = query;
    loop {
        let wrong = || {
            CommandError::usage(format!("the selectors `{query}` are not NAME=VALUE+NAME=VALUE"))
        };
        let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
        if !is_name(name) {
            return Err(wrong());
        }
        let (value, next) = value(after).ok_or_else(wrong)?;
        set = set.with(name, value);
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    match set.duplicate() {
        Some(name) => Err(CommandError::usage(format!("the selector {name} is there twice"))),
        None => Ok(set),
    }
}

/// A value, and what follows behind its `+`.
fn value(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"')?;
        return match rest.strip_prefix('+') {
            Some(next) => Some((value, Some(next))),
            None => rest.is_empty().then_some((value, None)),
        };
    }
    let begins_name = |next: &str| next.split_once('=').is_some_and(|(name, _)| is_name(name));
    let plus = text.match_indices('+').find_map(|(place, _)| {
        let (value, next) = text.split_at(place);
        let next = next.get(1..)?;
        begins_name(next).then_some((value, Some(next)))
    });
    Some(plus.unwrap_or((text, None)))
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':'))
}

/// The last part of a URI, from which the name of an input's element is made.
///
/// # Errors
/// It is no name.
pub(super) fn last_part(uri: &str) -> Result<&str, CommandError> {
    let start = uri.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')));
    let part = start.map_or(Some(uri), |place| {
        uri.get(place..)?.char_indices().nth(1).and_then(|(next, _)| uri.get(place + next..))
    });
    let part = part
        .unwrap_or_default()
        .trim_start_matches(|c: char| !(c.is_ascii_alphabetic() || c == '_'));
    if part.is_empty() {
        return Err(CommandError::usage(format!(
            "the resource URI {uri} has no name at its end, from which the input's element could have its own"
        )));
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let set = locator(text).unwrap().selectors;
        let pair = |selector: &wsman::Selector| {
            (selector.name.clone(), set.text(&selector.name).unwrap().to_owned())
        };
        set.selectors.iter().map(pair).collect()
    }

    fn refusal(text: &str) -> String {
        locator(text).unwrap_err().error().to_owned()
    }

    #[test]
    fn aliases_stand_for_the_beginnings_of_uris_in_any_case() {
        for (text, expected) in [
            ("winrm/config", "http://schemas.microsoft.com/wbem/wsman/1/config"),
            ("WinRM/config/Listener", "http://schemas.microsoft.com/wbem/wsman/1/config/Listener"),
            ("wsman/config", "http://schemas.microsoft.com/wbem/wsman/1/config"),
            ("shell/cmd", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"),
            ("shell", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"),
            ("wmicimv2/*", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"),
            (
                "wmi/root/hardware/X",
                "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/hardware/X",
            ),
            (
                "cimv2/CIM_NumericSensor",
                "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_NumericSensor",
            ),
            ("http://a.test/x", "http://a.test/x"),
        ] {
            assert_eq!(locator(text).unwrap().resource_uri, expected);
        }
    }

    #[test]
    fn selectors_follow_the_question_mark() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("winrm/config/Listener?Address=*+Transport=HTTPS"),
            [pair("Address", "*"), pair("Transport", "HTTPS")]
        );
        let mapping =
            "winrm/config/service/certmapping?Issuer=12+Subject=CN=*.example.com+URI=wmicimv2/*";
        assert_eq!(
            pairs(mapping),
            [pair("Issuer", "12"), pair("Subject", "CN=*.example.com"), pair("URI", "wmicimv2/*")]
        );
        assert_eq!(
            pairs("x/y?InstanceID=Intel(r) AMT: General Settings"),
            [pair("InstanceID", "Intel(r) AMT: General Settings")]
        );
        assert_eq!(pairs("x/y?A=1+2+B=\"3+C=4\""), [pair("A", "1+2"), pair("B", "3+C=4")]);
        assert_eq!(pairs("x/y?A="), [pair("A", "")]);
    }

    #[test]
    fn what_names_no_resource_is_refused() {
        assert!(refusal("?A=1").contains("empty"));
        assert!(refusal("x?").contains("NAME=VALUE"));
        assert!(refusal("x?A").contains("NAME=VALUE"));
        assert!(refusal("x?1=2").contains("NAME=VALUE"));
        assert!(refusal("x?A=\"1\"2").contains("NAME=VALUE"));
        assert!(refusal("x?A=1+a=2").contains("twice"));
        assert!(refusal("x y").contains("space"));
    }

    #[test]
    fn last_part_of_a_uri_names_the_element() {
        assert_eq!(last_part("http://a.test/config/Listener").unwrap(), "Listener");
        assert_eq!(last_part("urn:Win32_Service").unwrap(), "Win32_Service");
        assert_eq!(last_part("Name").unwrap(), "Name");
        assert!(last_part("http://a.test/*").is_err());
        assert!(last_part("http://a.test/").is_err());
    }
}
