//! The service's Kerberos process: the network process starts it before its own sandbox closes, twice: a supervisor that
//! does nothing but start the worker, again when it dies, and the worker, which has the keytab and the library.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use server::Settings;
use server::kerberos::frames::Unusable;
use server::kerberos::{self, Begun, End, Opened, Options};
use spawner::network::assistant;
use tracing::{info, warn};

use crate::command_error::{CommandError, Program};

/// What the library, the system's name service and its resolver read, on any distribution.
const READABLE: [&str; 13] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/opt",
    "/gnu",
    "/nix",
    "/var/lib/sss",
    "/var/lib/samba/smb_krb5",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/urandom",
];

/// The options of the Kerberos process.
#[derive(Args, Debug)]
pub(super) struct KerberosArgs {
    #[arg(long)]
    keytab: Option<PathBuf>,
    #[arg(long)]
    replays: PathBuf,
    #[arg(long)]
    allow_host_key: bool,
    #[arg(long)]
    worker: bool,
}

impl KerberosArgs {
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![super::KERBEROS.into()];
        if let Some(keytab) = &self.keytab {
            words.extend(["--keytab".into(), keytab.into()]);
        }
        words.extend(["--replays".into(), self.replays.clone().into()]);
        if self.allow_host_key {
            words.push("--allow-host-key".into());
        }
        words
    }
}

/// Starts the process where the settings and the files want one, and hears what it has to say. `folder` is the service
/// user's.
///
/// # Errors
/// A keytab that must not be used.
pub(super) fn start(settings: &Settings, folder: &Path) -> Result<Option<Opened>, CommandError> {
    let auth = &settings.service.auth;
    if !auth.kerberos && !auth.negotiate && !auth.cred_ssp {
        return Ok(None);
    }
    let keytab = kerberos::keytab(settings, folder);
    let has_keytab = settings.service.kerberos.keytab.is_some() || keytab.exists();
    if !has_keytab {
        info!(keytab = %keytab.display(), "Kerberos is not offered: there is no keytab");
        // Passwords that come by CredSSP buy tickets without one.
        if !auth.cred_ssp {
            return Ok(None);
        }
    }
    let args = KerberosArgs {
        keytab: has_keytab.then_some(keytab),
        replays: folder.join(kerberos::REPLAYS),
        allow_host_key: settings.service.kerberos.allow_host_key,
        worker: false,
    };
    let begun = assistant::start(args.words()).and_then(Opened::wait);
    let (opened, begun) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            warn!(%error, "Kerberos is not offered: its process does not start");
            return Ok(None);
        }
    };
    match begun {
        Begun::Ready { entries, unconfined } => {
            if has_keytab {
                info!(keys = kerberos::told(&entries), "Kerberos is offered");
            }
            if let Some(missing) = unconfined {
                warn!("The Kerberos process is not confined: {missing}");
            }
            for service in kerberos::unneeded(&entries) {
                warn!(
                    service,
                    "The keytab has a key that the service does not need: whoever takes the service over has it"
                );
            }
            Ok(Some(opened))
        }
        Begun::Unusable { reason: Unusable::HostKey, text } => Err(CommandError::failed(text)),
        Begun::Unusable { reason, text } => {
            warn!(reason = text, "Kerberos is not offered");
            Ok((auth.cred_ssp && reason == Unusable::Keytab).then_some(opened))
        }
    }
}

/// Runs the supervisor or the worker to its end.
pub(super) fn run(socket: OwnedFd, args: KerberosArgs) -> ExitCode {
    match try_run(socket, args) {
        Ok(End::Service) => ExitCode::SUCCESS,
        Ok(End::Keytab) => assistant::again(),
        Err(error) => error.report(Program::Transom),
    }
}

fn try_run(socket: OwnedFd, args: KerberosArgs) -> Result<End, CommandError> {
    let failed = |error: &io::Error| CommandError::caused("serving Kerberos", error);
    if !args.worker {
        let mut words = args.words();
        words.push("--worker".into());
        let ended = assistant::supervise(&socket, &words, kerberos::died);
        return ended.map(|()| End::Service).map_err(|error| failed(&error));
    }
    let KerberosArgs { keytab, replays, allow_host_key, .. } = args;
    let options = Options { keytab, replays, allow_host_key };
    kerberos::prepare(&options).map_err(|error| failed(&error))?;
    let configured = configuration();
    let mut readable: Vec<&Path> = READABLE.iter().map(Path::new).collect();
    readable.extend(configured.iter().map(PathBuf::as_path));
    // The file, and not its folder, in which the keys of https may lie.
    readable.extend(options.keytab.as_deref());
    let confined = assistant::confine(&readable, &[&options.replays], assistant::Network::Connects);
    let unconfined = confined.unwrap_or_else(|error| Some(error.to_string()));
    kerberos::serve(socket, options, unconfined).map_err(|error| failed(&error))
}

/// The files of `KRB5_CONFIG`, where that says something else than the system's.
fn configuration() -> Vec<PathBuf> {
    let words = std::env::var_os("KRB5_CONFIG").unwrap_or_default();
    std::env::split_paths(&words).filter(|path| path.is_absolute()).collect()
}
