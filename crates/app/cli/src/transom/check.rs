//! `transom serve --check`: what would keep the service from starting, or somebody from using it.
//!
//! One line per finding; nothing is started, and no file is made or changed. What the spawner needs is looked at by its
//! own crate, what the network process needs here.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use server::Settings;
use server::accounts::{self, Accounts};
use server::certificates::{Certificates, Thumbprint};
use server::clients::{self, Clients};
use server::settings::{ListenAddress, Listener, MetricsAddress, Transport};
use spawner::store::{ACCOUNTS, CLIENTS, SERVICE, Store};
use spawner::users::Users;
use spawner::{Finding, LogFormat, Verdict};

use super::check_kerberos;
use super::network::NetworkArgs;
use super::serve::Start;
use crate::command_error::{CommandError, Program};

/// The settings when nobody names others.
const CONFIG: &str = "/etc/transom/config.toml";

/// Looks at everything, prints it, and ends with 0 when the service could start and everyone could use it.
pub(super) fn run(start: Start) -> ExitCode {
    match try_run(start) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => error.report(Program::Transom),
    }
}

fn try_run(start: Start) -> Result<bool, CommandError> {
    let format = start.log_format;
    let options = start.into_options()?;
    let words = std::iter::once(OsString::from(super::NETWORK));
    let args = Words::try_parse_from(words.chain(options.network_args.clone()))?.args;
    let report = spawner::check(&options);
    let mut findings = report.findings;
    if let Some(store) = &report.store {
        findings.extend(known_accounts(store));
    }
    let store = report.store.as_ref();
    findings.extend(settings(args, report.service_uid, report.running, store));
    let mut text = String::new();
    for finding in &findings {
        let _infallible = writeln!(text, "{}", shown(finding, format));
    }
    super::print(&text)?;
    Ok(findings.iter().all(|finding| finding.verdict != Verdict::Failed))
}

/// The words that the network process would get.
#[derive(clap::Parser, Debug)]
struct Words {
    #[command(flatten)]
    args: NetworkArgs,
}

fn shown(finding: &Finding, format: LogFormat) -> String {
    let Finding { what, verdict, text } = finding;
    match format {
        LogFormat::Text => format!("{verdict:<8} {what}: {text}"),
        LogFormat::Json => {
            let verdict = verdict.to_string();
            serde_json::json!({ "check": what, "verdict": verdict, "text": text }).to_string()
        }
    }
}

/// Whether the accounts can be read, and somebody is behind each.
fn known_accounts(store: &Store) -> Vec<Finding> {
    let finding = |verdict, text: String| Finding::new("accounts", verdict, text);
    let limit = u64::try_from(accounts::MAX_FILE).unwrap_or(u64::MAX);
    let accounts = match store.read(ACCOUNTS, limit) {
        Ok(Some(bytes)) => match Accounts::parse(&bytes) {
            Ok(accounts) => accounts,
            Err(error) => {
                return vec![finding(Verdict::Failed, store.content(ACCOUNTS, &error).to_string())];
            }
        },
        Ok(None) => Accounts::default(),
        Err(error) => return vec![finding(Verdict::Failed, error.to_string())],
    };
    let count = accounts.iter().count();
    if count == 0 {
        let text = "none: nobody can log in; add one with `transom account add NAME`";
        return vec![finding(Verdict::Warning, text.to_owned())];
    }
    // Mappings that cannot be read are a finding already.
    let Ok(users) = Users::read(store) else { return Vec::new() };
    let mut findings = vec![finding(Verdict::Ok, count.to_string())];
    for account in accounts.iter().filter(|account| users.find(&account.id).is_none()) {
        let text = "has no local user; remove it and add it again".to_owned();
        findings.push(Finding::new(format!("account {}", account.name), Verdict::Failed, text));
    }
    findings
}

/// The settings, and the listeners that they and the command line ask for.
fn settings(
    args: NetworkArgs,
    service_uid: Option<u32>,
    running: bool,
    store: Option<&Store>,
) -> Vec<Finding> {
    let finding = |verdict, text: String| Finding::new("settings", verdict, text);
    let (path, settings) = match args.config {
        Some(path) => {
            let settings = Settings::load(&path);
            (path, settings)
        }
        None => (PathBuf::from(CONFIG), Settings::load_default()),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return vec![finding(Verdict::Failed, error.to_string())],
    };
    let shown = path.display();
    let mut findings = vec![match (path.exists(), service_uid) {
        (false, _) => finding(Verdict::Ok, format!("the defaults; there is no {shown}")),
        (true, Some(uid)) if !readable(&path, uid) => finding(
            Verdict::Warning,
            format!(
                "{shown}: the service user may not be able to read it; `chmod o+r` it, and `chmod o+x` the folders above"
            ),
        ),
        (true, _) => finding(Verdict::Ok, shown.to_string()),
    }];
    let listeners = if args.listen.is_empty() { settings.listeners.clone() } else { args.listen };
    if listeners.is_empty() {
        let text = "none: nobody can connect; add one to the settings or use --listen";
        findings.push(Finding::new("listeners", Verdict::Failed, text));
    }
    findings.extend(listeners.iter().map(|listener| can_listen(listener, running)));
    let metrics = args.metrics.or(settings.metrics.listen);
    findings.extend(metrics.map(|address| metrics_listener(address, running)));
    let folder = args.state.join(SERVICE);
    let secure = listeners.iter().filter(|listener| listener.transport == Transport::Https);
    if settings.service.auth.certificate
        && let Some(store) = store
    {
        findings.extend(client_certificates(store, secure.clone().count() > 0));
    }
    let own = args.certificate.as_ref();
    findings.extend(check_kerberos::check(&settings, &folder, service_uid, store));
    findings.extend(secure.map(|listener| {
        certificate("certificate", &folder, listener.certificate.as_ref().or(own))
    }));
    // Without a thumbprint CredSSP has a certificate that is made at the start.
    let service = &settings.service;
    let inner = service.certificate_thumbprint.as_ref().filter(|_| service.auth.cred_ssp);
    findings
        .extend(inner.map(|wanted| certificate("certificate of CredSSP", &folder, Some(wanted))));
    findings
}

/// Whether anybody can log in by a certificate, and nobody because of a list whose time is over.
fn client_certificates(store: &Store, has_https: bool) -> Vec<Finding> {
    let finding = |verdict, text: String| Finding::new("client certificates", verdict, text);
    let limit = u64::try_from(clients::MAX_FILE).unwrap_or(u64::MAX);
    let clients = match store.read(CLIENTS, limit) {
        Ok(Some(bytes)) => match Clients::parse(&bytes) {
            Ok(clients) => clients,
            Err(error) => {
                return vec![finding(Verdict::Failed, store.content(CLIENTS, &error).to_string())];
            }
        },
        Ok(None) => Clients::default(),
        Err(error) => return vec![finding(Verdict::Failed, error.to_string())],
    };
    let mut findings = vec![if !has_https {
        let text = "no listener is https: nobody can log in by certificate";
        finding(Verdict::Warning, text.to_owned())
    } else if clients.mappings().is_empty() {
        let text = "none is mapped to an account; `transom cert map add` does that";
        finding(Verdict::Warning, text.to_owned())
    } else {
        finding(Verdict::Ok, format!("mappings: {}", clients.mappings().len()))
    }];
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    for (_, list) in clients.lists().filter(|(_, list)| list.next_update.unix() < now) {
        let text = format!(
            "its time was over on {}: clients of this authority are refused; `transom cert import --crl` with its new list",
            list.next_update
        );
        findings.push(Finding::new(
            format!("revocation list of {}", list.issuer),
            Verdict::Failed,
            text,
        ));
    }
    findings
}

/// Whether a listener, or CredSSP, has its certificate. The names of the files tell: root opens none of them.
fn certificate(what: &str, folder: &Path, wanted: Option<&Thumbprint>) -> Finding {
    let finding = |verdict, text: String| Finding::new(what, verdict, text);
    let found = Certificates::open(folder).and_then(|certificates| {
        certificates.map_or_else(|| Ok(Vec::new()), |certificates| certificates.list())
    });
    match (found, wanted) {
        (Err(error), _) => finding(Verdict::Failed, error.to_string()),
        (Ok(found), Some(wanted)) if found.contains(wanted) => {
            finding(Verdict::Ok, wanted.to_string())
        }
        (Ok(_), Some(wanted)) => {
            let text = format!("there is no {wanted}; `transom cert show` lists those there are");
            finding(Verdict::Failed, text)
        }
        (Ok(found), None) => match found.as_slice() {
            [] => finding(Verdict::Failed, "none; `transom cert new-server` makes one".to_owned()),
            [only] => finding(Verdict::Ok, only.to_string()),
            _ => finding(
                Verdict::Failed,
                "several; choose one by --certificate or CertificateThumbprint".to_owned(),
            ),
        },
    }
}

/// Whether `uid` reaches and reads the file by its permissions for the owner or for everyone.
pub(super) fn readable(path: &Path, uid: u32) -> bool {
    let allows = |path: &Path, everyone: u32, owner: u32| {
        fs::metadata(path).is_ok_and(|found| {
            uid == 0
                || found.mode() & everyone != 0
                || (found.uid() == uid && found.mode() & owner != 0)
        })
    };
    let Ok(path) = path.canonicalize() else { return false };
    allows(&path, 0o004, 0o400)
        && path.ancestors().skip(1).all(|folder| allows(folder, 0o001, 0o100))
}

fn can_listen(listener: &Listener, running: bool) -> Finding {
    let what = format!("listener {}:{}{}", listener.address, listener.port, listener.path());
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    match bind(listener) {
        Ok(()) => Finding::new(what, Verdict::Ok, "can be opened"),
        Err(error) if taken(&error) && running => {
            let text = "taken, by the service that runs from this state folder unless another does";
            Finding::new(what, Verdict::Ok, text)
        }
        Err(error) if taken(&error) => {
            let text = format!(
                "{error}; stop what listens there (`ss -ltnp` shows it) or choose another port"
            );
            Finding::new(what, Verdict::Failed, text)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let text = format!("{error}; start the service as root or choose a port from 1024 on");
            Finding::new(what, Verdict::Failed, text)
        }
        Err(error) => {
            let text = format!(
                "{error}; the address must be one of this machine's (`ip addr` shows them)"
            );
            Finding::new(what, Verdict::Failed, text)
        }
    }
}

fn metrics_listener(address: MetricsAddress, running: bool) -> Finding {
    let what = format!("metrics {address}");
    match TcpListener::bind(address.get()) {
        Ok(_) => Finding::new(what, Verdict::Ok, "can be opened"),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            let text = "taken, by the service that runs from this state folder unless another does";
            Finding::new(what, Verdict::Ok, text)
        }
        Err(error) => Finding::new(what, Verdict::Failed, format!("{error}; choose another port")),
    }
}

/// Opens each address for a moment.
fn bind(listener: &Listener) -> io::Result<()> {
    let addresses: Vec<IpAddr> = match &listener.address {
        ListenAddress::Any => {
            TcpListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listener.port))?;
            let six =
                TcpListener::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), listener.port));
            // A machine without IPv6 listens on what it has.
            return match six {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
                Ok(_) | Err(_) => Ok(()),
            };
        }
        ListenAddress::Ip(address) => vec![*address],
        ListenAddress::Name(name) => {
            let found = (name.as_str(), listener.port).to_socket_addrs()?;
            found.map(|address| address.ip()).collect()
        }
        ListenAddress::Mac(mac) => {
            let all = server::configuration::interfaces()?;
            all.into_iter().filter(|one| one.mac == Some(*mac)).map(|one| one.address).collect()
        }
    };
    for address in addresses {
        TcpListener::bind(SocketAddr::new(address, listener.port))?;
    }
    Ok(())
}
