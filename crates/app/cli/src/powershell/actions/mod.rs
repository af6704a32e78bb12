//! What the cmdlets do.

mod session_option;
mod test_wsman;

use auth::Secret;

use super::binder::Bound;
use super::table::Action;
use super::value::Value;
use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::terminal::{self, Answer};

/// Runs a cmdlet and hands out the object that it makes.
///
/// # Errors
/// The work failed; the error does not name the cmdlet.
pub(super) fn run(bound: &Bound) -> Result<Value, CommandError> {
    match bound.cmdlet.action {
        Action::NewSessionOption => session_option::run(bound),
        Action::TestWsman => test_wsman::run(bound),
    }
}

/// Waits for work that takes the user's signals.
fn block_on<T>(
    work: impl AsyncFnOnce(&mut Signals) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        work(&mut signals).await
    });
    // A name look-up that still waits must not hold us.
    runtime.shutdown_background();
    result
}

/// Asks for the password of an account on the terminal.
async fn ask_password(
    question: &str,
    user: &str,
    signals: &mut Signals,
) -> Result<Secret, CommandError> {
    let answer = terminal::ask(question, Answer::Hidden, signals).await?;
    answer.ok_or_else(|| {
        CommandError::usage(format!("no password for '{user}', and no terminal to ask for it"))
    })
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
