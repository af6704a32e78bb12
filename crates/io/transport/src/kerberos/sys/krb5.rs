//! `libkrb5`: principals, caches, keytabs, and the exchanges with a KDC.
//!
//! A [`Krb5`] is one `krb5_context`, which one thread uses at a time. Whatever is made with it borrows it.

use std::ffi::{CStr, CString, c_char};
use std::{mem, ptr};

use auth::Secret;
use zeroize::Zeroizing;

use super::super::KerberosError;
use super::super::error::code;
use super::copies::{CacheEntry, KeytabKey, Name, name_of};
use super::loaded;
use super::tables::{Code, Creds, Data, Handle, KeytabEntry, Krb5Calls, PrincipalData, Ticket};

/// `KRB5_NT_UNKNOWN`: a host's name is taken as it is, and DNS is not asked for another one.
const NAME_AS_IT_IS: i32 = 0;
/// `KRB5_CC_END`, `KRB5_KT_END`: there is no more.
const ENDS: [Code; 2] = [code::CC_END, code::KT_END];
/// More entries than any cache or keytab has.
const MAX_ENTRIES: usize = 10_000;

/// What the library says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kerberos) struct Fault {
    /// `krb5_error_code`.
    pub(in crate::kerberos) code: Code,
    /// Its words.
    pub(in crate::kerberos) text: String,
}

impl Fault {
    /// A cache without a ticket.
    pub(in crate::kerberos) fn nothing() -> Self {
        Self { code: code::CC_NOT_FOUND, text: "it is empty".to_owned() }
    }

    /// A keytab without the key that is asked for.
    pub(in crate::kerberos) fn no_key() -> Self {
        Self { code: code::KT_NOT_FOUND, text: "it is not in there".to_owned() }
    }

    /// A text that C cannot take.
    fn nul() -> Self {
        Self { code: 0, text: "a name or a password contains a NUL".to_owned() }
    }
}

/// A context of the library.
pub(in crate::kerberos) struct Krb5 {
    calls: &'static Krb5Calls,
    context: Handle,
}

impl Krb5 {
    /// Reads `krb5.conf`.
    pub(in crate::kerberos) fn new() -> Result<Self, KerberosError> {
        let calls = &loaded()?.krb5;
        let mut context = ptr::null_mut();
        // SAFETY: the place for the result is valid; on success it holds a context that is ours to free.
        let code = unsafe { (calls.krb5_init_context)(&raw mut context) };
        if code == 0 {
            return Ok(Self { calls, context });
        }
        // SAFETY: the library takes no context for the text of an error of its own.
        let text = unsafe { words(calls, ptr::null_mut(), code) };
        Err(KerberosError::configuration(code, &text))
    }

    fn check(&self, code: Code) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the context is alive.
        let text = unsafe { words(self.calls, self.context, code) };
        Err(Fault { code, text })
    }

    /// The present time as the KDC has it, as far as the library knows: seconds since 1970.
    pub(in crate::kerberos) fn now(&self) -> Result<u32, Fault> {
        let mut now = 0;
        // SAFETY: the context is alive, the place valid.
        self.check(unsafe { (self.calls.krb5_timeofday)(self.context, &raw mut now) })?;
        Ok(now)
    }

    /// A principal from its text.
    pub(in crate::kerberos) fn parse(&self, name: &str) -> Result<Principal<'_>, Fault> {
        let name = CString::new(name).map_err(|_| Fault::nul())?;
        let mut raw = ptr::null_mut();
        // SAFETY: context and text are alive; the result is ours to free, which `Principal` does.
        self.check(unsafe {
            (self.calls.krb5_parse_name)(self.context, name.as_ptr(), &raw mut raw)
        })?;
        Ok(Principal { krb5: self, raw })
    }

    /// A host's service: `class/host` with the realm that `[domain_realm]` has for the host, or with an empty one, which
    /// leaves the realm to the KDC. DNS is not asked for another name of the host.
    pub(in crate::kerberos) fn service(
        &self,
        class: &str,
        host: &str,
    ) -> Result<Principal<'_>, Fault> {
        let (class, host) = (CString::new(class), CString::new(host));
        let (Ok(class), Ok(host)) = (class, host) else { return Err(Fault::nul()) };
        let mut raw = ptr::null_mut();
        // SAFETY: context and texts are alive; the result is ours to free, which `Principal` does.
        self.check(unsafe {
            (self.calls.krb5_sname_to_principal)(
                self.context,
                host.as_ptr(),
                class.as_ptr(),
                NAME_AS_IT_IS,
                &raw mut raw,
            )
        })?;
        Ok(Principal { krb5: self, raw })
    }

    /// The user's own cache.
    pub(in crate::kerberos) fn default_cache(&self) -> Result<Cache<'_>, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: the context is alive; the result is ours to close, which `Cache` does.
        self.check(unsafe { (self.calls.krb5_cc_default)(self.context, &raw mut raw) })?;
        Ok(Cache { krb5: self, raw })
    }

    /// The cache of a principal, among all that the user has.
    pub(in crate::kerberos) fn cache_of(
        &self,
        principal: &Principal<'_>,
    ) -> Result<Cache<'_>, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: context and principal are alive; the result is ours to close, which `Cache` does.
        self.check(unsafe {
            (self.calls.krb5_cc_cache_match)(self.context, principal.raw, &raw mut raw)
        })?;
        Ok(Cache { krb5: self, raw })
    }

    /// A cache by its name.
    pub(in crate::kerberos) fn cache(&self, name: &str) -> Result<Cache<'_>, Fault> {
        let name = CString::new(name).map_err(|_| Fault::nul())?;
        let mut raw = ptr::null_mut();
        // SAFETY: context and text are alive; the result is ours to close, which `Cache` does.
        self.check(unsafe {
            (self.calls.krb5_cc_resolve)(self.context, name.as_ptr(), &raw mut raw)
        })?;
        Ok(Cache { krb5: self, raw })
    }

    /// A new cache in this process's memory. It stays there until [`Cache::destroy`].
    pub(in crate::kerberos) fn new_cache(&self) -> Result<Cache<'_>, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: context and text are alive; no hint is given; the result is ours to close, which `Cache` does.
        self.check(unsafe {
            (self.calls.krb5_cc_new_unique)(
                self.context,
                c"MEMORY".as_ptr(),
                ptr::null(),
                &raw mut raw,
            )
        })?;
        Ok(Cache { krb5: self, raw })
    }

    /// Buys tickets by a password, into a cache.
    pub(in crate::kerberos) fn buy_by_password(
        &self,
        principal: &Principal<'_>,
        password: &Secret,
        forwardable: bool,
        cache: &Cache<'_>,
    ) -> Result<(), Fault> {
        let mut text =
            Zeroizing::new(Vec::with_capacity(password.expose().len().saturating_add(1)));
        text.extend_from_slice(password.expose().as_bytes());
        text.push(0);
        let text = CStr::from_bytes_with_nul(&text).map_err(|_| Fault::nul())?;
        let options = Options::new(self, forwardable, cache)?;
        let mut bought = Bought::new(self);
        // SAFETY: everything that is pointed at is alive; without a prompter the library asks nobody.
        self.check(unsafe {
            (self.calls.krb5_get_init_creds_password)(
                self.context,
                &raw mut bought.creds,
                principal.raw,
                text.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                0,
                ptr::null(),
                options.raw,
            )
        })
    }

    /// Buys tickets by a keytab, into a cache.
    pub(in crate::kerberos) fn buy_by_keytab(
        &self,
        principal: &Principal<'_>,
        keytab: &str,
        forwardable: bool,
        cache: &Cache<'_>,
    ) -> Result<(), Fault> {
        let keytab = KeytabFile::new(self, keytab)?;
        let options = Options::new(self, forwardable, cache)?;
        let mut bought = Bought::new(self);
        // SAFETY: everything that is pointed at is alive.
        self.check(unsafe {
            (self.calls.krb5_get_init_creds_keytab)(
                self.context,
                &raw mut bought.creds,
                principal.raw,
                keytab.raw,
                0,
                ptr::null(),
                options.raw,
            )
        })
    }

    /// Finds or gets a ticket for a service, which the cache keeps.
    pub(in crate::kerberos) fn ticket_for(
        &self,
        cache: &Cache<'_>,
        service: &Principal<'_>,
    ) -> Result<Found, Fault> {
        let client = cache.principal()?;
        let mut wanted = Bought::new(self);
        wanted.creds.client = client.copy()?;
        wanted.creds.server = service.copy()?;
        let mut found: *mut Creds = ptr::null_mut();
        // SAFETY: everything that is pointed at is alive; the result is ours to free, which is done below.
        self.check(unsafe {
            (self.calls.krb5_get_credentials)(
                self.context,
                0,
                cache.raw,
                &raw mut wanted.creds,
                &raw mut found,
            )
        })?;
        // SAFETY: the call succeeded, so that it points at a ticket with both of its names.
        let names = unsafe {
            self.text_of((*found).server).and_then(|kept_as| {
                Ok(Found { kept_as, service: self.service_of(&raw const (*found).ticket)? })
            })
        };
        // SAFETY: the result is freed once, and not looked at afterwards.
        unsafe { (self.calls.krb5_free_creds)(self.context, found) };
        names
    }

    /// Which service a ticket is for: its realm too, which is in no other name where the KDC chose it.
    ///
    /// # Safety
    /// `encoded` points at a ticket's bytes.
    unsafe fn service_of(&self, encoded: *const Data) -> Result<String, Fault> {
        let mut ticket: *mut Ticket = ptr::null_mut();
        // SAFETY: as the caller promises; the place for the result is valid.
        self.check(unsafe { (self.calls.krb5_decode_ticket)(encoded, &raw mut ticket) })?;
        // SAFETY: the call succeeded, so that it points at a ticket with its name.
        let name = unsafe { self.text_of((*ticket).server) };
        // SAFETY: the result is freed once, and not looked at afterwards.
        unsafe { (self.calls.krb5_free_ticket)(self.context, ticket) };
        name
    }

    /// The keys of a keytab, without the keys.
    pub(in crate::kerberos) fn keys_of(&self, keytab: &str) -> Result<Vec<KeytabKey>, Fault> {
        let keytab = KeytabFile::new(self, keytab)?;
        let mut cursor = ptr::null_mut();
        // SAFETY: context and keytab are alive, the place for the cursor is valid.
        self.check(unsafe {
            (self.calls.krb5_kt_start_seq_get)(self.context, keytab.raw, &raw mut cursor)
        })?;
        let mut keys = Vec::new();
        let ended = loop {
            // SAFETY: numbers and null pointers only: all zero is a value of this structure.
            let mut entry: KeytabEntry = unsafe { mem::zeroed() };
            // SAFETY: all three are alive, and the entry is a valid place.
            let code = unsafe {
                (self.calls.krb5_kt_next_entry)(
                    self.context,
                    keytab.raw,
                    &raw mut entry,
                    &raw mut cursor,
                )
            };
            if code != 0 {
                break self.check(code);
            }
            // SAFETY: the library has filled the entry in.
            let principal = unsafe { self.text_of(entry.principal) };
            keys.push(principal.map(|principal| KeytabKey {
                principal,
                version: entry.version,
                encryption_type: entry.key.kind,
            }));
            // SAFETY: what the library has filled in is freed once; this wipes the key.
            unsafe { (self.calls.krb5_free_keytab_entry_contents)(self.context, &raw mut entry) };
            if keys.len() == MAX_ENTRIES {
                break Ok(());
            }
        };
        // SAFETY: the cursor was opened above, and is closed once.
        unsafe { (self.calls.krb5_kt_end_seq_get)(self.context, keytab.raw, &raw mut cursor) };
        match ended {
            Err(fault) if !ENDS.contains(&fault.code) => Err(fault),
            _ => keys.into_iter().collect(),
        }
    }

    /// The text of a principal.
    ///
    /// # Safety
    /// `raw` points at a principal that is alive.
    unsafe fn text_of(&self, raw: *const PrincipalData) -> Result<String, Fault> {
        let mut text: *mut c_char = ptr::null_mut();
        // SAFETY: context and principal are alive; the result is ours to free.
        self.check(unsafe { (self.calls.krb5_unparse_name)(self.context, raw, &raw mut text) })?;
        // SAFETY: the call succeeded: a text with a NUL at its end.
        let name = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the text is freed once.
        unsafe { (self.calls.krb5_free_unparsed_name)(self.context, text) };
        Ok(name)
    }
}

impl Drop for Krb5 {
    fn drop(&mut self) {
        // SAFETY: what was made with the context has borrowed it, and is gone.
        unsafe { (self.calls.krb5_free_context)(self.context) };
    }
}

/// The library's words for an error.
///
/// # Safety
/// `context` is alive, or null.
unsafe fn words(calls: &Krb5Calls, context: Handle, code: Code) -> String {
    // SAFETY: the context is alive, or null, which is allowed.
    let text = unsafe { (calls.krb5_get_error_message)(context, code) };
    if text.is_null() {
        return format!("error {code}");
    }
    // SAFETY: the library returns a text with a NUL at its end.
    let words = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the text is freed once.
    unsafe { (calls.krb5_free_error_message)(context, text) };
    words
}

/// A ticket for a service.
pub(in crate::kerberos) struct Found {
    /// Under which name the cache has it: without a realm where the KDC chose that.
    pub(in crate::kerberos) kept_as: String,
    /// Which service it is for.
    pub(in crate::kerberos) service: String,
}

/// A principal.
pub(in crate::kerberos) struct Principal<'a> {
    krb5: &'a Krb5,
    raw: *mut PrincipalData,
}

impl Principal<'_> {
    /// `user@REALM`, with a backslash in front of what would read as something else.
    pub(in crate::kerberos) fn text(&self) -> Result<String, Fault> {
        // SAFETY: the principal is alive.
        unsafe { self.krb5.text_of(self.raw) }
    }

    /// Its parts.
    pub(in crate::kerberos) fn name(&self) -> Name {
        // SAFETY: the principal is alive.
        unsafe { name_of(self.raw) }
    }

    /// Puts it into another realm.
    pub(in crate::kerberos) fn set_realm(&mut self, realm: &str) -> Result<(), Fault> {
        let realm = CString::new(realm).map_err(|_| Fault::nul())?;
        // SAFETY: all three are alive; the library copies the text.
        self.krb5.check(unsafe {
            (self.krb5.calls.krb5_set_principal_realm)(self.krb5.context, self.raw, realm.as_ptr())
        })
    }

    fn copy(&self) -> Result<*mut PrincipalData, Fault> {
        let mut raw = ptr::null_mut();
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        // SAFETY: the principal is alive; the caller owns the copy.
        self.krb5.check(unsafe { (calls.krb5_copy_principal)(context, self.raw, &raw mut raw) })?;
        Ok(raw)
    }
}

impl Drop for Principal<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { (self.krb5.calls.krb5_free_principal)(self.krb5.context, self.raw) };
    }
}

/// A cache of tickets. Dropping it closes it, and leaves the tickets where they are.
pub(in crate::kerberos) struct Cache<'a> {
    krb5: &'a Krb5,
    raw: Handle,
}

impl Cache<'_> {
    /// `TYPE:rest`.
    pub(in crate::kerberos) fn name(&self) -> Result<String, Fault> {
        let mut text: *mut c_char = ptr::null_mut();
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        // SAFETY: context and cache are alive; the result is ours to free.
        self.krb5
            .check(unsafe { (calls.krb5_cc_get_full_name)(context, self.raw, &raw mut text) })?;
        // SAFETY: the call succeeded: a text with a NUL at its end.
        let name = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the text is freed once.
        unsafe { (calls.krb5_free_string)(context, text) };
        Ok(name)
    }

    /// Whose tickets it has.
    pub(in crate::kerberos) fn principal(&self) -> Result<Principal<'_>, Fault> {
        let mut raw = ptr::null_mut();
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        // SAFETY: context and cache are alive; the result is ours to free, which `Principal` does.
        self.krb5
            .check(unsafe { (calls.krb5_cc_get_principal)(context, self.raw, &raw mut raw) })?;
        Ok(Principal { krb5: self.krb5, raw })
    }

    /// Makes it the empty cache of a principal.
    pub(in crate::kerberos) fn initialize(&self, principal: &Principal<'_>) -> Result<(), Fault> {
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        // SAFETY: all three are alive; the library copies the principal.
        self.krb5.check(unsafe { (calls.krb5_cc_initialize)(context, self.raw, principal.raw) })
    }

    /// Copies all tickets into another cache.
    pub(in crate::kerberos) fn copy_to(&self, other: &Cache<'_>) -> Result<(), Fault> {
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        // SAFETY: all three are alive.
        self.krb5.check(unsafe { (calls.krb5_cc_copy_creds)(context, self.raw, other.raw) })
    }

    /// Everything that it has.
    pub(in crate::kerberos) fn entries(&self) -> Result<Vec<CacheEntry>, Fault> {
        let (calls, context) = (self.krb5.calls, self.krb5.context);
        let mut cursor = ptr::null_mut();
        // SAFETY: context and cache are alive, the place for the cursor is valid.
        self.krb5
            .check(unsafe { (calls.krb5_cc_start_seq_get)(context, self.raw, &raw mut cursor) })?;
        let mut entries = Vec::new();
        let ended = loop {
            let mut next = Bought::new(self.krb5);
            // SAFETY: all three are alive, and the place for the ticket is valid.
            let code = unsafe {
                (calls.krb5_cc_next_cred)(context, self.raw, &raw mut cursor, &raw mut next.creds)
            };
            if code != 0 {
                break self.krb5.check(code);
            }
            // SAFETY: the library has filled the ticket in, with both of its names.
            entries.push(unsafe { CacheEntry::of(&next.creds) });
            if entries.len() == MAX_ENTRIES {
                break Ok(());
            }
        };
        // SAFETY: the cursor was opened above, and is closed once.
        unsafe { (calls.krb5_cc_end_seq_get)(context, self.raw, &raw mut cursor) };
        match ended {
            Err(fault) if !ENDS.contains(&fault.code) => Err(fault),
            _ => Ok(entries),
        }
    }

    /// Removes the cache with everything in it, and wipes it as far as the library does.
    pub(in crate::kerberos) fn destroy(self) {
        // SAFETY: the cache is alive; this closes it as well, so that `drop` must not.
        unsafe { (self.krb5.calls.krb5_cc_destroy)(self.krb5.context, self.raw) };
        mem::forget(self);
    }

    /// For GSSAPI, which writes into it.
    pub(super) fn raw(&self) -> Handle {
        self.raw
    }
}

impl Drop for Cache<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and closed once.
        unsafe { (self.krb5.calls.krb5_cc_close)(self.krb5.context, self.raw) };
    }
}

/// A place for a ticket, which frees what comes to be in it.
struct Bought<'a> {
    krb5: &'a Krb5,
    creds: Creds,
}

impl<'a> Bought<'a> {
    fn new(krb5: &'a Krb5) -> Self {
        // SAFETY: numbers and null pointers only: all zero is a value of this structure, and the one for an empty place.
        Self { krb5, creds: unsafe { mem::zeroed() } }
    }
}

impl Drop for Bought<'_> {
    fn drop(&mut self) {
        // SAFETY: what is in the structure came from the library; null pointers are passed over.
        unsafe {
            (self.krb5.calls.krb5_free_cred_contents)(self.krb5.context, &raw mut self.creds)
        };
    }
}

/// How tickets are bought.
struct Options<'a> {
    krb5: &'a Krb5,
    raw: Handle,
}

impl<'a> Options<'a> {
    fn new(krb5: &'a Krb5, forwardable: bool, cache: &Cache<'_>) -> Result<Self, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: the context is alive; the result is ours to free, which `drop` does.
        krb5.check(unsafe {
            (krb5.calls.krb5_get_init_creds_opt_alloc)(krb5.context, &raw mut raw)
        })?;
        let options = Self { krb5, raw };
        // SAFETY: the options are alive.
        unsafe { (krb5.calls.krb5_get_init_creds_opt_set_forwardable)(raw, forwardable.into()) };
        // SAFETY: all three are alive, and the cache outlives the options: both end with the caller.
        krb5.check(unsafe {
            (krb5.calls.krb5_get_init_creds_opt_set_out_ccache)(krb5.context, raw, cache.raw)
        })?;
        Ok(options)
    }
}

impl Drop for Options<'_> {
    fn drop(&mut self) {
        // SAFETY: they are ours, and freed once.
        unsafe { (self.krb5.calls.krb5_get_init_creds_opt_free)(self.krb5.context, self.raw) };
    }
}

/// A keytab that is open.
struct KeytabFile<'a> {
    krb5: &'a Krb5,
    raw: Handle,
}

impl<'a> KeytabFile<'a> {
    fn new(krb5: &'a Krb5, name: &str) -> Result<Self, Fault> {
        let name = CString::new(name).map_err(|_| Fault::nul())?;
        let mut raw = ptr::null_mut();
        // SAFETY: context and text are alive; the result is ours to close, which `drop` does.
        krb5.check(unsafe {
            (krb5.calls.krb5_kt_resolve)(krb5.context, name.as_ptr(), &raw mut raw)
        })?;
        Ok(Self { krb5, raw })
    }
}

impl Drop for KeytabFile<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and closed once.
        unsafe { (self.krb5.calls.krb5_kt_close)(self.krb5.context, self.raw) };
    }
}
