//! May the caller do this? Asked for every operation, before anything of it is done.

use session::access::{Asker, Denied, Operation, Rules, Target, decide_grant};
use wsman::fault::{ErrorCode, Fault};

use super::{Caller, Refusal};
use crate::service::Core;
use crate::settings::Settings;
use crate::shells::faults;

impl Core {
    /// Asks whether the caller may.
    pub(super) fn access(
        &self,
        caller: Caller<'_>,
        operation: Operation,
        target: Target<'_>,
    ) -> Result<(), Refusal> {
        let target = self.named(target);
        let settings = self.settings();
        let (rules, asker) = (rules(&settings), caller.asker());
        let granted = caller.grant.map_or(Ok(()), |grant| decide_grant(grant, operation, target));
        granted.and_then(|()| rules.decide(asker, operation, target)).map_err(|denied| {
            let fault = match denied {
                Denied::NotOwner => faults::no_such_shell(),
                Denied::NotAllowed | _ => {
                    Fault::new(ErrorCode::ACCESS_DENIED, "Access is denied. ").into()
                }
            };
            Refusal { fault, denied: Some(denied) }
        })
    }

    /// Whether the caller sees the shells of others, and ends them.
    pub(super) fn manages_shells(&self, caller: Caller<'_>) -> bool {
        rules(&self.settings()).manages_shells(caller.asker())
    }

    /// What is no kind of shell is a resource, whether it exists or not.
    fn named<'a>(&self, target: Target<'a>) -> Target<'a> {
        if let Target::ShellKind(uri) = target
            && self.plugin(uri).is_none()
            && self.session_plugin(uri).is_none()
        {
            return Target::Resource(uri);
        }
        target
    }
}

impl<'a> Caller<'a> {
    fn asker(self) -> Asker<'a> {
        Asker { account: self.account, origin: self.origin }
    }
}

fn rules(settings: &Settings) -> Rules<'_> {
    let root = settings.service.root_sddl.descriptor();
    Rules { root, secured: settings.plugins.secured() }
}
