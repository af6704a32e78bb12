//! The cmdlets that make, find, leave, take up and end sessions.

use client::{BufferMode, Leave, ListedPool};
use std::time::Duration;
use uuid::Uuid;

use super::super::binder::Bound;
use super::super::sessions::options::checked_idle_timeout;
use super::super::sessions::target::{self, Target, targets};
use super::super::sessions::throttled::{Throttled, limit};
use super::super::sessions::{Opening, again, attach, chosen, close, leave};
use super::super::show::Sink;
use super::super::value::Value;
use super::confirm;
use crate::command_error::CommandError;
use crate::powershell::context::Context;

/// What names sessions that are known here.
const BY: [&str; 4] = ["Session", "Id", "InstanceId", "Name"];

/// `New-PSSession`.
///
/// # Errors
/// A parameter that cannot be, or a signal; what one computer of several says is told.
pub(super) fn new(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let mut places = Vec::new();
    if bound.value("Session").is_some() {
        for id in found(bound, context, &["Session"])? {
            places.push(again(context, id)?);
        }
    } else {
        places = targets(bound, context)?;
    }
    let names = bound.value("Name").map(each).unwrap_or_default();
    for (place, name) in places.iter_mut().zip(names) {
        place.pool.name = Some(name.text());
    }
    let mut opening = Opening::begin(places, limit(bound), true)?;
    let opened = opened(bound, context, sink, &mut opening);
    opening.give_up(context);
    opened
}

/// Shows sessions as they open.
fn opened(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    opening: &mut Opening,
) -> Result<(), CommandError> {
    while let Some(opened) = opening.next(context)? {
        match opened {
            Err(error) => context.report(bound, error)?,
            Ok(open) => {
                let id = open.instance_id;
                drop(open);
                show(bound, context, sink, id)?;
            }
        }
    }
    Ok(())
}

/// Shows a session that this program holds.
fn show(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    id: Uuid,
) -> Result<(), CommandError> {
    if context.is_alone {
        // What is printed is true: the next program can have it.
        for (_, left) in leave(context, &[id], 1, Leave::default())? {
            left.or_else(|error| context.report(bound, error))?;
        }
    }
    sink.put(context.sessions.object(id))
}

/// `Get-PSSession`.
///
/// # Errors
/// A parameter that cannot be, or a signal; what one computer of several says is told.
pub(super) fn get(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let is_remote = names_hosts(bound);
    let ids = if is_remote {
        on_hosts(bound, context)?
    } else if ["Name", "InstanceId", "Id"].iter().any(|name| bound.value(name).is_some()) {
        // Each in its place: what is there is shown, what is not is told.
        for one in chosen(bound, context, &BY)? {
            match one {
                Ok(id) => sink.put(context.sessions.object(id))?,
                Err(error) => context.report(bound, error)?,
            }
        }
        return Ok(());
    } else {
        context.sessions.all()?
    };
    ids.into_iter().try_for_each(|id| sink.put(context.sessions.object(id)))
}

/// `Remove-PSSession`.
///
/// # Errors
/// A signal; what one session of several says is told.
pub(super) fn remove(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    for id in found(bound, context, &[BY.as_slice(), &["ComputerName"]].concat())? {
        let (computer, _) = context.sessions.names(id);
        if confirm::is_to_do(bound, context, "Remove", &computer)?
            && let Err(error) = close(context, id)
        {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

/// `Disconnect-PSSession`.
///
/// # Errors
/// A parameter that cannot be, or a signal; what one session of several says is told.
pub(super) fn disconnect(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let idle = bound.integer("IdleTimeoutSec").map(|time| Duration::from_secs(time.unsigned_abs()));
    let how = Leave {
        buffer_mode: bound.text("OutputBufferingMode").and_then(BufferMode::from_name),
        idle_timeout: idle.map(checked_idle_timeout).transpose()?,
    };
    let changes = how != Leave::default();
    let mut ids = Vec::new();
    for id in found(bound, context, &BY)? {
        let (_, name) = context.sessions.names(id);
        let state = context.sessions.state(id);
        let is_left = state == "Disconnected";
        if !is_left && state != "Opened" {
            let message = format!(
                "The disconnect operation cannot be performed on session {name}, because the session state is {state}, not Opened."
            );
            context.report(bound, CommandError::failed(message))?;
        } else if !confirm::is_to_do(bound, context, "Disconnect", &name)? {
        } else if is_left && !changes {
            sink.put(context.sessions.object(id))?;
        } else {
            ids.push(id);
        }
    }
    let mut open = Vec::new();
    for (id, attached) in attach(context, &ids, limit(bound), true)? {
        match attached {
            Ok(_) => open.push(id),
            Err(error) => context.report(bound, error)?,
        }
    }
    for (id, left) in leave(context, &open, limit(bound), how)? {
        match left {
            Ok(()) => sink.put(context.sessions.object(id))?,
            Err(error) => context.report(bound, error)?,
        }
    }
    Ok(())
}

/// `Connect-PSSession`.
///
/// # Errors
/// A parameter that cannot be, or a signal; what one session of several says is told.
pub(super) fn connect(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let is_remote = names_hosts(bound);
    let meant = if is_remote {
        let mut ids = on_hosts(bound, context)?;
        // Those that others have are theirs.
        ids.retain(|id| !context.sessions.is_elsewhere(*id));
        ids
    } else {
        found(bound, context, &BY)?
    };
    let mut ids = Vec::new();
    for id in meant {
        let (_, name) = context.sessions.names(id);
        if confirm::is_to_do(bound, context, "Connect", &name)? {
            ids.push(id);
        }
    }
    for (id, attached) in attach(context, &ids, limit(bound), true)? {
        match attached {
            Err(error) => context.report(bound, error)?,
            Ok(open) => {
                drop(open);
                show(bound, context, sink, id)?;
            }
        }
    }
    Ok(())
}

/// Whether sessions are meant as their hosts know them.
pub(super) fn names_hosts(bound: &Bound) -> bool {
    ["ComputerName", "ConnectionUri"].iter().any(|name| bound.value(name).is_some())
}

/// The sessions that a cmdlet means; what means none is told.
pub(super) fn found(
    bound: &Bound,
    context: &mut Context,
    parameters: &[&str],
) -> Result<Vec<Uuid>, CommandError> {
    let mut ids = Vec::new();
    for one in chosen(bound, context, parameters)? {
        match one {
            Ok(id) => ids.push(id),
            Err(error) => context.report(bound, error)?,
        }
    }
    Ok(ids)
}

pub(super) fn each(value: &Value) -> Vec<&Value> {
    if let Value::List(values) = value { values.iter().collect() } else { vec![value] }
}

/// The sessions on the computers of the connection parameters that the others choose.
pub(super) fn on_hosts(bound: &Bound, context: &mut Context) -> Result<Vec<Uuid>, CommandError> {
    type Listed = (Target, Result<Vec<ListedPool>, client::Error>);
    let places = targets(bound, context)?;
    context.sessions.all()?;
    let mut work: Throttled<Result<Listed, CommandError>> = Throttled::new(limit(bound));
    for place in places {
        work.push(async move {
            let mut place = place;
            let client = place.client()?;
            let listed = client.pools().await;
            place.redirected(&client);
            Ok((place, listed))
        });
    }
    let configuration = bound
        .text("ConfigurationName")
        .map(|name| name.rsplit('/').next().unwrap_or(name).to_lowercase());
    let wanted: Vec<String> = bound
        .value("InstanceId")
        .map(each)
        .unwrap_or_default()
        .into_iter()
        .map(Value::text)
        .collect();
    let mut ids = Vec::new();
    while let Some(done) = work.next(&mut context.waiter)? {
        let told = done.and_then(|(place, listed)| match listed {
            Ok(listed) => Ok((place, listed)),
            Err(error) => Err(target::at(&place.computer, error)),
        });
        let (place, listed) = match told {
            Ok(told) => told,
            Err(error) => {
                context.report(bound, error)?;
                continue;
            }
        };
        context.sessions.learn(&place, &listed)?;
        for pool in &listed {
            let is_meant = configuration
                .as_ref()
                .is_none_or(|name| pool.configuration().to_lowercase() == *name)
                && (wanted.is_empty() || wanted.contains(&pool.id().to_string()))
                && bound
                    .value("Name")
                    .is_none_or(|names| context.sessions.is_named(pool.id(), names));
            if is_meant {
                ids.push(pool.id());
            }
        }
    }
    for missing in wanted.iter().filter(|id| !ids.iter().any(|found| found.to_string() == **id)) {
        let message = format!("Remote session is not available for {missing}.");
        context.report(bound, CommandError::usage(message))?;
    }
    let state = bound.text("State").filter(|state| *state != "All");
    ids.retain(|id| state.is_none_or(|state| context.sessions.state(*id) == state));
    Ok(ids)
}
