//! [`Keytab`]: the keys of a service, and the tokens that they open.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use auth::kerberos::Context;
use auth::{ChannelBinding, KerberosRefusal, Ticket};

use super::credential::keytab_name;
use super::error::{Doing, printable};
use super::sys::{Acceptance, Accepting, GssCredential, GssFault, Krb5};
use super::{KerberosError, KerberosErrorKind, ccache, refusal};

/// The longest token that is looked at.
const TOKEN_MAX: usize = 64 * 1024;
/// The flags that count here (RFC 2744 5.1; the last one is MIT's since 1.19).
const DELEGATED: u32 = 1;
const CONFIDENTIAL: u32 = 0x10;
const CHANNEL_BOUND: u32 = 0x800;

/// The keys of a service, in a file that is read anew for each token, so that a new version of a key counts at once.
#[derive(Debug)]
pub struct Keytab {
    path: PathBuf,
    /// As the library has it.
    name: String,
    /// The replay cache, as the library has it.
    replays: String,
    /// One token at a time: the library locks its replay cache against other processes, on some systems not against
    /// other threads.
    turn: Mutex<()>,
}

/// What a token proved.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "what the library hands out")]
pub struct Accepted {
    /// `user@REALM`.
    pub principal: String,
    /// AP-REP, where the client asked for one.
    pub reply: Option<Vec<u8>>,
    /// The key of the messages.
    pub context: Context,
    /// Whether the client asked for confidentiality.
    pub confidential: bool,
    /// Whether the client sent a binding, and it was the right one. Libraries before MIT 1.19 cannot tell, and this is false.
    pub channel_bound: bool,
    /// The ticket that the client let the service have.
    pub delegated: Option<Ticket>,
}

/// A token that is not accepted.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
#[expect(clippy::exhaustive_structs, reason = "what the library says")]
pub struct NotAccepted {
    /// Why.
    pub refusal: KerberosRefusal,
    /// The library's words, for the log.
    pub text: String,
    /// KRB-ERROR for the client.
    pub token: Option<Vec<u8>>,
}

impl Keytab {
    /// A keytab by its path. Tokens that came before are remembered in the folder `replays`, over restarts too: it is made
    /// where it does not exist, and must be this user's alone.
    ///
    /// # Errors
    /// [`KerberosError`] where it cannot be read or has no key, and where everybody may read or write it: whoever has its
    /// keys can log in as anybody.
    pub fn open(path: &Path, replays: &Path) -> Result<Self, KerberosError> {
        let name = keytab_name(path)?;
        if fs::metadata(path).is_ok_and(|found| found.mode() & 0o007 != 0) {
            let text = format!(
                "the keytab {} is open to everybody, and its keys let their owner log in as anybody: `chmod o= {0}`, \
                 and new keys if others could have read it",
                path.display()
            );
            return Err(KerberosError::new(KerberosErrorKind::Keytab, text));
        }
        let folder = private(replays)?;
        let keytab = Self {
            path: path.to_owned(),
            name,
            replays: format!("file2:{folder}/replays"),
            turn: Mutex::new(()),
        };
        if keytab.entries()?.is_empty() {
            let text = format!("the keytab {} has no key", path.display());
            return Err(KerberosError::new(KerberosErrorKind::Keytab, text));
        }
        Ok(keytab)
    }

    /// Judges a client's token.
    ///
    /// # Errors
    /// [`NotAccepted`] with the reason.
    pub fn accept(
        &self,
        token: &[u8],
        binding: Option<&ChannelBinding>,
    ) -> Result<Accepted, NotAccepted> {
        if token.len() > TOKEN_MAX || !is_request(token) {
            let text = "it is no Kerberos token (AP-REQ)".to_owned();
            return Err(NotAccepted { refusal: KerberosRefusal::Other, text, token: None });
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let credential = GssCredential::of_keytab(&self.name, &self.replays)
            .map_err(|error| without_keytab(&error.to_string()))?
            .map_err(|fault| without_keytab(&fault.text))?;
        let accepting = Accepting { credential: &credential, token, binding };
        match accepting.judge() {
            Ok(acceptance) => accepted(acceptance, binding.is_some()),
            Err((fault, token)) => Err(self.not_accepted(&fault, token)),
        }
    }

    /// The principals that have keys, with version and encryption type: for the log and for `transom doctor`.
    ///
    /// # Errors
    /// [`KerberosError`] where it cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, KerberosError> {
        entries(&self.name, &self.path)
    }

    /// The same of a keytab that nobody accepts with.
    ///
    /// # Errors
    /// [`KerberosError`] where it cannot be read.
    pub fn look(path: &Path) -> Result<Vec<Entry>, KerberosError> {
        entries(&keytab_name(path)?, path)
    }

    fn not_accepted(&self, fault: &GssFault, token: Vec<u8>) -> NotAccepted {
        let refusal = refusal::of(fault);
        let token = refusal::number(fault, refusal).and_then(|number| {
            // The library makes one where it got so far as to know that the client wants one.
            if token.is_empty() { self.krb_error(number) } else { Some(token) }
        });
        NotAccepted { refusal, text: printable(&fault.text), token }
    }

    /// KRB-ERROR in the name of the keytab's first service; without a keytab or a clock there is none.
    fn krb_error(&self, number: u32) -> Option<Vec<u8>> {
        let krb5 = Krb5::new().ok()?;
        let first = krb5.keys_of(&self.name).ok()?.into_iter().next()?;
        let service = krb5.parse(&first.principal).ok()?.name();
        refusal::krb_error(number, &service, std::time::SystemTime::now())
    }
}

fn without_keytab(why: &str) -> NotAccepted {
    NotAccepted { refusal: KerberosRefusal::NoKeytab, text: printable(why), token: None }
}

fn accepted(acceptance: Acceptance, binding_asked: bool) -> Result<Accepted, NotAccepted> {
    let Acceptance { principal, reply, flags, delegated, context } = acceptance;
    let delegated = delegated.filter(|_| flags & DELEGATED != 0);
    let delegated = delegated.map(|credential| take_delegated(&credential, &principal)).transpose();
    let delegated = delegated.map_err(|why| {
        let text = format!("the ticket that {principal} delegates cannot be taken: {why}");
        NotAccepted { refusal: KerberosRefusal::Other, text, token: None }
    })?;
    Ok(Accepted {
        reply: (!reply.is_empty()).then_some(reply),
        confidential: flags & CONFIDENTIAL != 0,
        channel_bound: binding_asked && flags & CHANNEL_BOUND != 0,
        principal,
        context,
        delegated,
    })
}

/// Through a cache in memory, which is gone afterwards.
fn take_delegated(credential: &GssCredential, principal: &str) -> Result<Ticket, String> {
    let krb5 = Krb5::new().map_err(|error| error.to_string())?;
    let client = krb5.parse(principal).map_err(|fault| fault.text)?;
    let cache = krb5.new_cache().map_err(|fault| fault.text)?;
    let initialized = cache.initialize(&client).map_err(|fault| fault.text);
    let copied = initialized.and_then(|()| credential.copy_to(&cache).map_err(|fault| fault.text));
    let ticket = copied.and_then(|()| ccache::ticket(&cache).map_err(|error| error.to_string()));
    cache.destroy();
    ticket
}

/// Whether a token is an AP-REQ with the header of RFC 4121 4.1: `60 length 06 09 … 01 00 …`. Nothing else gets near the
/// library, which would take other mechanisms, too.
fn is_request(token: &[u8]) -> bool {
    let Some((&0x60, rest)) = token.split_first() else { return false };
    let Some((&first, rest)) = rest.split_first() else { return false };
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let Some((number, rest)) = rest.split_at_checked(usize::from(first & 0x7F)) else {
            return false;
        };
        if number.is_empty() || number.len() > 3 {
            return false;
        }
        (number.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    length == rest.len() && rest.starts_with(refusal::KERBEROS) && {
        let behind = rest.get(refusal::KERBEROS.len()..).unwrap_or_default();
        behind.starts_with(&[1, 0])
    }
}

/// The folder of the replay cache: whoever else can write in there can make tokens count anew.
fn private(folder: &Path) -> Result<&str, KerberosError> {
    let wrong = |why: &str| {
        let text =
            format!("the folder {} for Kerberos tokens that came before {why}", folder.display());
        KerberosError::new(KerberosErrorKind::Keytab, text)
    };
    let text = folder.to_str().ok_or_else(|| wrong("is not named in UTF-8"))?;
    if fs::symlink_metadata(folder).is_err() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| wrong(&format!("cannot be made: {error}")))?;
    }
    let found =
        fs::symlink_metadata(folder).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let ours = rustix::process::geteuid().as_raw();
    if !found.is_dir() || found.mode() & 0o022 != 0 || found.uid() != ours {
        return Err(wrong("is not a folder that only this user can write to"));
    }
    Ok(text)
}

fn entries(name: &str, path: &Path) -> Result<Vec<Entry>, KerberosError> {
    let path = path.display().to_string();
    let doing = Doing::Keys { path: &path };
    let keys = Krb5::new()?.keys_of(name);
    let keys = keys.map_err(|fault| KerberosError::of(&fault, doing))?;
    let entry = |key: super::sys::KeytabKey| Entry {
        principal: key.principal,
        version: key.version,
        encryption_type: key.encryption_type,
    };
    Ok(keys.into_iter().map(entry).collect())
}

/// A key of a keytab.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what a keytab has of a key")]
pub struct Entry {
    /// `HTTP/host@REALM`.
    pub principal: String,
    /// The key's version.
    pub version: u32,
    /// Its encryption type's number.
    pub encryption_type: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_with_the_right_header_are_looked_at() {
        let inside = [refusal::KERBEROS, &[1, 0, 0x6E, 0x00]].concat();
        let token = |length: &[u8]| [&[0x60], length, &inside].concat();
        assert!(is_request(&token(&[15])));
        assert!(is_request(&token(&[0x81, 15])));
        for wrong in [&[14][..], &[16], &[0x80], &[0x84, 0, 0, 0, 15], &[0x82, 15]] {
            assert!(!is_request(&token(wrong)), "{wrong:?}");
        }
        let mut reply = token(&[15]);
        reply[13] = 2;
        assert!(!is_request(&reply));
        for length in 0..13 {
            assert!(!is_request(&token(&[15])[..length]));
        }
    }
}
