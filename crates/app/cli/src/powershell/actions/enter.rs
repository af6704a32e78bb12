//! `Enter-PSSession`: finds or opens the session that somebody is in from the end of the line on.

use client::pool::PoolState;

use crate::command_error::CommandError;
use crate::powershell::binder::Bound;
use crate::powershell::context::Context;
use crate::powershell::interactive::{self, Entered};
use crate::powershell::sessions::{self, Opening, target};

pub(super) fn run(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    if context.entered.is_some() {
        return Err(CommandError::usage("a session was entered on this line already"));
    }
    let entered = match sessions::chosen_one(bound, context)? {
        Some(id) => {
            let attached = sessions::attach(context, &[id], 1, true)?.pop();
            let (_, open) = attached.ok_or_else(|| CommandError::failed("no session was named"))?;
            let open = open?;
            Entered { computer: open.computer, pool: open.pool, is_temporary: false }
        }
        None => {
            let mut targets = target::targets(bound, context)?;
            for target in &mut targets {
                target.pool.host_info = context.host.info();
            }
            let mut opening = Opening::begin(targets, 1, false)?;
            let opened = opening.next(context)?;
            let open =
                opened.unwrap_or_else(|| Err(CommandError::usage("no computer was named")))?;
            Entered { computer: open.computer, pool: open.pool, is_temporary: true }
        }
    };
    let fit = interactive::enter(context, &entered);
    if fit.is_err() && entered.is_temporary && entered.pool.state() == PoolState::Open {
        let pool = std::sync::Arc::clone(&entered.pool);
        context.waiter.finish(async move {
            // The error that is told says more.
            let _closed = pool.close().await;
        });
    }
    fit?;
    context.entered = Some(entered);
    Ok(())
}
