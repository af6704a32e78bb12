//! What may stand where the cursor is: asked of the host, or known by this program.

use std::collections::HashMap;

use psrp::clixml::{Object, Value as Wire};

use super::editor::Completion;
use crate::powershell::cmdlets;
use crate::powershell::host::one_line;
use crate::powershell::table::Kind;
use crate::powershell::value::Value;

/// The most candidates that are shown.
const MAX_CANDIDATES: usize = 500;

/// What a host answered to TabExpansion2; `before` is what stands above the line that is edited.
pub(super) fn of_host(values: &[Wire], before: &str, line: &str) -> Option<Completion> {
    let answer = values.first()?.as_object()?;
    let index = usize::try_from(answer.property("ReplacementIndex")?.as_i32()?).ok()?;
    let whole = format!("{before}{line}");
    let start = byte(&whole, index)?.checked_sub(before.len())?;
    let matches = answer.property("CompletionMatches")?.as_object()?.items()?;
    let text = |object: &Object, name: &str| {
        Some(object.property(name)?.as_text()?.to_string_lossy().into_owned())
    };
    let candidate = |value: &Wire| {
        let object = value.as_object()?;
        let replacement = text(object, "CompletionText")?;
        // What goes into the line is run when Enter is pressed: nothing in it may be invisible.
        if replacement.contains(char::is_control) {
            return None;
        }
        let shown = text(object, "ListItemText").unwrap_or_else(|| replacement.clone());
        Some((one_line(&shown), replacement))
    };
    let candidates = matches.iter().filter_map(candidate).take(MAX_CANDIDATES).collect();
    Some(Completion { start, candidates })
}

/// The byte of a text where so many UTF-16 units end.
fn byte(text: &str, units: usize) -> Option<usize> {
    let mut seen = 0;
    for (place, letter) in text.char_indices() {
        if seen >= units {
            return Some(place);
        }
        seen += letter.len_utf16();
    }
    (seen == units).then_some(text.len())
}

/// UTF-16 units in front of a byte of a text.
pub(super) fn units(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

/// Cmdlets, their parameters and values, and variables, at the cursor of a line of this program.
pub(super) fn of_cmdlets(
    line: &str,
    cursor: usize,
    variables: &HashMap<String, Value>,
) -> Completion {
    let Some(before) = line.get(..cursor) else { return Completion::default() };
    let start =
        before.rfind([' ', '\t', '|', ';', '(', '{', '=', ',', '\n']).map_or(0, |place| place + 1);
    let word = before.get(start..).unwrap_or_default();
    let command = before.rsplit(['|', ';', '(', '{', '=', '\n']).next().unwrap_or_default();
    let mut words = command.split_whitespace();
    let name = words.next().unwrap_or_default();
    let mut found: Vec<String> = if let Some(variable) = word.strip_prefix('$') {
        let known = variables.keys().map(String::as_str).chain(["true", "false", "null"]);
        known.filter(|known| begins(known, variable)).map(|known| format!("${known}")).collect()
    } else if command.trim_start() == word {
        cmdlets::CMDLETS
            .iter()
            .map(|cmdlet| cmdlet.name)
            .filter(|cmdlet| begins(cmdlet, word))
            .map(str::to_owned)
            .collect()
    } else if let Some(cmdlet) = cmdlets::find(name) {
        if let Some(parameter) = word.strip_prefix('-') {
            let names = cmdlet.all().map(|parameter| parameter.name);
            names.filter(|name| begins(name, parameter)).map(|name| format!("-{name}")).collect()
        } else {
            let before_word = command.strip_suffix(word).unwrap_or(command);
            let last = before_word.split_whitespace().last().unwrap_or_default();
            let parameter = last.strip_prefix('-').and_then(|last| {
                cmdlet
                    .all()
                    .find(|parameter| parameter.names().any(|name| name.eq_ignore_ascii_case(last)))
            });
            match parameter.map(|parameter| parameter.kind) {
                Some(Kind::Choice(_, choices)) => choices
                    .iter()
                    .filter(|choice| begins(choice, word))
                    .map(|choice| (*choice).to_owned())
                    .collect(),
                _ => Vec::new(),
            }
        }
    } else {
        Vec::new()
    };
    found.sort();
    found.dedup();
    Completion { start, candidates: found.into_iter().map(|text| (text.clone(), text)).collect() }
}

fn begins(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use psrp::clixml::Properties;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let variables = HashMap::from([("session".to_owned(), Value::Null)]);
        let completion = of_cmdlets(line, line.len(), &variables);
        completion.candidates.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn cmdlets_parameters_values_and_variables_are_found() {
        assert_eq!(texts("test-ws"), ["Test-WSMan"]);
        assert_eq!(texts("$x = Test-WSM"), ["Test-WSMan"]);
        assert_eq!(texts("'a' | test-wsman -Po"), ["-Port"]);
        assert_eq!(texts("Test-WSMan -Authentication B"), ["Basic"]);
        assert_eq!(texts("Test-WSMan $se"), ["$session"]);
        for line in ["Nothing -P", "Test-WSMan server", "'ä', ö"] {
            assert_eq!(texts(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn answer_of_a_host_replaces_from_its_place_and_hides_nothing() {
        let item = |shown: &str, text: &str| {
            Wire::from(Object::bag(
                Properties::default().with("CompletionText", text).with("ListItemText", shown),
            ))
        };
        let items = vec![item("a\u{1b}[6nb", "😀ab"), item("x", "x\n; rm")];
        let answer = Object::bag(
            Properties::default()
                .with("ReplacementIndex", 5)
                .with("CompletionMatches", Object::list("L", items)),
        );
        let completion = of_host(&[answer.into()], "1\n", "😀 ab").unwrap();
        assert_eq!(completion.start, "😀 ".len());
        assert_eq!(completion.candidates, [("ab".to_owned(), "😀ab".to_owned())]);
        assert!(of_host(&[Wire::Null], "", "x").is_none());
        assert_eq!(byte("ab", 3), None);
    }
}
