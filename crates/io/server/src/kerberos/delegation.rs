//! What becomes of what a client let the service have: a ticket stays, a password buys one and is gone.

use std::sync::Arc;

use auth::{Delegated, Ticket, UserName};

use super::KeyHolder;
use crate::accounts::MachineNames;

/// What came of it, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delegation {
    /// The client's ticket.
    Forwarded,
    /// A ticket of this principal, bought with a password.
    Bought(String),
    /// Nothing: the account is this machine's, and no other one knows it.
    Local,
    /// Nothing, and why.
    Failed(String),
}

/// Turns what was delegated into a ticket. `proven` is the principal of the login, where it has one.
pub(crate) async fn delegated(
    delegated: Delegated,
    holder: Option<&KeyHolder>,
    names: &MachineNames,
    proven: Option<&str>,
) -> (Option<Arc<Ticket>>, Delegation) {
    let (domain, user, password) = match delegated {
        Delegated::Ticket(ticket) => return (Some(Arc::new(ticket)), Delegation::Forwarded),
        Delegated::Password { domain, user, password } => (domain, user, password),
    };
    let Some(principal) = principal(&domain, &user, names, proven) else {
        return (None, Delegation::Local);
    };
    let Some(holder) = holder else {
        let why = "the service has no Kerberos process that could buy a ticket";
        return (None, Delegation::Failed(why.to_owned()));
    };
    match holder.buy(principal.clone(), password).await {
        Ok(ticket) => (Some(Arc::new(ticket)), Delegation::Bought(principal)),
        Err(error) => (None, Delegation::Failed(format!("{principal}: {error}"))),
    }
}

/// Whose ticket a password buys; `None` for an account of this machine. A name of the domain's old kind (`EXAMPLE`) is taken
/// for the realm of the login where that is known, since only the KDC could translate it.
fn principal(
    domain: &str,
    user: &str,
    names: &MachineNames,
    proven: Option<&str>,
) -> Option<String> {
    let UserName { domain: inner, user } = UserName::parse(user);
    let domain = if domain.is_empty() { inner.as_str() } else { domain };
    if user.is_empty() {
        return None;
    }
    let (name, realm) = user.rsplit_once('@').unwrap_or((&user, domain));
    if names.is_here(realm) {
        return None;
    }
    let of_the_login = proven
        .and_then(|proven| proven.rsplit_once('@'))
        .filter(|(proven, _)| proven.eq_ignore_ascii_case(name));
    match of_the_login {
        Some((proven, of_login))
            if !realm.contains('.') || realm.eq_ignore_ascii_case(of_login) =>
        {
            Some(format!("{proven}@{of_login}"))
        }
        // Realms of domains are their names in capital letters.
        Some(_) | None => Some(format!("{name}@{}", realm.to_uppercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_is_made_of_what_the_client_wrote() {
        let names = MachineNames::new("box.example.test");
        for (domain, user, proven, told) in [
            ("", "alice@example.com", None, Some("alice@EXAMPLE.COM")),
            ("example.com", "alice", None, Some("alice@EXAMPLE.COM")),
            ("EXAMPLE", "alice", None, Some("alice@EXAMPLE")),
            ("", r"EXAMPLE\alice", None, Some("alice@EXAMPLE")),
            ("EXAMPLE", "Alice", Some("alice@AD.EXAMPLE.COM"), Some("alice@AD.EXAMPLE.COM")),
            ("EXAMPLE", "bob", Some("alice@AD.EXAMPLE.COM"), Some("bob@EXAMPLE")),
            ("other.test", "alice", Some("alice@EXAMPLE.COM"), Some("alice@OTHER.TEST")),
            ("lower.test", "alice", Some("alice@lower.test"), Some("alice@lower.test")),
            ("", "alice", None, None),
            (".", "alice", None, None),
            ("BOX", "alice", None, None),
            ("", "alice@box.example.test", None, None),
            ("EXAMPLE", "", None, None),
        ] {
            let found = principal(domain, user, &names, proven);
            assert_eq!(found.as_deref(), told, "{domain} {user} {proven:?}");
        }
    }

    #[tokio::test]
    async fn ticket_stays_and_passwords_of_local_accounts_buy_nothing() {
        let names = MachineNames::new("box");
        let ticket = Ticket::new(vec![1, 2]).unwrap();
        let (found, told) = delegated(Delegated::Ticket(ticket), None, &names, None).await;
        assert_eq!(found.unwrap().expose(), [1, 2]);
        assert_eq!(told, Delegation::Forwarded);
        let password = |domain: &str| Delegated::Password {
            domain: domain.to_owned(),
            user: "alice".to_owned(),
            password: "geheim".into(),
        };
        let (found, told) = delegated(password("box"), None, &names, None).await;
        assert!(found.is_none());
        assert_eq!(told, Delegation::Local);
        let (found, told) = delegated(password("example.com"), None, &names, None).await;
        assert!(found.is_none());
        assert!(matches!(told, Delegation::Failed(why) if !why.contains("geheim")));
    }
}
