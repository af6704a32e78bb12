//! `Invoke-Command`: runs a script on other computers.

use client::Leave;
use psrp::messages::HostInfo;
use uuid::Uuid;

use super::super::binder::Bound;
use super::super::remote::follow::Manner;
use super::super::remote::input::Input;
use super::super::remote::listen::listen;
use super::super::remote::run::{Order, Place, Way, What, start_and_leave};
use super::super::remote::script::Script;
use super::super::sessions::target::{Target, targets};
use super::super::sessions::throttled::limit;
use super::super::sessions::{Open, Opening, attach, close, leave};
use super::super::show::Sink;
use super::sessions::{each, found};
use crate::command_error::CommandError;
use crate::powershell::context::Context;

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
    let is_left = bound.is_set("InDisconnectedSession") || bound.is_set("AsJob");
    if bound.value("Session").is_some() {
        let open = opened(bound, context)?;
        if is_left {
            let order = order(bound, sink, script, context.host.info());
            return leave_each(bound, context, sink, &order, open, input);
        }
        let places = open
            .into_iter()
            .map(|open| Place { computer: open.computer, way: Way::Kept(open.pool) });
        let order = order(bound, sink, script, context.host.info());
        for session in listen(bound, context, sink, order, places.collect(), input)? {
            close(context, session)?;
        }
        return Ok(());
    }
    let mut targets = targets(bound, context)?;
    let order = order(bound, sink, script, context.host.info());
    if is_left {
        name(bound, &mut targets);
        let open = opened_to_stay(bound, context, targets)?;
        return leave_each(bound, context, sink, &order, open, input);
    }
    let places = targets.into_iter().map(|target| Place {
        computer: target.computer,
        way: Way::New(Box::new(target.config), Box::new(target.pool)),
    });
    // Sessions of their own end with their command, in whatever way.
    listen(bound, context, sink, order, places.collect(), input).map(drop)
}

/// What there is not, and what does not go together.
fn check(bound: &Bound) -> Result<(), CommandError> {
    let given = |name: &str| bound.value(name).is_some();
    if bound.set == "InProcess" {
        return Err(CommandError::usage(
            "without a computer or a session the command would run here, where no PowerShell is",
        )
        .hint("say where: -ComputerName server01, -Session, or -ConnectionUri http://server01:5985/wsman"));
    }
    if bound.is_set("RemoteDebug") {
        return Err(CommandError::usage("-RemoteDebug: debugging is not in this version"));
    }
    let wrong = match () {
        () if bound.is_set("AsJob") && bound.is_set("InDisconnectedSession") => {
            "-AsJob and -InDisconnectedSession mean the same: one of them is enough"
        }
        () if given("SessionName") && !bound.is_set("InDisconnectedSession") => {
            "-SessionName names the session that -InDisconnectedSession leaves, which is missing"
        }
        () if given("JobName") && !bound.is_set("AsJob") => {
            "-JobName names the session that -AsJob leaves, which is missing"
        }
        () if given("JobName") && given("Session") => {
            "-JobName: a session keeps the name that it has"
        }
        () => return Ok(()),
    };
    Err(CommandError::usage(wrong))
}

fn order(bound: &Bound, sink: &Sink<'_>, script: Script, host_info: HostInfo) -> Order {
    Order {
        what: What::Script(script),
        manner: Manner { is_shown: sink.is_text(), host_info, is_taken_up: false },
        shows_computer: !bound.is_set("HideComputerName"),
        throttle: limit(bound),
    }
}

/// The sessions of `-Session` that can be used; what cannot is told.
fn opened(bound: &Bound, context: &mut Context) -> Result<Vec<Open>, CommandError> {
    let ids = found(bound, context, &["Session"])?;
    let mut open = Vec::new();
    for (_, attached) in attach(context, &ids, limit(bound), false)? {
        match attached {
            Ok(session) => open.push(session),
            Err(error) => context.report(bound, error)?,
        }
    }
    if open.is_empty() {
        return Err(CommandError::usage(
            "No valid sessions were specified.  Ensure you provide valid sessions that are in the Opened state and are \
             available to run commands.",
        ));
    }
    Ok(open)
}

/// Names the sessions that stay.
fn name(bound: &Bound, targets: &mut [Target]) {
    let names = bound.value("SessionName").map(each).unwrap_or_default();
    for (target, name) in targets.iter_mut().zip(names) {
        target.pool.name = Some(name.text());
    }
    if let Some(name) = bound.text("JobName") {
        for target in targets {
            target.pool.name = Some(name.to_owned());
        }
    }
}

/// Opens sessions that stay; what cannot be opened is told.
fn opened_to_stay(
    bound: &Bound,
    context: &mut Context,
    targets: Vec<Target>,
) -> Result<Vec<Open>, CommandError> {
    let mut open = Vec::new();
    let mut opening = Opening::begin(targets, limit(bound), true)?;
    let opened = all_opened(bound, context, &mut opening, &mut open);
    opening.give_up(context);
    opened.map(|()| open)
}

fn all_opened(
    bound: &Bound,
    context: &mut Context,
    opening: &mut Opening,
    open: &mut Vec<Open>,
) -> Result<(), CommandError> {
    while let Some(opened) = opening.next(context)? {
        match opened {
            Ok(session) => open.push(session),
            Err(error) => context.report(bound, error)?,
        }
    }
    Ok(())
}

/// Starts the script in each session and leaves it there.
fn leave_each(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    order: &Order,
    sessions: Vec<Open>,
    input: Option<Input>,
) -> Result<(), CommandError> {
    let What::Script(script) = &order.what else { return Ok(()) };
    let mut feeds = match input {
        Some(input) => {
            let count = sessions.len();
            Some(context.waiter.wait(async move { input.feeds(count).await })?.into_iter())
        }
        None => None,
    };
    for session in sessions {
        let id = session.instance_id;
        let feed = feeds.as_mut().and_then(Iterator::next);
        let started = start_and_leave(&session.pool, script, feed, &order.manner);
        let started = context.waiter.wait(started);
        drop(session);
        let left = started.and_then(|()| stay(context, id));
        match left {
            Ok(()) => sink.put(context.sessions.object(id))?,
            Err(error) => context.report(bound, error)?,
        }
    }
    Ok(())
}

/// Leaves a session with what runs in it on its host.
fn stay(context: &mut Context, id: Uuid) -> Result<(), CommandError> {
    for (_, left) in leave(context, &[id], 1, Leave::default())? {
        left?;
    }
    context.sessions.release(id);
    Ok(())
}
