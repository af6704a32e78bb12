//! What is kept beside each connection for OpenSSL's calls: who judges the chain, and what the peer asked for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use openssl::ex_data::Index;
use openssl::ssl::Ssl;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::tls::certificate::MAX_CHAIN;
use crate::tls::error::CertificateError;
use crate::tls::trust::Validator;

/// Types of handshake messages, RFC 8446 4 and RFC 5246 7.4.
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const CERTIFICATE_REQUEST: u8 = 13;
const FINISHED: u8 = 20;

/// Who looks at a chain.
#[derive(Debug)]
pub(super) enum Judge {
    /// A client's: the validator decides.
    Host { validator: Arc<Validator>, host: ServerName<'static> },
    /// A service's: the chain is kept, and somebody else decides.
    Client,
}

/// One connection as OpenSSL's calls see it.
#[derive(Debug)]
pub(super) struct Watch {
    judge: Judge,
    /// The chain of the last handshake that showed one.
    chain: Mutex<Option<Vec<CertificateDer<'static>>>>,
    verdict: Mutex<Option<CertificateError>>,
    /// Messages by which the peer wants a handshake or a certificate.
    wishes: AtomicU32,
    finished: AtomicU32,
}

impl Watch {
    pub(super) const fn new(judge: Judge) -> Self {
        Self {
            judge,
            chain: Mutex::new(None),
            verdict: Mutex::new(None),
            wishes: AtomicU32::new(0),
            finished: AtomicU32::new(0),
        }
    }

    /// A chain in a handshake, the own certificate first; false ends the connection.
    pub(super) fn handle_chain(&self, chain: Vec<CertificateDer<'static>>) -> bool {
        let judged = self.judge(&chain);
        if let Err(error) = judged {
            *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return false;
        }
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        true
    }

    fn judge(&self, chain: &[CertificateDer<'static>]) -> Result<(), CertificateError> {
        if chain.len() > MAX_CHAIN {
            return Err(CertificateError::TooMany);
        }
        let Judge::Host { validator, host } = &self.judge else { return Ok(()) };
        let before = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        // The login is bound to the certificate that was there first.
        if let Some(before) = &*before
            && before.first() != chain.first()
        {
            return Err(CertificateError::Changed);
        }
        drop(before);
        validator.validate(chain, host, UnixTime::now())
    }

    /// A message of a handshake from the peer, by its type.
    pub(super) fn handle_message(&self, kind: u8) {
        match kind {
            HELLO_REQUEST | CLIENT_HELLO | CERTIFICATE_REQUEST => {
                self.wishes.fetch_add(1, Ordering::Relaxed);
            }
            FINISHED => {
                self.finished.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// How often the peer wanted a handshake or a certificate so far.
    pub(super) fn wishes(&self) -> u32 {
        self.wishes.load(Ordering::Relaxed)
    }

    /// How often the peer ended its part of a handshake so far.
    pub(super) fn finished(&self) -> u32 {
        self.finished.load(Ordering::Relaxed)
    }

    /// The last chain.
    pub(super) fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a chain was refused.
    pub(super) fn verdict(&self) -> Option<CertificateError> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where OpenSSL keeps the watch of a connection; `None` when it has no memory left.
pub(super) fn watch_index() -> Option<Index<Ssl, Arc<Watch>>> {
    static INDEX: OnceLock<Option<Index<Ssl, Arc<Watch>>>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::trust::Trust;

    #[test]
    fn another_certificate_in_a_second_handshake_is_refused() {
        let made = |name: &str| {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            made.cert.der().clone()
        };
        let (first, second) = (made("h"), made("h"));
        let trust = Trust { skip_ca_check: true, ..Trust::default() };
        let validator = Arc::new(Validator::new(&trust).unwrap());
        let host = ServerName::try_from("h").unwrap();
        let watch = Watch::new(Judge::Host { validator, host });
        assert!(watch.handle_chain(vec![first.clone()]));
        assert!(watch.handle_chain(vec![first.clone(), second.clone()]));
        assert!(!watch.handle_chain(vec![second]));
        assert_eq!(watch.verdict(), Some(CertificateError::Changed));
        assert_eq!(watch.chain().unwrap().first(), Some(&first));
    }

    #[test]
    fn long_chains_of_clients_are_refused_and_short_ones_kept_unjudged() {
        let watch = Watch::new(Judge::Client);
        let chain = |length| vec![CertificateDer::from(vec![0x30, 0]); length];
        assert!(!watch.handle_chain(chain(MAX_CHAIN + 1)));
        assert_eq!(watch.verdict(), Some(CertificateError::TooMany));
        assert!(watch.handle_chain(chain(MAX_CHAIN)));
        assert_eq!(watch.chain().map(|chain| chain.len()), Some(MAX_CHAIN));
    }
}
