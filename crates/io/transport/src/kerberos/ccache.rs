//! Tickets as a file has them: MIT's credential cache, format 4, made in memory so that no file ever has them.
//!
//! ```text
//!  file       05 04 | u16 0 (no header) | principal | entry*
//!  principal  u32 kind | u32 components | bytes realm | bytes component*
//!  entry      principal client | principal server | u16 kind, bytes key | 4 × u32 times | u8 is_skey | u32 flags
//!             | list addresses | list authdata | bytes ticket | bytes second ticket
//!  bytes      u32 length | …                    list  u32 count | { u16 kind | bytes }*
//! ```

use auth::Ticket;
use zeroize::Zeroizing;

use super::error::Doing;
use super::sys::{Cache, CacheEntry, Fault, Name, Numbered};
use super::{KerberosError, KerberosErrorKind};

/// Format 4, and no header.
const START: [u8; 4] = [5, 4, 0, 0];
/// The realm of the library's notes.
const NOTES: &[u8] = b"X-CACHECONF:";
/// The first component of a ticket-granting ticket's service.
const GRANTING: &[u8] = b"krbtgt";

/// Whether it is a ticket, and no note of the library's.
pub(super) fn is_ticket(entry: &CacheEntry) -> bool {
    entry.server.realm != NOTES
}

/// Whether it gets tickets of the client's own realm.
pub(super) fn is_own_granting(entry: &CacheEntry) -> bool {
    matches!(entry.server.components.as_slice(), [first, second]
        if first == GRANTING && *second == entry.client.realm)
}

/// The tickets of a cache that get further ones; all, where there are no such.
pub(super) fn ticket(cache: &Cache<'_>) -> Result<Ticket, KerberosError> {
    let in_words = |fault: Fault| KerberosError::of(&fault, Doing::Cache { name: "the cache" });
    let owner = cache.principal().map_err(in_words)?.name();
    let mut entries = cache.entries().map_err(in_words)?;
    entries.retain(is_ticket);
    if entries.iter().any(is_own_granting) {
        entries.retain(is_own_granting);
    }
    if entries.is_empty() {
        return Err(in_words(Fault::nothing()));
    }
    let mut file = Writer(Zeroizing::new(Vec::with_capacity(Ticket::MAX)));
    file.put(&START);
    file.name(&owner);
    for entry in &entries {
        file.entry(entry);
    }
    let bytes = std::mem::take(&mut *file.0);
    Ticket::new(bytes).ok_or_else(|| {
        let text =
            format!("the tickets are longer than the {} bytes that are passed on", Ticket::MAX);
        KerberosError::new(KerberosErrorKind::Other, text)
    })
}

/// Writes a file. Its place is reserved at the start: what is longer than a ticket may be is cut off, and refused.
struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        // Growing would leave a copy behind that nobody wipes. One byte too many is enough to be refused.
        let most = Ticket::MAX.saturating_add(1).saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..bytes.len().min(most)).unwrap_or_default());
    }

    fn number(&mut self, number: u32) {
        self.put(&number.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }

    fn name(&mut self, name: &Name) {
        self.number(name.kind.cast_unsigned());
        self.count(name.components.len());
        self.bytes(&name.realm);
        for component in &name.components {
            self.bytes(component);
        }
    }

    /// Kinds have two bytes.
    fn numbered(&mut self, (kind, bytes): &Numbered) {
        self.put(&u16::try_from(*kind).unwrap_or(0).to_be_bytes());
        self.bytes(bytes);
    }

    fn list(&mut self, list: &[Numbered]) {
        self.count(list.len());
        for one in list {
            self.numbered(one);
        }
    }

    fn entry(&mut self, entry: &CacheEntry) {
        self.name(&entry.client);
        self.name(&entry.server);
        self.numbered(&entry.key);
        for time in entry.times {
            self.number(time);
        }
        self.put(&[entry.is_skey.into()]);
        self.number(entry.flags);
        self.list(&entry.addresses);
        self.list(&entry.authdata);
        self.bytes(&entry.ticket);
        self.bytes(&entry.second_ticket);
    }
}
