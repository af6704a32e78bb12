//! MIT's libraries, loaded when they are first needed, behind safe faces: `libkrb5` for tickets, caches and keytabs,
//! `libgssapi_krb5` for the tokens of a login.
//!
//! Only MIT's will do: what is read here of their structures is theirs, and Heimdal's have other members. The libraries
//! stay loaded until the process ends.
#![expect(unsafe_code, reason = "calls into libraries that are found at run time")]

mod copies;
mod gss;
mod krb5;
mod tables;

use std::sync::OnceLock;

use libloading::Library;

use self::tables::{GssCalls, Krb5Calls};
use super::KerberosError;

pub(super) use copies::{CacheEntry, KeytabKey, Name, Numbered};
pub(super) use gss::{Acceptance, Accepting, GssCredential, GssFault, Initiating};
pub(super) use krb5::{Cache, Fault, Found, Krb5, Principal};

/// Where the libraries are, in the order in which they are tried. No bare name on macOS: Apple has libraries of the same
/// name that are not MIT's.
#[cfg(target_os = "macos")]
const PLACES: &[(&str, &str)] = &[
    (
        "/opt/homebrew/opt/krb5/lib/libkrb5.3.3.dylib",
        "/opt/homebrew/opt/krb5/lib/libgssapi_krb5.2.2.dylib",
    ),
    (
        "/usr/local/opt/krb5/lib/libkrb5.3.3.dylib",
        "/usr/local/opt/krb5/lib/libgssapi_krb5.2.2.dylib",
    ),
    ("/opt/local/lib/libkrb5.3.3.dylib", "/opt/local/lib/libgssapi_krb5.2.2.dylib"),
];
#[cfg(not(target_os = "macos"))]
const PLACES: &[(&str, &str)] = &[
    ("libkrb5.so.3", "libgssapi_krb5.so.2"),
    ("/usr/local/lib/libkrb5.so.3", "/usr/local/lib/libgssapi_krb5.so.2"),
];

/// The calls of both libraries.
struct Loaded {
    krb5: Krb5Calls,
    gss: GssCalls,
}

/// The libraries, loaded by the first call; a failure is kept, too.
fn loaded() -> Result<&'static Loaded, KerberosError> {
    static LOADED: OnceLock<Result<Loaded, String>> = OnceLock::new();
    LOADED.get_or_init(load_first).as_ref().map_err(|why| KerberosError::no_library(why))
}

/// Loads the libraries, if that has not been done.
pub(super) fn load() -> Result<(), KerberosError> {
    loaded().map(|_| ())
}

/// From the first place that has them; the reason is the first place's.
fn load_first() -> Result<Loaded, String> {
    let mut reason = None;
    for (krb5, gss) in PLACES {
        match load_pair(krb5, gss) {
            Ok(loaded) => return Ok(loaded),
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    Err(reason.unwrap_or_default())
}

fn load_pair(krb5: &str, gss: &str) -> Result<Loaded, String> {
    // SAFETY: what the libraries do when they are loaded is theirs to answer for: they are the system's own.
    let libraries = unsafe { (Library::new(krb5), Library::new(gss)) };
    let (krb5, gss) = (libraries.0.map_err(in_words)?, libraries.1.map_err(in_words)?);
    // Never unloaded: pointers into them live as long as the process.
    let (krb5, gss): (&'static Library, &'static Library) =
        (Box::leak(Box::new(krb5)), Box::leak(Box::new(gss)));
    Ok(Loaded { krb5: Krb5Calls::find(krb5)?, gss: GssCalls::find(gss)? })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn in_words(error: libloading::Error) -> String {
    error.to_string()
}
