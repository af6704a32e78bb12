//! CredSSP ([MS-CSSP]): a TLS session inside the login, a login inside that session, and the client's password at its end.
//!
//! ```text
//!  client                                                                                     service
//!    │  TLS handshake, flight by flight (the certificate need not be known)                      │
//!    │ ───────────────────────────────────────────────────────────────────────────────────────► │
//!    │  TSRequest { negoTokens }  ◄── SPNEGO with its mechanisms ──►  TSRequest { negoTokens }   │
//!    │  TSRequest { pubKeyAuth = Wrap(the key that TLS showed me) }  ──────────────────────────► │
//!    │  ◄──────────────────────────  TSRequest { pubKeyAuth = Wrap(the same, the other way) }    │
//!    │  TSRequest { authInfo = Wrap(TSCredentials) }  ─────────────────────────────────────────► │
//!    │  messages of the connection, as records of the TLS session  ◄───────────────────────────► │
//! ```
//!
//! The password leaves the client only when the service has proven, with the key of the inner login, that it holds the key
//! of the TLS session: nobody is between the two. The TLS session itself is somebody else's: [`Channel`] says what is
//! needed of it. Kerberos or NTLM inside is a matter of the list of mechanisms that [`Initiator`] and [`Acceptor`] are given.

mod acceptor;
mod binding;
mod channel;
mod credentials;
mod initiator;
mod request;
mod sealer;
mod status;

pub use acceptor::{Acceptor, AcceptorOptions};
pub use channel::{Channel, ChannelError};
pub use credentials::TsCredentials;
pub use initiator::{Initiator, InitiatorOptions};
pub use request::TsRequest;
pub use sealer::ChannelSealer;
pub use status::NtStatus;

/// The oldest version that exists, and is spoken where both sides allow it.
pub const OLDEST_VERSION: u32 = 2;
/// The newest version, which is ours.
pub const NEWEST_VERSION: u32 = 6;
/// From this version on the proof of the key is bound to its direction and to a nonce (CVE-2018-0886): what both roles ask
/// for unless told otherwise.
pub const SAFE_VERSION: u32 = 5;

/// What to call the login, with the mechanism inside it.
fn mechanism_name(inner: &str) -> &'static str {
    match inner {
        "Kerberos" => "CredSSP/Kerberos",
        "NTLM" => "CredSSP/NTLM",
        _ => "CredSSP",
    }
}
