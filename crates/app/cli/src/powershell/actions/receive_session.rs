//! `Receive-PSSession`: collects what commands told in a session that was left, until they end.

use uuid::Uuid;

use super::super::binder::Bound;
use super::super::remote::follow::Manner;
use super::super::remote::listen::listen;
use super::super::remote::run::{Order, Place, Way, What};
use super::super::sessions::{Open, attach, chosen_one, close};
use super::super::show::Sink;
use super::confirm;
use super::sessions::{names_hosts, on_hosts};
use crate::command_error::CommandError;
use crate::powershell::context::Context;

pub(super) fn run(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    if bound.value("JobName").is_some() {
        return Err(CommandError::usage("-JobName: a session keeps the name that it has"));
    }
    let id = meant(bound, context)?;
    let (_, name) = context.sessions.names(id);
    if !confirm::is_to_do(bound, context, "Receive", &name)? {
        return Ok(());
    }
    if bound.text("OutTarget") == Some("Job") {
        // It runs on by itself, and is its own job.
        return sink.put(context.sessions.object(id));
    }
    for (_, attached) in attach(context, &[id], 1, true)? {
        let open = attached?;
        let pipelines = context.waiter.wait(pipelines(&open))?;
        let order = Order {
            what: What::Left(pipelines),
            manner: Manner {
                is_shown: sink.is_text(),
                host_info: context.host.info(),
                is_taken_up: true,
            },
            shows_computer: true,
            throttle: 1,
        };
        let place = Place { computer: open.computer, way: Way::Kept(open.pool) };
        for session in listen(bound, context, sink, order, vec![place], None)? {
            close(context, session)?;
        }
    }
    Ok(())
}

/// The only session that is meant.
fn meant(bound: &Bound, context: &mut Context) -> Result<Uuid, CommandError> {
    if !names_hosts(bound) {
        let missing = || CommandError::usage("no session was named");
        return chosen_one(bound, context)?.ok_or_else(missing);
    }
    let found = on_hosts(bound, context)?;
    let name = bound.text("Name").or_else(|| bound.text("InstanceId")).unwrap_or_default();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(CommandError::usage(format!(
            "The remote session with the name {name} is not available."
        ))),
        _ => Err(CommandError::usage(format!("Multiple matches found for name {name}."))
            .hint("take the InstanceId, which Get-PSSession -ComputerName shows")),
    }
}

/// The commands of a session that was left.
async fn pipelines(open: &Open) -> Result<Vec<Uuid>, CommandError> {
    let pools = open.client.pools().await?;
    match pools.iter().find(|pool| pool.id() == open.instance_id) {
        Some(pool) => Ok(open.client.pipelines(pool).await?),
        None => Ok(Vec::new()),
    }
}
