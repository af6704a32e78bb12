//! `New-PSSessionOption`: the options of sessions as one object.

use super::super::binder::Bound;
use super::super::value::{CREDENTIAL, Object, Value};
use super::super::waiter::Waiter;
use super::account;
use crate::command_error::CommandError;

/// The type of the object.
const TYPE: &str = "System.Management.Automation.Remoting.PSSessionOption";
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

/// The object with the options, those that are not given as Windows has them.
pub(in crate::powershell) fn object(bound: &Bound, proxy: Value) -> Value {
    let given = |name: &str| bound.value(name).cloned();
    let or_null = |name: &str| given(name).unwrap_or(Value::Null);
    let integer = |name: &str, default: i64| Value::Integer(bound.integer(name).unwrap_or(default));
    let time =
        |name: &str, default: i64| Value::Milliseconds(bound.integer(name).unwrap_or(default));
    let text =
        |name: &str, default: &str| Value::Text(bound.text(name).unwrap_or(default).to_owned());
    let is_set = |name: &str| Value::Bool(bound.is_set(name));
    let properties = [
        ("MaximumConnectionRedirectionCount", integer("MaximumRedirection", 5)),
        ("NoCompression", is_set("NoCompression")),
        ("NoMachineProfile", is_set("NoMachineProfile")),
        ("ProxyAccessType", text("ProxyAccessType", "None")),
        ("ProxyAuthentication", text("ProxyAuthentication", "Negotiate")),
        ("ProxyCredential", proxy),
        ("SkipCACheck", is_set("SkipCACheck")),
        ("SkipCNCheck", is_set("SkipCNCheck")),
        ("SkipRevocationCheck", is_set("SkipRevocationCheck")),
        ("OperationTimeout", time("OperationTimeout", 180_000)),
        ("NoEncryption", is_set("NoEncryption")),
        ("UseUTF16", is_set("UseUTF16")),
        ("IncludePortInSPN", is_set("IncludePortInSPN")),
        ("OutputBufferingMode", text("OutputBufferingMode", "None")),
        ("MaxConnectionRetryCount", integer("MaxConnectionRetryCount", 5)),
        ("Culture", or_null("Culture")),
        ("UICulture", or_null("UICulture")),
        ("MaximumReceivedDataSizePerCommand", or_null("MaximumReceivedDataSizePerCommand")),
        ("MaximumReceivedObjectSize", integer("MaximumReceivedObjectSize", 209_715_200)),
        ("ApplicationArguments", or_null("ApplicationArguments")),
        ("OpenTimeout", time("OpenTimeout", 180_000)),
        ("CancelTimeout", time("CancelTimeout", 60_000)),
        ("IdleTimeout", time("IdleTimeout", -1)),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
    Value::Object(Object { type_name: TYPE.to_owned(), properties })
}

/// The account at the proxy with its password.
fn credential(value: &Value, waiter: &mut Waiter) -> Result<Value, CommandError> {
    let (user, known) = account(value);
    let password = match known {
        Some(password) => password,
        None => {
            let question = format!("Password for user {user}: ");
            waiter.ask(&question, &user)?
        }
    };
    let properties = vec![
        ("UserName".to_owned(), Value::Text(user)),
        ("Password".to_owned(), Value::Secret(password)),
    ];
    Ok(Value::Object(Object { type_name: CREDENTIAL.to_owned(), properties }))
}
