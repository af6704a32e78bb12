//! A domain for tests: a realm with a user, the keytab of a service account, and services that have it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Uid, User};
use tempfile::TempDir;
use testkit::realm::Realm;

use crate::service::{Flavour, SERVICE_USER, Service, USER, local_user};
use crate::tool;

/// The principal that becomes the account of the service.
pub(crate) const PRINCIPAL: &str = "rita@TRANSOM.TEST";
/// Its password.
pub(crate) const PASSWORD: &str = "Tickets-1";

/// A realm with a user, and the keytab of a service.
pub(crate) struct Domain {
    pub(crate) realm: Realm,
    folder: TempDir,
}

impl Domain {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("transom-realm-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let realm = Realm::start(folder.path());
        fs::set_permissions(realm.configuration(), Permissions::from_mode(0o644)).unwrap();
        realm.add_user("rita", PASSWORD, "");
        for service in ["HTTP/localhost", "WSMAN/localhost", "host/localhost"] {
            realm.add_service(service);
        }
        let domain = Self { realm, folder };
        domain.write_keytab(&domain.keytab(), &["HTTP/localhost", "WSMAN/localhost"]);
        domain
    }

    /// The folder of the realm's files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The service account's keys.
    pub(crate) fn keytab(&self) -> PathBuf {
        self.folder().join("http.keytab")
    }

    /// A keytab that the service user may read, whoever that is.
    pub(crate) fn write_keytab(&self, path: &Path, names: &[&str]) {
        let new = path.with_extension("new");
        self.realm.write_keytab(&new, names);
        for_services(&new);
        fs::rename(&new, path).unwrap();
    }

    /// Settings of a service with the keytab, and further lines.
    pub(crate) fn settings(&self, more: &str) -> String {
        format!("[Service.Kerberos]\nKeytab = \"{}\"\n{more}", self.keytab().display())
    }

    /// A service that lets [`PRINCIPAL`] in as [`USER`].
    #[track_caller]
    pub(crate) fn service(&self, scheme: &str, flavour: Flavour, more: &str) -> Service {
        let service = Service::in_realm(scheme, flavour, &self.settings(more), &self.realm);
        let map = ["principal", "add", PRINCIPAL, "--account", USER];
        tool::run(&mut service.transom(&map)).ended(0);
        service
    }

    /// The service's address with the name that its keys and its certificate have.
    pub(crate) fn url(service: &Service) -> String {
        service.url.replace("127.0.0.1", "localhost")
    }

    /// `program` with the environment of `command`, in the realm.
    fn within(&self, mut command: Command) -> Command {
        command.envs(self.realm.environment());
        command
    }

    /// Our client in the realm.
    pub(crate) fn winrs(&self) -> Command {
        self.within(tool::winrs())
    }

    /// Another program in the realm.
    pub(crate) fn program(&self, path: impl AsRef<OsStr>) -> Command {
        self.within(tool::program(path))
    }
}

/// Lets the services of these tests read a keytab, and nobody else.
pub(crate) fn for_services(keytab: &Path) {
    if Uid::effective().is_root() {
        // Root's service is this user here, and the other flavour's is in this group.
        let owner = User::from_name(SERVICE_USER).unwrap().expect("every system has it");
        let group = local_user(Flavour::Unprivileged).gid;
        chown(keytab, Some(owner.uid.as_raw()), Some(group.as_raw())).unwrap();
    }
    fs::set_permissions(keytab, Permissions::from_mode(0o640)).unwrap();
}
