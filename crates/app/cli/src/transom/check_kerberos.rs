//! What `transom serve --check` says of Kerberos: the keytab, and who is mapped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use server::kerberos;
use server::principals::{self, Principals};
use server::settings::Settings;
use spawner::store::{PRINCIPALS, Store};
use spawner::{Finding, Verdict};

/// Whether anybody can log in by Kerberos, where a keytab says that somebody shall. `folder` is the service user's.
pub(super) fn check(
    settings: &Settings,
    folder: &Path,
    service_uid: Option<u32>,
    store: Option<&Store>,
) -> Vec<Finding> {
    let auth = &settings.service.auth;
    let keytab = kerberos::keytab(settings, folder);
    if !auth.kerberos && !auth.negotiate && !auth.cred_ssp {
        return Vec::new();
    }
    if settings.service.kerberos.keytab.is_none() && !keytab.exists() {
        return Vec::new();
    }
    let mut findings = vec![keys(&keytab, service_uid)];
    findings.extend(store.map(mapped));
    findings
}

fn keys(keytab: &Path, service_uid: Option<u32>) -> Finding {
    let shown = keytab.display();
    let finding = |verdict, text: String| Finding::new("keytab", verdict, text);
    let found = match fs::metadata(keytab) {
        Ok(found) => found,
        Err(error) => return finding(Verdict::Failed, format!("{shown}: {error}")),
    };
    match service_uid {
        Some(uid) if !super::check::readable(keytab, uid) => finding(
            Verdict::Failed,
            format!("{shown}: the service user cannot read it; `chown {uid}` it"),
        ),
        Some(_) | None if found.mode() & 0o077 != 0 => finding(
            Verdict::Warning,
            format!("{shown}: others can read it, and be the service then; `chmod go=` it"),
        ),
        Some(_) | None => finding(Verdict::Ok, shown.to_string()),
    }
}

fn mapped(store: &Store) -> Finding {
    let finding = |verdict, text: String| Finding::new("principals", verdict, text);
    let limit = u64::try_from(principals::MAX_FILE).unwrap_or(u64::MAX);
    let principals = match store.read(PRINCIPALS, limit) {
        Ok(Some(bytes)) => match Principals::parse(&bytes) {
            Ok(principals) => principals,
            Err(error) => {
                return finding(Verdict::Failed, store.content(PRINCIPALS, &error).to_string());
            }
        },
        Ok(None) => Principals::default(),
        Err(error) => return finding(Verdict::Failed, error.to_string()),
    };
    match principals.entries().iter().filter(|entry| entry.enabled).count() {
        0 => {
            let text = "none is mapped to an account; `transom principal add` does that";
            finding(Verdict::Warning, text.to_owned())
        }
        count => finding(Verdict::Ok, format!("mappings: {count}")),
    }
}
