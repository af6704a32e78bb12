//! The key of a pool, and what is encrypted with it.

use psrp::clixml::SecureString;
use psrp::session_key::{KeyPair, Plain};

use super::{Actor, Reply};
use crate::entropy::SystemEntropy;
use crate::error::{Error, PoolError};

impl Actor {
    /// Encrypts a text, after an exchange of keys where there was none.
    pub(super) fn encrypt(&mut self, text: Plain, reply: Reply<SecureString>) {
        if !self.machine.needs_keys() {
            let encrypted = self.machine.encrypt(&text);
            drop(reply.send(encrypted.map_err(|error| self.error(&error, "Send"))));
            return;
        }
        if !self.is_exchanging
            && let Err(error) = self.exchange_keys()
        {
            drop(reply.send(Err(error)));
            return;
        }
        self.encrypting.push((text, reply));
    }

    /// Asks for the pool's key.
    pub(super) fn exchange_keys(&mut self) -> Result<(), Error> {
        let failed = |problem: String| self.calls.named_error(PoolError::Failed(problem), "Send");
        let keys = KeyPair::new(&mut SystemEntropy).map_err(|error| failed(error.to_string()))?;
        let exchanged = self.machine.exchange_keys(keys);
        self.is_exchanging |= exchanged.is_ok();
        exchanged.map_err(|error| self.error(&error, "Send"))
    }
}
