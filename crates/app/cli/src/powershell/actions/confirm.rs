//! `-WhatIf` and `-Confirm`: whether something is to be done that changes something.

use super::super::binder::Bound;
use super::super::show;
use crate::command_error::CommandError;
use crate::powershell::context::Context;

const CHOICES: &str =
    "[Y] Yes  [A] Yes to All  [N] No  [L] No to All  [?] Help (default is \"Y\"): ";
const HELP: &str = "Y - Continue with only the next step of the operation.\n\
                    A - Continue with all the steps of the operation.\n\
                    N - Skip this operation and proceed with the next operation.\n\
                    L - Skip this operation and all subsequent operations.\n";

/// Whether an operation is to be done; says so where the user wants to know, and asks where the user wants to be asked.
///
/// # Errors
/// There is no terminal to ask on, or a signal came.
pub(super) fn is_to_do(
    bound: &Bound,
    context: &mut Context,
    operation: &str,
    target: &str,
) -> Result<bool, CommandError> {
    let what = format!("Performing the operation \"{operation}\" on target \"{target}\".");
    if bound.is_set("WhatIf") {
        context.shown.note(&format!("What if: {what}"))?;
        return Ok(false);
    }
    let asks = bound.is_set("Confirm");
    if !asks && bound.is_set("Verbose") {
        show::verbose(&what);
    }
    if !asks {
        return Ok(true);
    }
    if let Some(answer) = context.for_all {
        return Ok(answer);
    }
    let mut question =
        format!("\nConfirm\nAre you sure you want to perform this action?\n{what}\n{CHOICES}");
    loop {
        let missing = || CommandError::usage("-Confirm needs a terminal to ask on");
        let answer = context.waiter.question(&question)?.ok_or_else(missing)?;
        question = match answer.to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "a" | "yes to all" => {
                context.for_all = Some(true);
                return Ok(true);
            }
            "l" | "no to all" => {
                context.for_all = Some(false);
                return Ok(false);
            }
            "?" => format!("{HELP}{CHOICES}"),
            _ => CHOICES.to_owned(),
        };
    }
}

const GO_ON: &str = "[Y] Yes  [N] No  [?] Help (default is \"Y\"): ";
const GO_ON_HELP: &str = "Y - Continue with this operation.\nN - Skip it.\n";

/// Whether what has consequences is to be done, unless `-Force` says so already.
///
/// # Errors
/// There is no terminal to ask on, or a signal came.
pub(super) fn goes_on(
    bound: &Bound,
    context: &mut Context,
    caption: &str,
    text: &str,
) -> Result<bool, CommandError> {
    if bound.is_set("Force") {
        return Ok(true);
    }
    let mut question = format!("\n{caption}\n{text}\nDo you want to continue?\n{GO_ON}");
    loop {
        let missing = || {
            CommandError::usage(
                "this asks before it does anything, and there is no terminal to ask on",
            )
            .hint("add -Force")
        };
        let answer = context.waiter.question(&question)?.ok_or_else(missing)?;
        question = match answer.to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "?" => format!("{GO_ON_HELP}{GO_ON}"),
            _ => GO_ON.to_owned(),
        };
    }
}
