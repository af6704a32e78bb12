//! The calls of OpenSSL that the crate `openssl` has no safe face for, each behind one.
#![expect(unsafe_code, reason = "calls into OpenSSL that nobody has wrapped yet")]

use std::ffi::{c_int, c_long, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslContextBuilder, SslRef, SslStream};
use openssl::stack::StackRef;
use openssl::x509::{X509, X509StoreContext, X509StoreContextRef, X509VerifyResult};
use openssl_sys as ffi;
use rustls::pki_types::CertificateDer;

use super::judge::{Watch, watch_index};

/// `OPENSSL_INIT_NO_LOAD_CONFIG` of `openssl/crypto.h`.
const NO_LOAD_CONFIG: u64 = 0x0000_0080;
/// `SSL_CTRL_SET_MAX_CERT_LIST` of `openssl/ssl.h`.
const SET_MAX_CERT_LIST: c_int = 51;
/// `X509_V_ERR_APPLICATION_VERIFICATION` of `openssl/x509_vfy.h`.
const REFUSED: c_int = 50;
/// The record type of handshake messages, RFC 8446 5.1.
const HANDSHAKE: c_int = 22;

type Verify = unsafe extern "C" fn(*mut ffi::X509_STORE_CTX, *mut c_void) -> c_int;
type Message = unsafe extern "C" fn(
    write_p: c_int,
    version: c_int,
    content_type: c_int,
    buf: *const c_void,
    len: usize,
    ssl: *mut ffi::SSL,
    arg: *mut c_void,
);

unsafe extern "C" {
    fn SSL_CTX_set_cert_verify_callback(
        context: *mut ffi::SSL_CTX,
        verify: Option<Verify>,
        arg: *mut c_void,
    );
    fn SSL_CTX_set_msg_callback(context: *mut ffi::SSL_CTX, message: Option<Message>);
    fn X509_STORE_CTX_get0_untrusted(
        context: *const ffi::X509_STORE_CTX,
    ) -> *mut ffi::stack_st_X509;
    fn SSL_renegotiate(ssl: *mut ffi::SSL) -> c_int;
    fn SSL_renegotiate_pending(ssl: *const ffi::SSL) -> c_int;
    fn SSL_verify_client_post_handshake(ssl: *mut ffi::SSL) -> c_int;
}

/// Initialises the library without its configuration file, before anything else does it with one.
pub(super) fn init() {
    let options = NO_LOAD_CONFIG | ffi::OPENSSL_INIT_LOAD_SSL_STRINGS | ffi::OPENSSL_INIT_NO_ATEXIT;
    // SAFETY: may be called at any time and by any thread; no settings are handed over.
    let done = unsafe { ffi::OPENSSL_init_ssl(options, ptr::null()) };
    debug_assert_eq!(done, 1, "what fails here fails again with the first context, which says so");
}

/// Lets `judge` of each connection decide over chains, instead of OpenSSL's own verification.
pub(super) fn judge_chains(context: &mut SslContextBuilder) {
    // SAFETY: the context is alive, and the callback has the signature that is asked for; it needs no argument.
    unsafe { SSL_CTX_set_cert_verify_callback(context.as_ptr(), Some(verify), ptr::null_mut()) };
}

/// Lets the watch of each connection see what messages of the handshake come in.
pub(super) fn watch_messages(context: &mut SslContextBuilder) {
    // SAFETY: the context is alive, and the callback has the signature that is asked for.
    unsafe { SSL_CTX_set_msg_callback(context.as_ptr(), Some(message)) };
}

/// Offers to show a certificate after the handshake (TLS 1.3, RFC 8446 4.2.6).
pub(super) fn offer_late_certificate(context: &mut SslContextBuilder) {
    // SAFETY: the context is alive; the call sets a flag in it.
    unsafe { ffi::SSL_CTX_set_post_handshake_auth(context.as_ptr(), 1) };
}

/// Bounds the message with the certificates of the peer, in bytes.
pub(super) fn limit_certificates(context: &mut SslContextBuilder, bytes: c_long) {
    // SAFETY: the context is alive; this control takes a number and no pointer.
    unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), SET_MAX_CERT_LIST, bytes, ptr::null_mut()) };
}

/// Makes the next handshake call ask for another handshake (TLS 1.2), in which the client may show a certificate; false where
/// that is not possible.
#[expect(clippy::needless_pass_by_ref_mut, reason = "the stream is changed, which C does not tell")]
pub(super) fn renegotiate<S>(stream: &mut SslStream<S>) -> bool {
    let ssl = stream.ssl().as_ptr();
    // SAFETY: the connection is alive, and nobody else uses it: the reference to its stream is exclusive.
    unsafe {
        ffi::SSL_set_verify(ssl, ffi::SSL_VERIFY_PEER, None);
        SSL_renegotiate(ssl) == 1
    }
}

/// Whether the handshake that was asked for is not over yet.
pub(super) fn is_renegotiating(ssl: &SslRef) -> bool {
    // SAFETY: the connection is alive; the call reads a flag.
    unsafe { SSL_renegotiate_pending(ssl.as_ptr()) != 0 }
}

/// Makes the next handshake call ask for a certificate (TLS 1.3); false where the client has not offered that.
#[expect(clippy::needless_pass_by_ref_mut, reason = "the stream is changed, which C does not tell")]
pub(super) fn request_certificate<S>(stream: &mut SslStream<S>) -> bool {
    let ssl = stream.ssl().as_ptr();
    // SAFETY: the connection is alive, and nobody else uses it: the reference to its stream is exclusive.
    unsafe {
        ffi::SSL_set_verify(ssl, ffi::SSL_VERIFY_PEER, None);
        SSL_verify_client_post_handshake(ssl) == 1
    }
}

/// What OpenSSL calls instead of verifying a chain: 1 takes it, 0 refuses it and ends the handshake.
unsafe extern "C" fn verify(context: *mut ffi::X509_STORE_CTX, _arg: *mut c_void) -> c_int {
    // SAFETY: OpenSSL calls this with a context that lives for the call and that nobody else uses.
    let context = unsafe { X509StoreContextRef::from_ptr_mut(context) };
    // A panic must not reach C; it refuses.
    let taken = catch_unwind(AssertUnwindSafe(|| is_taken(context))).unwrap_or(false);
    if !taken {
        // SAFETY: the number is one of OpenSSL's own.
        context.set_error(unsafe { X509VerifyResult::from_raw(REFUSED) });
    }
    taken.into()
}

fn is_taken(context: &X509StoreContextRef) -> bool {
    let chain = presented(context);
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|index| context.ex_data(index));
    match (ssl.and_then(watch_of), chain) {
        (Some(watch), Some(chain)) => watch.handle_chain(chain),
        _ => false,
    }
}

/// The chain as the peer sent it, the own certificate first; `None` when there are none or too many.
fn presented(context: &X509StoreContextRef) -> Option<Vec<CertificateDer<'static>>> {
    // SAFETY: the context is alive; the stack that it returns belongs to it, and outlives this function.
    let stack: &StackRef<X509> = unsafe {
        let stack = X509_STORE_CTX_get0_untrusted(context.as_ptr());
        if stack.is_null() {
            return None;
        }
        StackRef::from_ptr(stack)
    };
    let der = |one: &openssl::x509::X509Ref| one.to_der().ok().map(CertificateDer::from);
    stack.iter().map(der).collect()
}

/// What OpenSSL calls for each message of the protocol, before it acts on it.
unsafe extern "C" fn message(
    write_p: c_int,
    _version: c_int,
    content_type: c_int,
    bytes: *const c_void,
    length: usize,
    ssl: *mut ffi::SSL,
    _arg: *mut c_void,
) {
    if write_p != 0 || content_type != HANDSHAKE || bytes.is_null() || ssl.is_null() {
        return;
    }
    // SAFETY: OpenSSL calls this with the message's bytes and the connection, both alive for the call.
    let (bytes, ssl) =
        unsafe { (slice::from_raw_parts(bytes.cast::<u8>(), length), SslRef::from_ptr(ssl)) };
    if let (Some(&kind), Some(watch)) = (bytes.first(), watch_of(ssl)) {
        watch.handle_message(kind);
    }
}

fn watch_of(ssl: &SslRef) -> Option<&Watch> {
    Some(ssl.ex_data(watch_index()?)?.as_ref())
}
