//! What caches and keytabs have, copied out of the library's memory.

use std::slice;

use zeroize::Zeroizing;

use super::tables::{Creds, Data, PrincipalData, Typed};

/// A key of a keytab, without the key.
pub(in crate::kerberos) struct KeytabKey {
    pub(in crate::kerberos) principal: String,
    pub(in crate::kerberos) version: u32,
    pub(in crate::kerberos) encryption_type: i32,
}

/// A principal's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kerberos) struct Name {
    pub(in crate::kerberos) kind: i32,
    pub(in crate::kerberos) realm: Vec<u8>,
    pub(in crate::kerberos) components: Vec<Vec<u8>>,
}

/// A number with bytes: an address, or authorization data.
pub(in crate::kerberos) type Numbered = (i32, Zeroizing<Vec<u8>>);

/// One entry of a cache: a ticket with its key, or a note of the library's.
pub(in crate::kerberos) struct CacheEntry {
    pub(in crate::kerberos) client: Name,
    pub(in crate::kerberos) server: Name,
    pub(in crate::kerberos) key: Numbered,
    /// authtime, starttime, endtime, renew_till.
    pub(in crate::kerberos) times: [u32; 4],
    pub(in crate::kerberos) is_skey: bool,
    pub(in crate::kerberos) flags: u32,
    pub(in crate::kerberos) addresses: Vec<Numbered>,
    pub(in crate::kerberos) authdata: Vec<Numbered>,
    pub(in crate::kerberos) ticket: Zeroizing<Vec<u8>>,
    pub(in crate::kerberos) second_ticket: Zeroizing<Vec<u8>>,
}

impl CacheEntry {
    /// A copy of what the library has.
    ///
    /// # Safety
    /// The library has filled `creds` in, and has not freed it.
    pub(super) unsafe fn of(creds: &Creds) -> Self {
        // SAFETY: as the caller promises, everything in there is alive.
        unsafe {
            Self {
                client: name_of(creds.client),
                server: name_of(creds.server),
                key: numbered(&creds.key),
                times: creds.times,
                is_skey: creds.is_skey != 0,
                flags: creds.flags.cast_unsigned(),
                addresses: list_of(creds.addresses),
                authdata: list_of(creds.authdata),
                ticket: Zeroizing::new(bytes(&creds.ticket)),
                second_ticket: Zeroizing::new(bytes(&creds.second_ticket)),
            }
        }
    }
}

/// # Safety
/// `raw` is null, or points at a principal that is alive.
pub(super) unsafe fn name_of(raw: *const PrincipalData) -> Name {
    // SAFETY: as the caller promises; a null pointer gives no name.
    let Some(raw) = (unsafe { raw.as_ref() }) else {
        return Name { kind: 0, realm: Vec::new(), components: Vec::new() };
    };
    let count = usize::try_from(raw.length).unwrap_or(0);
    let components = if raw.data.is_null() || count == 0 {
        Vec::new()
    } else {
        // SAFETY: the principal has as many components as it says.
        let all = unsafe { slice::from_raw_parts(raw.data, count) };
        // SAFETY: each is alive.
        all.iter().map(|one| unsafe { bytes(one) }).collect()
    };
    // SAFETY: the realm is alive.
    Name { kind: raw.kind, realm: unsafe { bytes(&raw.realm) }, components }
}

/// # Safety
/// `data` is alive, and as long as it says.
unsafe fn bytes(data: &Data) -> Vec<u8> {
    // SAFETY: as the caller promises.
    unsafe { copy(data.data, data.length) }
}

/// # Safety
/// `one` is alive, and as long as it says.
unsafe fn numbered(one: &Typed) -> Numbered {
    // SAFETY: as the caller promises.
    (one.kind, Zeroizing::new(unsafe { copy(one.contents, one.length) }))
}

/// # Safety
/// `list` is null, or a list that is alive and ends with a null pointer.
unsafe fn list_of(list: *mut *mut Typed) -> Vec<Numbered> {
    let mut all = Vec::new();
    if list.is_null() {
        return all;
    }
    // SAFETY: the list has a null pointer behind its last member, and is left there.
    while let Some(one) = unsafe { (*list.add(all.len())).as_ref() } {
        // SAFETY: the member is alive.
        all.push(unsafe { numbered(one) });
    }
    all
}

/// # Safety
/// `start` is null, or there are `length` bytes.
unsafe fn copy(start: *const u8, length: u32) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(0);
    if start.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(start, length) }.to_vec()
}
