//! `Invoke-Command`: runs a script on other computers.

use std::time::Duration;

use super::super::binder::Bound;
use super::super::remote::follow::Manner;
use super::super::remote::input::Input;
use super::super::remote::listen::listen;
use super::super::remote::run::{Order, Place, Way, What};
use super::super::remote::script::Script;
use super::super::sessions::target::targets;
use super::super::show::Sink;
use super::Context;
use crate::command_error::CommandError;

/// So many computers at once, where nobody says more.
const THROTTLE: usize = 32;
/// So long a command may take to stop, where nobody says otherwise.
const CANCEL: Duration = Duration::from_secs(60);

pub(super) fn run(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    check(bound)?;
    let script = Script::of(bound, |name| context.assigned(name))?;
    let input = match (context.input.take(), bound.value("InputObject")) {
        (Some(input), _) => Some(input),
        (None, Some(value)) => Some(Input::Values(value.clone().into_pipe())),
        (None, None) => None,
    };
    let targets = targets(bound, context)?;
    let cancel_timeout = targets.first().map_or(CANCEL, |target| target.pool.cancel_timeout);
    let places = targets.into_iter().map(|target| Place {
        computer: target.computer,
        way: Way::New(Box::new(target.config), Box::new(target.pool)),
    });
    let order = Order {
        what: What::Script(script),
        manner: Manner { is_shown: sink.is_text(), host_info: context.host.info(), cancel_timeout },
        shows_computer: !bound.is_set("HideComputerName"),
        throttle: throttle(bound),
    };
    listen(bound, context, sink, order, places.collect(), input)
}

/// What there is not, and what does not go together.
fn check(bound: &Bound) -> Result<(), CommandError> {
    if bound.set == "InProcess" {
        return Err(CommandError::usage(
            "without a computer or a session the command would run here, where no PowerShell is",
        )
        .hint("say where: -ComputerName server01, -Session, or -ConnectionUri http://server01:5985/wsman"));
    }
    if bound.is_set("RemoteDebug") {
        return Err(CommandError::usage("-RemoteDebug: debugging is not in this version"));
    }
    Ok(())
}

/// `-ThrottleLimit`.
pub(super) fn throttle(bound: &Bound) -> usize {
    let given = bound.integer("ThrottleLimit").and_then(|limit| usize::try_from(limit).ok());
    given.filter(|limit| *limit > 0).unwrap_or(THROTTLE)
}
