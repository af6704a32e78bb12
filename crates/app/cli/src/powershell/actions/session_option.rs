//! `New-PSSessionOption` and `New-WSManSessionOption`: the options of sessions and connections as one object.

use auth::Secret;

use super::super::binder::Bound;
use super::super::sessions::options::object;
use super::super::sessions::target::account;
use super::super::value::{CREDENTIAL, Object, Value};
use super::super::waiter::Waiter;
use super::super::wsman;
use crate::command_error::CommandError;
use crate::winrs::PROXY_PASSWORD_VARIABLE;

/// The logins that a proxy may ask for.
const PROXY_LOGINS: [&str; 3] = ["Negotiate", "Basic", "Digest"];

pub(super) fn run(bound: &Bound, waiter: &mut Waiter) -> Result<Value, CommandError> {
    if let Some(login) =
        bound.text("ProxyAuthentication").filter(|login| !PROXY_LOGINS.contains(login))
    {
        return Err(CommandError::usage(format!("the login {login} is none for a proxy"))
            .hint("-ProxyAuthentication takes Negotiate, Basic and Digest"));
    }
    let proxy = bound.value("ProxyCredential");
    let proxy = proxy.map_or(Ok(Value::Null), |value| credential(value, waiter))?;
    Ok(object(bound, proxy))
}

/// `New-WSManSessionOption`.
///
/// # Errors
/// There is no password for the account at the proxy.
pub(super) fn connection(bound: &Bound, waiter: &mut Waiter) -> Result<Value, CommandError> {
    let proxy = bound.value("ProxyCredential");
    let proxy = proxy.map_or(Ok(Value::Null), |value| credential(value, waiter))?;
    Ok(wsman::options::object(bound, proxy))
}

/// The account at the proxy with its password.
fn credential(value: &Value, waiter: &mut Waiter) -> Result<Value, CommandError> {
    let (user, known) = account(value);
    let password = match known {
        Some(password) => password,
        None => match std::env::var(PROXY_PASSWORD_VARIABLE) {
            Ok(password) => Secret::from(password),
            Err(_) => {
                let question = format!("Password for user {user}: ");
                let asked = waiter.ask(&question, &user);
                asked.map_err(|error| {
                    error.hint(format!("set the environment variable {PROXY_PASSWORD_VARIABLE}"))
                })?
            }
        },
    };
    let properties = vec![
        ("UserName".to_owned(), Value::Text(user)),
        ("Password".to_owned(), Value::Secret(password)),
    ];
    Ok(Value::Object(Object { type_name: CREDENTIAL.to_owned(), properties }))
}
