//! Windows's way of writing options, turned into clap's.
//!
//! `/R:host`, `-r:host`, `-remote=host`, `--remote host` all become `--remote=host`: any case, `/`, `-` or `--`,
//! a long name, one of its aliases, or a prefix that only one long name has. The first word that is no switch
//! starts the command line, which is passed on verbatim. Which names exist is read from the `clap::Command`,
//! so that there is one list of options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::Arg;

use crate::command_error::CommandError;

/// One recognised switch among the words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// Its long name.
    pub(crate) name: String,
    /// Its value, as typed.
    pub(crate) value: Option<OsString>,
    /// Where the value stands: the index of its word and the byte at which it starts there.
    pub(crate) place: (usize, usize),
}

/// The words, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// The switches in the order typed.
    pub(crate) switches: Vec<Switch>,
    /// Everything from the first word on that is no switch.
    pub(crate) rest: Vec<OsString>,
}

impl Words {
    /// The same as clap reads it, with `program` as the first word.
    pub(crate) fn into_clap(self, program: &str) -> Vec<OsString> {
        let mut words = vec![OsString::from(program)];
        for switch in self.switches {
            let mut word = OsString::from("--");
            word.push(&switch.name);
            if let Some(value) = &switch.value {
                word.push("=");
                word.push(value);
            }
            words.push(word);
        }
        words.push("--".into());
        words.extend(self.rest);
        words
    }
}

/// Takes apart `words` (without the program's name) by the options of `command`.
///
/// # Errors
/// A word that looks like a switch and is none, one that means several, a missing or superfluous value,
/// and a second time of one that may appear once.
pub(crate) fn parse(command: &clap::Command, words: &[OsString]) -> Result<Words, CommandError> {
    let mut switches: Vec<Switch> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        if word == "--" {
            index += 1;
            break;
        }
        let Some(Typed { style, name, value }) = Typed::read(word) else { break };
        // The value may be a password that belongs to a misspelt name: errors show the name alone.
        let shown = word.as_bytes().len() - value.map_or(0, |value| value.len() + 1);
        let shown = String::from_utf8_lossy(word.as_bytes().get(..shown).unwrap_or_default());
        let arg = match resolve(command, name) {
            Resolved::One(arg) => arg,
            // `/usr/bin/id` is a path: on the hosts that have such paths it is the command.
            Resolved::None if style == Style::Slash && has_slash(name, value) => break,
            Resolved::None => return Err(unknown(&shown, style)),
            Resolved::Several(names) => return Err(ambiguous(&shown, &names)),
        };
        let mut place = (index, word.len() - value.map_or(0, OsStr::len));
        let mut value = value.map(OsStr::to_owned);
        match (arg.get_action().takes_values(), &value) {
            (true, None) if style == Style::Double => {
                index += 1;
                place = (index, 0);
                value = Some(words.get(index).ok_or_else(|| needs_value(arg, &shown))?.clone());
            }
            (true, None) => return Err(needs_value(arg, &shown)),
            (false, Some(_)) => {
                let message = format!("the switch {shown} takes no value");
                return Err(CommandError::usage(message));
            }
            (true, Some(_)) | (false, None) => {}
        }
        let name = long(arg).to_owned();
        let repeatable = matches!(arg.get_action(), clap::ArgAction::Append);
        if !repeatable && switches.iter().any(|earlier| earlier.name == name) {
            return Err(CommandError::usage(format!("the switch -{name} is there twice")));
        }
        switches.push(Switch { name, value, place });
        index += 1;
    }
    Ok(Words { switches, rest: words.get(index..).unwrap_or_default().to_vec() })
}

/// How Windows's help writes an option: `-r[emote]:ENDPOINT`.
pub(crate) fn spelling(arg: &Arg) -> String {
    let long = long(arg);
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let mut text = match aliases.first() {
        Some(sign) if !sign.starts_with(char::is_alphabetic) => format!("-{sign}"),
        Some(short) => format!("-{}", bracketed(long, short)),
        None => format!("-{long}"),
    };
    if arg.get_action().takes_values() {
        text.push(':');
        text.push_str(&arg.get_value_names().unwrap_or_default().join(","));
    }
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Slash,
    Single,
    Double,
}

/// A word with the looks of a switch.
struct Typed<'a> {
    style: Style,
    name: &'a OsStr,
    value: Option<&'a OsStr>,
}

impl<'a> Typed<'a> {
    fn read(word: &'a OsStr) -> Option<Self> {
        let bytes = word.as_bytes();
        let (style, body) = if let Some(body) = bytes.strip_prefix(b"--") {
            (Style::Double, body)
        } else if let Some(body) = bytes.strip_prefix(b"-") {
            (Style::Single, body)
        } else {
            (Style::Slash, bytes.strip_prefix(b"/")?)
        };
        if body.is_empty() {
            return None;
        }
        let mut halves = body.splitn(2, |byte| matches!(byte, b':' | b'='));
        let name = OsStr::from_bytes(halves.next()?);
        Some(Self { style, name, value: halves.next().map(OsStr::from_bytes) })
    }
}

enum Resolved<'a> {
    One(&'a Arg),
    Several(Vec<&'a str>),
    None,
}

fn resolve<'a>(command: &'a clap::Command, typed: &OsStr) -> Resolved<'a> {
    let Some(typed) = typed.to_str().map(str::to_ascii_lowercase) else { return Resolved::None };
    if typed.is_empty() {
        return Resolved::None;
    }
    let options = || command.get_arguments().filter(|arg| arg.get_long().is_some());
    let exact = |arg: &&Arg| {
        long(arg) == typed
            || arg.get_all_aliases().unwrap_or_default().iter().any(|alias| *alias == typed)
    };
    if let Some(arg) = options().find(exact) {
        return Resolved::One(arg);
    }
    let mut found: Vec<&Arg> = options().filter(|arg| long(arg).starts_with(&typed)).collect();
    found.sort_by_key(|arg| long(arg).len());
    match found.as_slice() {
        [] => Resolved::None,
        // -pass means -password, although -password-file begins like it.
        [shortest, others @ ..]
            if others.iter().all(|other| long(other).starts_with(long(shortest))) =>
        {
            Resolved::One(shortest)
        }
        several => Resolved::Several(several.iter().map(|arg| long(arg)).collect()),
    }
}

fn long(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

fn has_slash(name: &OsStr, value: Option<&OsStr>) -> bool {
    name.as_bytes().contains(&b'/') || value.is_some_and(|value| value.as_bytes().contains(&b'/'))
}

fn needs_value(arg: &Arg, shown: &str) -> CommandError {
    CommandError::usage(format!("the switch {shown} needs a value"))
        .hint(format!("write {}, without a space after the colon", spelling(arg)))
}

fn unknown(shown: &str, style: Style) -> CommandError {
    let error = CommandError::usage(format!("unknown switch {shown}"));
    if style == Style::Slash {
        error.hint("if it begins the command line, write -- before it")
    } else {
        error
    }
}

fn ambiguous(shown: &str, names: &[&str]) -> CommandError {
    let names: Vec<String> = names.iter().map(|name| format!("-{name}")).collect();
    CommandError::usage(format!("the switch {shown} may mean {}", names.join(" or ")))
}

/// Puts what `short` leaves out of `long` in brackets: remote by r is `r[emote]`, usessl by ssl is `[use]ssl`.
fn bracketed(long: &str, short: &str) -> String {
    if let Some(tail) = long.strip_prefix(short) {
        return format!("{short}[{tail}]");
    }
    if let Some(head) = long.strip_suffix(short) {
        return format!("[{head}]{short}");
    }
    let mut text = String::new();
    let mut wanted = short.chars().peekable();
    let mut open = false;
    for letter in long.chars() {
        let kept = wanted.next_if_eq(&letter).is_some();
        if kept == open {
            text.push(if open { ']' } else { '[' });
            open = !open;
        }
        text.push(letter);
    }
    if open {
        text.push(']');
    }
    // An alias with other letters is no short form.
    if wanted.next().is_some() { long.to_owned() } else { text }
}

/// Joins the words of a command line with one space each, as the shell that took them apart would show them.
///
/// # Errors
/// A word that is not UTF-8: the command line travels as XML.
pub(crate) fn join(words: Vec<OsString>) -> Result<String, CommandError> {
    let joined = words.join(OsStr::new(" "));
    String::from_utf8(joined.into_vec()).map_err(|_| {
        CommandError::usage(
            "the command line is not valid UTF-8, which it must be to travel as XML",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_show_what_the_short_form_leaves_out() {
        assert_eq!(bracketed("remote", "r"), "r[emote]");
        assert_eq!(bracketed("timeout", "t"), "t[imeout]");
        assert_eq!(bracketed("usessl", "ssl"), "[use]ssl");
        assert_eq!(bracketed("allowdelegate", "ad"), "a[llow]d[elegate]");
        assert_eq!(bracketed("skipcacheck", "skip-ca-check"), "skipcacheck");
    }
}
