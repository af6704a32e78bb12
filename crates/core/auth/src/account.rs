//! [`Account`], who came in, and [`UserName`], how a client names itself.

/// A verified account, as the verifier describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The service's own number for the account; it stays the same when the account is renamed.
    pub id: [u8; 16],
    /// The account's name in its stored spelling, which may differ in case from what the client sent.
    pub name: String,
    /// Names of the groups that the account belongs to.
    pub groups: Vec<String>,
}

/// A user name in one of the three forms that Windows accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName {
    /// The domain or machine in front of the backslash; empty when there was none.
    pub domain: String,
    /// What follows the backslash, or the whole name: a bare name or `user@realm`.
    pub user: String,
}

impl UserName {
    /// Splits `DOM\user` at its first backslash; `user@realm` and a bare name stay whole, with an empty domain.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name.split_once('\\') {
            Some((domain, user)) => Self { domain: domain.to_owned(), user: user.to_owned() },
            None => Self { domain: String::new(), user: name.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_user_name_split() {
        let named = |domain: &str, user: &str| UserName {
            domain: domain.to_owned(),
            user: user.to_owned(),
        };
        assert_eq!(UserName::parse(r"DOM\alice"), named("DOM", "alice"));
        assert_eq!(UserName::parse("alice@dom.test"), named("", "alice@dom.test"));
        assert_eq!(UserName::parse("alice"), named("", "alice"));
        assert_eq!(UserName::parse(r".\a\b"), named(".", r"a\b"));
    }
}
