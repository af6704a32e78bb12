//! A cmdlet's arguments as a shell passes them: PowerShell's spelling (`-ComputerName h`, `-cn:h`) and GNU's
//! (`--computer-name h`, `--computer-name=h`) through the same table.

use super::binder::{Given, Word};

/// What the words of a command line are.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) given: Vec<Given>,
    /// `--json`.
    pub(crate) is_json: bool,
    /// `-?`, `--help`.
    pub(crate) is_help: bool,
}

/// Takes the words behind a cmdlet's name apart.
pub(crate) fn read(words: &[String]) -> Arguments {
    let mut arguments = Arguments { given: Vec::new(), is_json: false, is_help: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => {
                arguments
                    .given
                    .extend(words.by_ref().map(|word| Given::Plain(Word::from_shell(word))));
            }
            "--json" => arguments.is_json = true,
            "-?" | "/?" | "--help" => arguments.is_help = true,
            word => arguments.given.push(argument(word)),
        }
    }
    arguments
}

fn argument(word: &str) -> Given {
    let (body, is_gnu) = match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(body), _) => (body, true),
        (None, Some(body)) => (body, false),
        (None, None) => return Given::Plain(Word::from_shell(word)),
    };
    if !body.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
        return Given::Plain(Word::from_shell(word));
    }
    let (name, value) = match body.split_once([':', '=']) {
        Some((name, value)) => (name, Some(Word::from_shell(value))),
        None => (body, None),
    };
    let name = if is_gnu { name.replace('-', "") } else { name.to_owned() };
    Given::Named { name, value }
}
