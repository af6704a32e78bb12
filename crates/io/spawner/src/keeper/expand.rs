//! `%NAME%` in the values of variables, as Windows's shells expand it.
//!
//! Names are looked up as they are and else without regard to case, since clients write for hosts where `path` and `PATH`
//! are one. The latest variable wins. What names nothing stays as it is, `%%` too.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::frames::keeper::{MAX_CHARACTERS, characters};

/// The expanded environment would have more than [`MAX_CHARACTERS`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The variables with their values expanded, each by `base` and by the variables before it.
///
/// # Errors
/// [`TooLong`]: values that name each other grow fast.
pub(super) fn all(
    base: &[(&'static str, OsString)],
    variables: &[(OsString, OsString)],
) -> Result<Vec<(OsString, OsString)>, TooLong> {
    let mut done: Vec<(OsString, OsString)> = Vec::with_capacity(variables.len());
    let mut total = 0_usize;
    for (name, value) in variables {
        let value = {
            let earlier = done.iter().rev().map(|(name, value)| (name.as_os_str(), &**value));
            let inherited = base.iter().map(|(name, value)| (OsStr::new(*name), &**value));
            one(value, &|wanted| find(wanted, || earlier.clone().chain(inherited.clone())))?
        };
        total += characters(name) + characters(&value) + 2;
        if total > MAX_CHARACTERS {
            return Err(TooLong);
        }
        done.push((name.clone(), value));
    }
    Ok(done)
}

fn find<'a, I: Iterator<Item = (&'a OsStr, &'a OsStr)>>(
    wanted: &[u8],
    variables: impl Fn() -> I,
) -> Option<&'a OsStr> {
    variables()
        .find(|(name, _)| name.as_bytes() == wanted)
        .or_else(|| variables().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(wanted)))
        .map(|(_, value)| value)
}

fn one<'a>(value: &OsStr, find: &dyn Fn(&[u8]) -> Option<&'a OsStr>) -> Result<OsString, TooLong> {
    // Four bytes are the longest character.
    const MOST: usize = MAX_CHARACTERS * 4;
    let mut expanded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some(sign) = rest.iter().position(|byte| *byte == b'%') {
        let (plain, behind) = rest.split_at(sign);
        expanded.extend_from_slice(plain);
        let behind = behind.get(1..).unwrap_or_default();
        let name = behind.iter().position(|byte| *byte == b'%').and_then(|end| behind.get(..end));
        let found = name.and_then(|name| Some((name, find(name)?)));
        if let Some((name, value)) = found {
            expanded.extend_from_slice(value.as_bytes());
            rest = behind.get(name.len() + 1..).unwrap_or_default();
        } else {
            // The next sign may begin a name: %x%PATH%.
            expanded.push(b'%');
            rest = behind;
        }
        if expanded.len() > MOST {
            return Err(TooLong);
        }
    }
    expanded.extend_from_slice(rest);
    Ok(OsString::from_vec(expanded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(variables: &[(&str, &str)]) -> Result<Vec<String>, TooLong> {
        let base = [("PATH", OsString::from("/bin")), ("HOME", OsString::from("/home/a"))];
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let all = all(&base, &variables)?;
        Ok(all.into_iter().map(|(_, value)| value.into_string().unwrap()).collect())
    }

    #[test]
    fn names_are_found_as_they_are_and_else_in_any_case() {
        let values = [("path", r"%path%;c:\tools"), ("A", "%HOME%/x"), ("B", "%path%|%PATH%")];
        let expected = [r"/bin;c:\tools", "/home/a/x", r"/bin;c:\tools|/bin"];
        assert_eq!(expanded(&values).unwrap(), expected);
    }

    #[test]
    fn later_values_see_earlier_ones_and_never_themselves() {
        let values = [("X", "1"), ("X", "%X%2"), ("Y", "%X%3"), ("Z", "%Z%")];
        assert_eq!(expanded(&values).unwrap(), ["1", "12", "123", "%Z%"]);
    }

    #[test]
    fn what_names_nothing_stays_as_it_is() {
        let values = [("A", "100%"), ("B", "%%"), ("C", "%none%PATH%"), ("D", "%PATH"), ("E", "")];
        assert_eq!(expanded(&values).unwrap(), ["100%", "%%", "%none/bin", "%PATH", ""]);
    }

    #[test]
    fn values_are_not_expanded_twice() {
        assert_eq!(expanded(&[("A", "%"), ("B", "%A%PATH%A%")]).unwrap(), ["%", "%PATH%"]);
    }

    #[test]
    fn values_that_double_each_other_are_refused_before_they_fill_the_memory() {
        let values: Vec<(String, String)> = (0..40)
            .map(|n| {
                (format!("V{n}"), if n == 0 { "x".into() } else { format!("%V{0}%%V{0}%", n - 1) })
            })
            .collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(expanded(&values), Err(TooLong));
    }
}
