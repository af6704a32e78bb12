//! What the cmdlets do.

mod session_option;
mod test_wsman;

use auth::Secret;

use super::binder::Bound;
use super::table::Action;
use super::value::Value;
use super::waiter::Waiter;
use crate::command_error::CommandError;

/// Runs a cmdlet and hands out the object that it makes.
///
/// # Errors
/// The work failed; the error does not name the cmdlet.
pub(super) fn run(bound: &Bound, waiter: &mut Waiter) -> Result<Value, CommandError> {
    match bound.cmdlet.action {
        Action::NewSessionOption => session_option::run(bound, waiter),
        Action::TestWsman => test_wsman::run(bound, waiter),
    }
}

/// The user name of an account, and its password if it is known.
fn account(value: &Value) -> (String, Option<Secret>) {
    let Value::Object(account) = value else { return (value.text(), None) };
    let user = account.property("UserName").map(Value::text).unwrap_or_default();
    let password = account.property("Password").and_then(|password| {
        if let Value::Secret(password) = password { Some(password.clone()) } else { None }
    });
    (user, password)
}
