//! What all connections of one client or listener have in common: versions, suites, the own certificate.

use std::fmt;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslVerifyMode, SslVersion, select_next_proto,
};
use openssl::x509::X509;
use rustls::pki_types::ServerName;

use super::judge::{Judge, Watch, watch_index};
use super::sys;
use crate::tls::error::{TlsError, TrustError};
use crate::tls::identity::{Identity, IdentityError};
use crate::tls::level::Level;
use crate::tls::trust::Validator;

/// Forward secrecy and authenticated encryption: what rustls offers for TLS 1.2, in its order.
const MODERN: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:\
                      ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305";
/// What Windows Server 2012 and its contemporaries have: AES with CBC, and keys sent under the certificate's RSA key.
const OLD: &str = ":ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:\
                   ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:\
                   DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:\
                   DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA:AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:\
                   AES256-SHA:AES128-SHA";
const TLS13: &str = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
/// No post-quantum groups: their first message is so long that old hosts stumble over it.
const GROUPS: &str = "X25519:P-256:P-384";
/// The protocol behind TLS, as ALPN writes it: its length, then its name.
const ALPN: &[u8] = b"\x08http/1.1";
/// `SSL_OP_LEGACY_SERVER_CONNECT`: hosts without secure renegotiation would be spoken to.
const LEGACY_SERVER_CONNECT: SslOptions = SslOptions::from_bits_retain(4);
/// OpenSSL's level for 112 bits of security: no SHA-1 signatures, RSA and DH from 2,048 bits.
const STRICT: u32 = 2;
/// OpenSSL's level where TLS 1.0 and 1.1 work at all.
const LENIENT: u32 = 0;
/// Bytes of the message with the peer's certificates.
const MAX_CERTIFICATES: i64 = 64 * 1024;
/// What a session is bound to; there are no sessions, but OpenSSL wants it where clients show certificates.
const SESSION_CONTEXT: &[u8] = b"transom";

/// The connections of one client.
#[derive(Clone)]
pub(in crate::tls) struct ClientContext {
    context: SslContext,
    validator: Arc<Validator>,
    level: Level,
}

/// The connections of one listener.
#[derive(Clone)]
pub(in crate::tls) struct ServerContext {
    context: SslContext,
}

impl ClientContext {
    /// Connections of this level, which show this identity when the host asks for one.
    pub(in crate::tls) fn new(
        validator: Validator,
        level: Level,
        identity: Option<&Identity>,
    ) -> Result<Self, TrustError> {
        let setup = |error: ErrorStack| TrustError::Setup(problem(&error));
        let build = || {
            let mut context = base(level, SslMethod::tls_client())?;
            context.set_verify(SslVerifyMode::PEER);
            context.set_alpn_protos(ALPN)?;
            sys::judge_chains(&mut context);
            sys::watch_messages(&mut context);
            if let Some(identity) = identity {
                show(&mut context, identity)?;
                sys::offer_late_certificate(&mut context);
            }
            Ok(context.build())
        };
        let context = build().map_err(setup)?;
        Ok(Self { context, validator: Arc::new(validator), level })
    }

    pub(in crate::tls) const fn level(&self) -> Level {
        self.level
    }

    /// One connection to `host`, before its handshake.
    pub(super) fn connection(
        &self,
        host: &ServerName<'static>,
    ) -> Result<(Ssl, Arc<Watch>), TlsError> {
        let judge = Judge::Host { validator: Arc::clone(&self.validator), host: host.clone() };
        let (mut ssl, watch) = connection(&self.context, judge)?;
        // Addresses are not sent, RFC 6066 3.
        if let ServerName::DnsName(name) = host {
            ssl.set_hostname(name.as_ref()).map_err(|error| setup(&error))?;
        }
        Ok((ssl, watch))
    }
}

impl ServerContext {
    /// Connections that show this identity, and ask for one when they are told to.
    pub(in crate::tls) fn new(
        identity: &Identity,
        disable_tls13: bool,
    ) -> Result<Self, IdentityError> {
        let build = || {
            let mut context = base(Level::Modern, SslMethod::tls_server())?;
            if disable_tls13 {
                context.set_max_proto_version(Some(SslVersion::TLS1_2))?;
            }
            context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
            context.set_session_id_context(SESSION_CONTEXT)?;
            context.set_alpn_select_callback(|_, offered| {
                select_next_proto(ALPN, offered).ok_or(AlpnError::ALERT_FATAL)
            });
            sys::judge_chains(&mut context);
            sys::watch_messages(&mut context);
            show(&mut context, identity)?;
            Ok(context.build())
        };
        let context = build().map_err(|error: ErrorStack| IdentityError::Key(problem(&error)))?;
        Ok(Self { context })
    }

    /// One connection, before its handshake.
    pub(super) fn connection(&self) -> Result<(Ssl, Arc<Watch>), TlsError> {
        connection(&self.context, Judge::Client)
    }
}

impl fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientContext").field("level", &self.level).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext").finish_non_exhaustive()
    }
}

fn connection(context: &SslContext, judge: Judge) -> Result<(Ssl, Arc<Watch>), TlsError> {
    let mut ssl = Ssl::new(context).map_err(|error| setup(&error))?;
    let watch = Arc::new(Watch::new(judge));
    let index = watch_index().ok_or_else(|| setup(&ErrorStack::get()))?;
    ssl.set_ex_data(index, Arc::clone(&watch));
    Ok((ssl, watch))
}

/// What both roles have in common. Options are set one by one: OpenSSL's defaults change with its versions.
pub(in crate::tls) fn base(
    level: Level,
    method: SslMethod,
) -> Result<SslContextBuilder, ErrorStack> {
    super::prepare();
    let mut context = SslContextBuilder::new(method)?;
    let (oldest, security) = match level {
        Level::Modern | Level::Compat => (SslVersion::TLS1_2, STRICT),
        Level::Legacy => (SslVersion::TLS1, LENIENT),
    };
    context.set_security_level(security);
    context.set_min_proto_version(Some(oldest))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    match level {
        Level::Modern => context.set_cipher_list(MODERN)?,
        Level::Compat | Level::Legacy => context.set_cipher_list(&[MODERN, OLD].concat())?,
    }
    context.set_ciphersuites(TLS13)?;
    context.set_groups_list(GROUPS)?;
    context.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
    context.clear_options(LEGACY_SERVER_CONNECT | SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_num_tickets(0)?;
    context.set_mode(
        SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    context.set_read_ahead(true);
    sys::limit_certificates(&mut context, MAX_CERTIFICATES);
    Ok(context)
}

/// Shows this identity to the peer.
fn show(context: &mut SslContextBuilder, identity: &Identity) -> Result<(), ErrorStack> {
    let mut chain = identity.chain().iter();
    if let Some(own) = chain.next() {
        context.set_certificate(&*X509::from_der(own)?)?;
    }
    for other in chain {
        context.add_extra_chain_cert(X509::from_der(other)?)?;
    }
    context.set_private_key(&*PKey::private_key_from_der(identity.key().secret_der())?)?;
    context.check_private_key()
}

fn setup(error: &ErrorStack) -> TlsError {
    TlsError::Trust(TrustError::Setup(problem(error)))
}

/// OpenSSL's words, which never hold anything of the peer's.
pub(in crate::tls) fn problem(stack: &ErrorStack) -> String {
    let last = stack.errors().last();
    last.and_then(openssl::error::Error::reason).unwrap_or("OpenSSL says no more").to_owned()
}
