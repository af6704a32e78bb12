//! Which words of a command line are passwords: they are wiped from it before anything else is done.

use std::ffi::OsString;

/// Where passwords stand: index of the word, first byte. Known before anything is judged, and whatever else is wrong.
pub(super) fn places(words: &[OsString]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let text = word.to_string_lossy();
        let Some(body) = text.strip_prefix("--").or_else(|| text.strip_prefix(['-', '/'])) else {
            continue;
        };
        let (name, value) = match body.split_once([':', '=']) {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
            None => (body.to_ascii_lowercase(), None),
        };
        let is_beginning =
            |whole: &str, least: usize| whole.starts_with(&name) && name.len() > least;
        if !(name == "p"
            || name == "pp"
            || is_beginning("password", 1)
            || is_beginning("proxypassword", 5))
        {
            continue;
        }
        match value {
            Some(value) => places.push((index, word.len().saturating_sub(value.len()))),
            None if text.starts_with("--") => places.push((index + 1, 0)),
            None => {}
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_passwords_are_known_even_where_the_rest_is_wrong() {
        let words = [
            "get",
            "x",
            "-P:geheim",
            "/proxypassword:other",
            "-nonsense",
            "--password",
            "third",
            "-pass=4",
            "-password-file:f",
            "-proxyp:5",
        ];
        let words: Vec<OsString> = words.map(OsString::from).into();
        assert_eq!(places(&words), [(2, 3), (3, 15), (6, 0), (7, 6), (9, 8)]);
    }
}
