//! A service asks for the client's certificate in the middle of a connection.
//!
//! ```text
//!  Never ──request──► Asked ──answer──► Known(chain or none)
//!                       └──refused, too late──► the connection is over
//! ```
//!
//! TLS 1.2: a HelloRequest, and the whole handshake again. TLS 1.3: a CertificateRequest, to clients that have offered to
//! answer one (RFC 8446 4.6.2). Once per connection.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use openssl::ssl::SslVersion;
use rustls::pki_types::CertificateDer;
use tokio::io::Interest;
use tokio::time::timeout;

use super::judge::Watch;
use super::stream::{Shared, State, Step};
use super::sys;
use crate::tls::error::TlsError;

type Chain = Option<Vec<CertificateDer<'static>>>;

/// How far the question is.
#[derive(Debug, Default)]
pub(super) enum Asking {
    #[default]
    Never,
    /// The client's part of a handshake was over so often when it was asked.
    Asked {
        finished: u32,
    },
    Known(Chain),
}

/// The handle of a service on the certificate of one client. It does not keep the connection open.
#[derive(Clone)]
pub(in crate::tls) struct Late(Weak<Shared>);

impl Late {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// What the client has shown so far.
    pub(in crate::tls) fn chain(&self) -> Chain {
        let shared = self.0.upgrade()?;
        match &shared.lock().asking {
            Asking::Known(chain) => chain.clone(),
            Asking::Never | Asking::Asked { .. } => None,
        }
    }

    /// Asks for the certificate, once, and waits for the answer.
    pub(in crate::tls) async fn request(&self, limit: Duration) -> Result<Chain, TlsError> {
        let gone = || TlsError::Lost(ErrorKind::NotConnected.into());
        let shared = self.0.upgrade().ok_or_else(gone)?;
        let _turn = shared.turn.lock().await;
        let answered = timeout(limit, answer(&shared)).await;
        let result = answered.unwrap_or(Err(TlsError::Timeout(limit)));
        if !matches!(result, Ok(_) | Err(TlsError::NoLateCertificate)) {
            shared.lock().break_off();
        }
        result
    }
}

async fn answer(shared: &Shared) -> Result<Chain, TlsError> {
    shared.lock().ask(&shared.watch)?;
    loop {
        // Armed before the look: what happens in between is not missed.
        let moved = shared.moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        let is_sent = {
            let mut state = shared.lock();
            if let Some(chain) = state.answer(&shared.watch)? {
                return Ok(chain);
            }
            state.send().map_err(TlsError::Lost)?
        };
        let interest =
            if is_sent { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        tokio::select! {
            ready = shared.socket.ready(interest) => drop(ready.map_err(TlsError::Lost)?),
            () = moved => {}
        }
    }
}

impl State {
    /// Sends the question, if nobody has.
    fn ask(&mut self, watch: &Watch) -> Result<(), TlsError> {
        if !matches!(self.asking, Asking::Never) {
            return Ok(());
        }
        let is_new = self.ssl.ssl().version2() == Some(SslVersion::TLS1_3);
        let ssl = &mut self.ssl;
        let can = if is_new { sys::request_certificate(ssl) } else { sys::renegotiate(ssl) };
        if !can {
            self.asking = Asking::Known(None);
            return Err(TlsError::NoLateCertificate);
        }
        // The answer to our own question is no wish of the client's.
        self.allowed_wishes = watch.wishes() + u32::from(!is_new);
        self.asking = Asking::Asked { finished: watch.finished() };
        let result = self.ssl.do_handshake();
        match self.step(result, watch).map_err(TlsError::of_handshake)? {
            Step::Done(()) | Step::Read => Ok(()),
            Step::End => Err(TlsError::Lost(ErrorKind::UnexpectedEof.into())),
        }
    }

    /// The answer, if it is there by now.
    fn answer(&mut self, watch: &Watch) -> Result<Option<Chain>, TlsError> {
        let finished = match &self.asking {
            Asking::Known(chain) => return Ok(Some(chain.clone())),
            Asking::Asked { finished } => *finished,
            Asking::Never => return Err(TlsError::Lost(io::Error::from(ErrorKind::Other))),
        };
        self.pump(watch).map_err(TlsError::of_handshake)?;
        let ssl = self.ssl.ssl();
        let is_over =
            watch.finished() > finished && ssl.is_init_finished() && !sys::is_renegotiating(ssl);
        if !is_over {
            return Ok(None);
        }
        let chain = watch.chain();
        self.asking = Asking::Known(chain.clone());
        Ok(Some(chain))
    }
}
