//! Coming back to a pool that was left; and what nobody needs any more: finished pipelines, a pool without a handle.

use std::time::Duration;

use session::client::pool::Leave;

use super::{Actor, Reply, call};
use crate::calls::Patience;
use crate::entropy;
use crate::error::PoolError;

impl Actor {
    pub(super) fn reconnect(&mut self, reply: Reply<()>) {
        if let Some(returning) = &mut self.returning {
            let busy = PoolError::Failed("the pool is being taken up already".to_owned());
            match returning {
                Some(_) => {
                    drop(reply.send(Err(self.calls.named_error(busy, "Reconnect"))));
                }
                None => *returning = Some(reply),
            }
            return;
        }
        self.returns.pause = Duration::ZERO;
        let reconnected = self.machine.reconnect();
        self.returning = self.checked(reconnected, reply, "Reconnect").map(Some);
    }

    /// Tells the host of finished pipelines, in an idle moment.
    pub(super) fn tell_ended(&mut self) {
        let (operation_timeout, wait) = self.calls.config().settings.timing.split(None);
        if let Ok(Some(request)) = self.machine.poll_ended(entropy::uuid(), operation_timeout) {
            self.fly(request, wait, None, Duration::ZERO);
        }
    }

    /// Closes a shell that nobody holds any more; one that was left stays, and one that was not quite taken over.
    pub(super) async fn leave(&mut self) {
        // What an answer that is under way makes of the pool, or finds.
        while !self.is_over && (self.machine.is_changing() || self.closing.is_some()) {
            let Some(Ok(landed)) = self.flying.join_next().await else { break };
            self.land(landed);
            if self.closing.is_some() && self.send().is_err() {
                break;
            }
        }
        // What else is on its way has no reader any more.
        self.flying.shutdown().await;
        let is_left = self.is_cut || self.machine.is_disconnected();
        if !self.machine.has_shell() || is_left {
            return;
        }
        let asked = if self.is_borrowed {
            self.machine.disconnect(Leave::default())
        } else {
            self.machine.close()
        };
        if asked.is_err() {
            return;
        }
        let (operation_timeout, wait) = self.calls.config().settings.timing.split(None);
        if let Ok(Some(request)) = self.machine.poll_request(entropy::uuid(), operation_timeout)
            && let Err(error) = call(&self.calls, &request, wait, Patience::BRIEF).await
        {
            tracing::debug!(%error, "Pool left behind");
        }
    }
}
