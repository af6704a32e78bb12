//! A service on a free port, with three accounts.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use auth::Secret;
use server::accounts::{Accounts, FileSource, MachineNames};
use server::certificates::{Certificates, New};
use server::kerberos;
use server::{Config, Listeners, RunError, Settings, run};
use spawner::network::assistant;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Pipes;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "Pa$$wörd 1";

/// A running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) plugin: Arc<Pipes>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
    folder: TempDir,
}

/// Settings with a listener on a free loopback port, and what the text adds.
pub(crate) fn settings(text: &str) -> Settings {
    let mut settings = Settings::parse(text, Path::new("test.toml")).unwrap();
    settings.listeners = vec!["http://127.0.0.1:0".parse().unwrap()];
    settings
}

/// The same by https.
pub(crate) fn https(text: &str) -> Settings {
    let mut settings = settings(text);
    settings.listeners = vec!["https://127.0.0.1:0".parse().unwrap()];
    settings
}

/// A Kerberos process that is a thread of this one.
pub(crate) fn kerberos_process(options: kerberos::Options) -> kerberos::Opened {
    let (ours, theirs) = assistant::pair().unwrap();
    kerberos::prepare(&options).unwrap();
    std::thread::spawn(move || kerberos::serve(theirs, options, None).unwrap());
    let (opened, begun) = kerberos::Opened::wait(ours).unwrap();
    assert!(matches!(begun, kerberos::Begun::Ready { .. }), "{begun:?}");
    opened
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(settings("")).await
    }

    /// Alice and Bob are administrators, Carol is nothing.
    pub(crate) async fn start_with(settings: Settings) -> Self {
        Self::start_with_keys(settings, None).await
    }

    /// The same with a Kerberos process, which is a thread of this one.
    pub(crate) async fn start_with_keys(
        settings: Settings,
        kerberos: Option<kerberos::Options>,
    ) -> Self {
        Self::start_as(settings, |config| config.kerberos = kerberos.map(kerberos_process)).await
    }

    /// The same with whatever is made of its configuration.
    pub(crate) async fn start_as(settings: Settings, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut accounts = Accounts::default();
        let administrators = || vec!["Administrators".to_owned()];
        let password = Secret::new(PASSWORD);
        accounts.add([1; 16], "alice", &password, administrators()).unwrap();
        accounts.add([2; 16], "bob", &password, administrators()).unwrap();
        accounts.add([3; 16], "carol", &password, Vec::new()).unwrap();
        let path = folder.path().join("accounts");
        std::fs::write(&path, accounts.to_text()).unwrap();
        let plugin = Arc::new(Pipes::default());
        let source = Arc::new(FileSource(path));
        let made = New { names: vec!["box".to_owned()], days: 1 }.make().unwrap();
        let service = std::fs::File::open(folder.path()).unwrap();
        Certificates::create_in(service, folder.path()).unwrap().add(&made).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (ready, listening) = oneshot::channel();
        let listeners = Listeners::open(&settings, Some(folder.path()), None, None).unwrap();
        let mut config = Config::new(settings, listeners, source);
        config.names = MachineNames::new("box.example.test");
        config.plugins = vec![Arc::<Pipes>::clone(&plugin)];
        config.stop = Box::pin(async move { drop(stopped.await) });
        config.ready = Box::new(|addresses| ready.send(addresses[0]).unwrap());
        change(&mut config);
        let task = tokio::spawn(run(config));
        let address = listening.await.unwrap();
        Self { address, plugin, stop, task, folder }
    }

    /// The certificate of its folder.
    pub(crate) fn thumbprint(&self) -> String {
        let found = Certificates::open(self.folder.path()).unwrap().unwrap();
        let identity = found.choose(None).unwrap();
        identity.facts().unwrap().thumbprint.to_string()
    }

    /// A file beside the accounts.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}
