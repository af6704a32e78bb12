//! `libgssapi_krb5`: the tokens of a login, and the keys that are left when it is complete.

use std::ffi::{CString, c_int, c_void};
use std::{ptr, slice};

use auth::ChannelBinding;
use auth::kerberos::{Context, EncryptionType, Role};
use zeroize::Zeroizing;

use super::super::KerberosError;
use super::krb5::Cache;
use super::loaded;
use super::tables::{
    Bindings, Buffer, GssCalls, Handle, KeyValue, KeyValueSet, Lucid, LucidKey, OidDesc, OidSet,
    Word,
};

/// `GSS_C_INITIATE`, `GSS_C_ACCEPT` (RFC 2744 A).
const INITIATE: c_int = 1;
const ACCEPT: c_int = 2;
/// `GSS_C_INDEFINITE`.
const FOREVER: Word = Word::MAX;
/// `GSS_C_GSS_CODE`, `GSS_C_MECH_CODE`: which of the two numbers is to be put into words.
const MAJOR_WORDS: c_int = 1;
const MINOR_WORDS: c_int = 2;
/// The parts of a major status that are errors (RFC 2744 3.9.1), and its bit for "one more token".
const ERRORS: Word = 0xFFFF_0000;
const CONTINUE_NEEDED: Word = 1;
/// `GSS_S_FAILURE`: the reason is in the minor status.
const FAILURE: Word = 13 << 16;
/// The mechanism (RFC 1964 1).
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// `GSS_KRB5_NT_PRINCIPAL_NAME` (RFC 1964 2.1.1): a principal as it is written, which nothing is asked about.
const PRINCIPAL_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01";
/// The longest key of RFC 3961's registry.
const MAX_KEY: u32 = 64;

/// What the library says to a call that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kerberos) struct GssFault {
    /// The routine error, as RFC 2744 numbers them (1 to 18).
    pub(in crate::kerberos) routine: u32,
    /// `krb5_error_code`.
    pub(in crate::kerberos) minor: i32,
    /// Its words.
    pub(in crate::kerberos) text: String,
}

impl GssFault {
    fn of_our_own(text: &str) -> Self {
        Self { routine: FAILURE >> 16, minor: 0, text: text.to_owned() }
    }
}

/// The calls, with what every use of them needs.
#[derive(Clone, Copy)]
struct Gss {
    calls: &'static GssCalls,
}

impl Gss {
    fn new() -> Result<Self, KerberosError> {
        Ok(Self { calls: &loaded()?.gss })
    }

    fn check(self, major: Word, minor: Word) -> Result<(), GssFault> {
        // A repeated or late token is told by a bit that is no error of RFC 2744's; it is one here.
        if major & !CONTINUE_NEEDED == 0 {
            return Ok(());
        }
        let routine = major >> 16 & 0xFF;
        // The minor status of a failure says more than the major one's "unspecified failure".
        let details = self.words(minor, MINOR_WORDS);
        // Numbers that mean nothing are put into these words.
        let details = if details == "Success" { String::new() } else { details };
        let text = match (major & ERRORS == FAILURE, details.is_empty()) {
            (true, false) => details,
            (_, true) => self.words(major, MAJOR_WORDS),
            (false, false) => format!("{}: {details}", self.words(major, MAJOR_WORDS)),
        };
        Err(GssFault { routine, minor: minor.cast_signed(), text })
    }

    fn words(self, status: Word, kind: c_int) -> String {
        let (mut minor, mut more) = (0, 0);
        let mut text = self.buffer();
        let mechanism = oid(KERBEROS);
        // SAFETY: every place is valid, and the object identifier alive.
        unsafe {
            (self.calls.gss_display_status)(
                &raw mut minor,
                status,
                kind,
                &raw const mechanism,
                &raw mut more,
                text.place(),
            )
        };
        String::from_utf8_lossy(text.bytes()).into_owned()
    }

    /// A place for what the library writes.
    fn buffer(self) -> Written {
        Written { gss: self, buffer: Buffer { length: 0, value: ptr::null_mut() } }
    }

    /// The text of a name.
    fn text_of(self, name: &NameHandle) -> Result<String, GssFault> {
        let mut minor = 0;
        let mut text = self.buffer();
        // SAFETY: the name is alive, the places are valid.
        let major = unsafe {
            (self.calls.gss_display_name)(&raw mut minor, name.raw, text.place(), ptr::null_mut())
        };
        self.check(major, minor)?;
        match std::str::from_utf8(text.bytes()) {
            Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
            _ => Err(GssFault::of_our_own("the principal's name is not text")),
        }
    }

    /// A principal's name.
    fn name(self, principal: &str) -> Result<NameHandle, GssFault> {
        let mut name = NameHandle { gss: self, raw: ptr::null_mut() };
        let mut minor = 0;
        let (text, kind) = (borrowed(principal.as_bytes()), oid(PRINCIPAL_NAME));
        // SAFETY: text and kind are alive, and are copied; the place is valid.
        let major = unsafe {
            (self.calls.gss_import_name)(
                &raw mut minor,
                &raw const text,
                &raw const kind,
                &raw mut name.raw,
            )
        };
        self.check(major, minor).map(|()| name)
    }

    /// A credential from where `store` says.
    fn credential(self, usage: c_int, store: &[(&str, &str)]) -> Result<GssCredential, GssFault> {
        let nul = |_| GssFault::of_our_own("a name contains a NUL");
        let mut texts = Vec::with_capacity(store.len());
        for (key, value) in store {
            texts.push((CString::new(*key).map_err(nul)?, CString::new(*value).map_err(nul)?));
        }
        let mut pairs: Vec<KeyValue> = texts
            .iter()
            .map(|(key, value)| KeyValue { key: key.as_ptr(), value: value.as_ptr() })
            .collect();
        let count = Word::try_from(pairs.len()).unwrap_or(0);
        let set = KeyValueSet { count, elements: pairs.as_mut_ptr() };
        let mut mechanism = oid(KERBEROS);
        let mechanisms = OidSet { count: 1, elements: &raw mut mechanism };
        let mut credential = GssCredential { gss: self, raw: ptr::null_mut() };
        let mut minor = 0;
        // SAFETY: everything that is pointed at is alive; no name is asked for, and what we do not ask to be told is null.
        let major = unsafe {
            (self.calls.gss_acquire_cred_from)(
                &raw mut minor,
                ptr::null_mut(),
                FOREVER,
                &raw const mechanisms,
                usage,
                &raw const set,
                &raw mut credential.raw,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.check(major, minor).map(|()| credential)
    }
}

/// A credential of GSSAPI's.
pub(in crate::kerberos) struct GssCredential {
    gss: Gss,
    raw: Handle,
}

impl GssCredential {
    /// The tickets of a cache.
    pub(in crate::kerberos) fn of_cache(
        name: &str,
    ) -> Result<Result<Self, GssFault>, KerberosError> {
        Ok(Gss::new()?.credential(INITIATE, &[("ccache", name)]))
    }

    /// The keys of a keytab, with a replay cache.
    pub(in crate::kerberos) fn of_keytab(
        keytab: &str,
        replays: &str,
    ) -> Result<Result<Self, GssFault>, KerberosError> {
        Ok(Gss::new()?.credential(ACCEPT, &[("keytab", keytab), ("rcache", replays)]))
    }

    /// Copies its tickets into a cache that has been initialised.
    pub(in crate::kerberos) fn copy_to(&self, cache: &Cache<'_>) -> Result<(), GssFault> {
        let mut minor = 0;
        // SAFETY: credential and cache are alive.
        let major =
            unsafe { (self.gss.calls.gss_krb5_copy_ccache)(&raw mut minor, self.raw, cache.raw()) };
        self.gss.check(major, minor)
    }
}

impl Drop for GssCredential {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is ours, and released once; null is passed over.
        unsafe { (self.gss.calls.gss_release_cred)(&raw mut minor, &raw mut self.raw) };
    }
}

/// The client's half of a login.
pub(in crate::kerberos) struct Initiating {
    credential: GssCredential,
    service: NameHandle,
    context: ContextHandle,
    flags: Word,
    /// The binding's application data.
    binding: Option<Vec<u8>>,
}

// SAFETY: what it points at belongs to it alone, and MIT's library binds nothing to a thread.
unsafe impl Send for Initiating {}

impl Initiating {
    /// Before the first token. `service` is a principal's name.
    pub(in crate::kerberos) fn new(
        credential: GssCredential,
        service: &str,
        flags: Word,
        binding: Option<&ChannelBinding>,
    ) -> Result<Self, GssFault> {
        let gss = credential.gss;
        let context = ContextHandle { gss, raw: ptr::null_mut() };
        let binding = binding.map(ChannelBinding::application_data);
        Ok(Self { service: gss.name(service)?, credential, context, flags, binding })
    }

    /// Takes the service's token, if there is one; gives ours, and whether the context is complete. `granted` are the
    /// flags that count so far.
    pub(in crate::kerberos) fn step(&mut self, token: Option<&[u8]>) -> Result<Stepped, GssFault> {
        let gss = self.credential.gss;
        let (mut minor, mut granted) = (0, 0);
        let mut reply = gss.buffer();
        let mechanism = oid(KERBEROS);
        let input = borrowed(token.unwrap_or_default());
        let bindings = self.binding.as_deref().map(bindings);
        // SAFETY: credential, name and context are alive, and so is everything else that is pointed at; the library
        // keeps none of it but the context.
        let major = unsafe {
            (gss.calls.gss_init_sec_context)(
                &raw mut minor,
                self.credential.raw,
                &raw mut self.context.raw,
                self.service.raw,
                &raw const mechanism,
                self.flags,
                0,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &raw const input,
                ptr::null_mut(),
                reply.place(),
                &raw mut granted,
                ptr::null_mut(),
            )
        };
        gss.check(major, minor)?;
        Ok(Stepped {
            token: reply.bytes().to_vec(),
            granted,
            complete: major & CONTINUE_NEEDED == 0,
        })
    }

    /// The keys of a complete context; the context is used up.
    pub(in crate::kerberos) fn export(mut self) -> Result<Context, GssFault> {
        self.context.export(Role::Initiator)
    }
}

/// What came of a step.
pub(in crate::kerberos) struct Stepped {
    pub(in crate::kerberos) token: Vec<u8>,
    pub(in crate::kerberos) granted: Word,
    pub(in crate::kerberos) complete: bool,
}

/// A client's token that is to be judged.
pub(in crate::kerberos) struct Accepting<'a> {
    pub(in crate::kerberos) credential: &'a GssCredential,
    pub(in crate::kerberos) token: &'a [u8],
    pub(in crate::kerberos) binding: Option<&'a ChannelBinding>,
}

/// A token that is right.
pub(in crate::kerberos) struct Acceptance {
    pub(in crate::kerberos) principal: String,
    pub(in crate::kerberos) reply: Vec<u8>,
    pub(in crate::kerberos) flags: Word,
    pub(in crate::kerberos) delegated: Option<GssCredential>,
    pub(in crate::kerberos) context: Context,
}

impl Accepting<'_> {
    /// Judges it; a login of more than one token is none of ours.
    ///
    /// With the fault comes what the library would have us send.
    pub(in crate::kerberos) fn judge(&self) -> Result<Acceptance, (GssFault, Vec<u8>)> {
        let gss = self.credential.gss;
        let (mut minor, mut flags) = (0, 0);
        let mut reply = gss.buffer();
        let mut client = NameHandle { gss, raw: ptr::null_mut() };
        let mut context = ContextHandle { gss, raw: ptr::null_mut() };
        let mut delegated = GssCredential { gss, raw: ptr::null_mut() };
        let input = borrowed(self.token);
        let application = self.binding.map(ChannelBinding::application_data);
        let bindings = application.as_deref().map(bindings);
        // SAFETY: everything that is pointed at is alive; the library keeps none of it but the context.
        let major = unsafe {
            (gss.calls.gss_accept_sec_context)(
                &raw mut minor,
                &raw mut context.raw,
                self.credential.raw,
                &raw const input,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &raw mut client.raw,
                ptr::null_mut(),
                reply.place(),
                &raw mut flags,
                ptr::null_mut(),
                &raw mut delegated.raw,
            )
        };
        gss.check(major, minor).map_err(|fault| (fault, reply.bytes().to_vec()))?;
        let ours = |fault| (fault, Vec::new());
        if major & CONTINUE_NEEDED != 0 {
            return Err(ours(GssFault::of_our_own("the client wants a third leg (DCE style)")));
        }
        let delegated = (!delegated.raw.is_null()).then_some(delegated);
        Ok(Acceptance {
            principal: gss.text_of(&client).map_err(ours)?,
            reply: reply.bytes().to_vec(),
            flags,
            delegated,
            context: context.export(Role::Acceptor).map_err(ours)?,
        })
    }
}

/// A context of GSSAPI's.
struct ContextHandle {
    gss: Gss,
    raw: Handle,
}

impl ContextHandle {
    /// Takes the keys out, which ends the context.
    fn export(&mut self, role: Role) -> Result<Context, GssFault> {
        let calls = self.gss.calls;
        let (mut minor, mut lucid): (_, *mut Lucid) = (0, ptr::null_mut());
        // SAFETY: the context is complete, the places are valid; version 1 of the structure is asked for.
        let major = unsafe {
            (calls.gss_krb5_export_lucid_sec_context)(
                &raw mut minor,
                &raw mut self.raw,
                1,
                &raw mut lucid,
            )
        };
        self.gss.check(major, minor)?;
        // SAFETY: the call succeeded, so that this is a structure of version 1.
        let context = unsafe { lucid.as_ref().map(|lucid| context_of(lucid, role)) };
        // SAFETY: it is freed once, and not looked at afterwards; the library wipes its keys.
        unsafe { (calls.gss_krb5_free_lucid_sec_context)(&raw mut minor, lucid) };
        context.unwrap_or_else(|| Err(GssFault::of_our_own("the library hands out no keys")))
    }
}

impl Drop for ContextHandle {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is ours, and deleted once; null is passed over.
        unsafe {
            (self.gss.calls.gss_delete_sec_context)(
                &raw mut minor,
                &raw mut self.raw,
                ptr::null_mut(),
            )
        };
    }
}

/// # Safety
/// The library has filled `lucid` in, and has not freed it.
unsafe fn context_of(lucid: &Lucid, role: Role) -> Result<Context, GssFault> {
    let is_cfx = lucid.protocol == 1;
    let acceptor_subkey = is_cfx && lucid.cfx.has_acceptor_subkey != 0;
    let key = match (is_cfx, acceptor_subkey) {
        (true, true) => &lucid.cfx.acceptor_subkey,
        (true, false) => &lucid.cfx.key,
        (false, _) => &lucid.old.key,
    };
    let encryption_type = i32::try_from(key.kind)
        .ok()
        .and_then(EncryptionType::from_number)
        .filter(|kind| is_cfx != (*kind == EncryptionType::Rc4));
    // SAFETY: as the caller promises.
    let bytes = unsafe { key_of(key) };
    match encryption_type {
        Some(encryption_type) if bytes.len() == encryption_type.key_length() => Ok(Context {
            role,
            encryption_type,
            key: bytes,
            acceptor_subkey,
            sending_sequence: lucid.send_sequence,
            receiving_sequence: lucid.receive_sequence,
        }),
        _ => {
            let text =
                format!("the login's key has encryption type {}, which is not used", key.kind);
            Err(GssFault::of_our_own(&text))
        }
    }
}

/// # Safety
/// `key` is alive, and as long as it says.
unsafe fn key_of(key: &LucidKey) -> Zeroizing<Vec<u8>> {
    if key.data.is_null() || key.length > MAX_KEY {
        return Zeroizing::default();
    }
    let length = usize::try_from(key.length).unwrap_or(0);
    // SAFETY: as the caller promises.
    Zeroizing::new(unsafe { slice::from_raw_parts(key.data, length) }.to_vec())
}

/// A name of GSSAPI's.
struct NameHandle {
    gss: Gss,
    raw: Handle,
}

impl Drop for NameHandle {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is ours, and released once; null is passed over.
        unsafe { (self.gss.calls.gss_release_name)(&raw mut minor, &raw mut self.raw) };
    }
}

/// What the library has written.
struct Written {
    gss: Gss,
    buffer: Buffer,
}

impl Written {
    fn place(&mut self) -> *mut Buffer {
        &raw mut self.buffer
    }

    fn bytes(&self) -> &[u8] {
        if self.buffer.value.is_null() || self.buffer.length == 0 {
            return &[];
        }
        // SAFETY: the library has written as many bytes, which are ours until `drop`.
        unsafe { slice::from_raw_parts(self.buffer.value.cast::<u8>(), self.buffer.length) }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is ours, and released once; an empty one is passed over.
        unsafe { (self.gss.calls.gss_release_buffer)(&raw mut minor, &raw mut self.buffer) };
    }
}

/// Bytes that the library reads, and does not write.
fn borrowed(bytes: &[u8]) -> Buffer {
    Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast::<c_void>() }
}

/// An object identifier that the library reads.
fn oid(content: &'static [u8]) -> OidDesc {
    let length = Word::try_from(content.len()).unwrap_or(0);
    OidDesc { length, elements: content.as_ptr().cast_mut().cast::<c_void>() }
}

/// Both addresses are absent, as on Windows.
fn bindings(application: &[u8]) -> Bindings {
    Bindings {
        initiator_kind: 0,
        initiator: borrowed(&[]),
        acceptor_kind: 0,
        acceptor: borrowed(&[]),
        application: borrowed(application),
    }
}
