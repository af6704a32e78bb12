//! A running `transom serve` for one test: as root, or as a user who may become nobody else.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;
use testkit::realm::Realm;

use crate::tool::{self, Ran};

/// The account that every service has.
pub(crate) const USER: &str = "alice";
/// Its password.
pub(crate) const PASSWORD: &str = "Pässword 1!";

/// Whom root's service in a realm runs as: a user that every system has, and nothing runs as.
pub(crate) const SERVICE_USER: &str = "daemon";

/// Who starts the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Root: network process and commands are other users.
    Root,
    /// Somebody else: everything is that user.
    Unprivileged,
}

/// The flavours that are possible for whoever runs the tests.
pub(crate) fn flavours() -> Vec<Flavour> {
    if Uid::effective().is_root() {
        vec![Flavour::Root, Flavour::Unprivileged]
    } else {
        vec![Flavour::Unprivileged]
    }
}

/// A service that is stopped when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) flavour: Flavour,
    folder: TempDir,
    program: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
}

/// How a service is started.
struct Setup<'a> {
    scheme: &'a str,
    flavour: Flavour,
    settings: &'a str,
    /// Further options of `serve`.
    options: &'a [&'a str],
    /// A program, and its arguments, that starts the service.
    wrapper: &'a [&'a str],
    make_state: Option<&'a dyn Fn(&Path)>,
    log: Option<File>,
    /// The settings have the listener.
    configured: bool,
}

impl Setup<'_> {
    const fn new(flavour: Flavour) -> Self {
        Self {
            scheme: "http",
            flavour,
            settings: "",
            options: &[],
            wrapper: &[],
            make_state: None,
            log: None,
            configured: false,
        }
    }
}

impl Service {
    /// Starts a service with the account [`USER`] and the default settings.
    #[track_caller]
    pub(crate) fn start(flavour: Flavour) -> Self {
        Self::configured(flavour, "")
    }

    /// Starts a service with these lines as its settings.
    #[track_caller]
    pub(crate) fn configured(flavour: Flavour, settings: &str) -> Self {
        Self::with_options(flavour, settings, &[])
    }

    /// The same by https, with a certificate of its own for `localhost` and `127.0.0.1`.
    #[track_caller]
    pub(crate) fn https(flavour: Flavour, settings: &str) -> Self {
        Self::on("https", flavour, settings, &[])
    }

    /// The same with this certificate and key beside its own.
    #[track_caller]
    pub(crate) fn https_with(flavour: Flavour, certificate: &Path, key: &Path) -> Self {
        let mut service = Self::https(flavour, "");
        let mut command = service.transom(&["cert", "import"]);
        let shown = tool::run(command.arg(certificate).arg("--key").arg(key)).ended(0).stdout;
        let thumbprint = shown.split_whitespace().nth(1).unwrap().to_owned();
        // The only one is taken without a word.
        for file in fs::read_dir(service.state().join("service/certificates")).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_str().unwrap().starts_with(&thumbprint) {
                fs::remove_file(file.path()).unwrap();
            }
        }
        service.stop_and_start_again();
        service
    }

    /// The same where the settings say on which port, which is 0.
    #[track_caller]
    pub(crate) fn https_as_configured(flavour: Flavour, settings: &str) -> Self {
        Self::set_up(Setup { scheme: "https", settings, configured: true, ..Setup::new(flavour) })
    }

    /// Starts a service with these settings and further options of `serve`.
    #[track_caller]
    pub(crate) fn with_options(flavour: Flavour, settings: &str, options: &[&str]) -> Self {
        Self::on("http", flavour, settings, options)
    }

    /// Starts a service whose processes may have so many descriptors each.
    #[track_caller]
    pub(crate) fn with_descriptors(flavour: Flavour, most: u32) -> Self {
        Self::start_by(flavour, &["prlimit", &format!("--nofile={most}")])
    }

    /// Starts a service through another program, such as one that sets limits.
    #[track_caller]
    pub(crate) fn start_by(flavour: Flavour, wrapper: &[&str]) -> Self {
        Self::set_up(Setup { wrapper, ..Setup::new(flavour) })
    }

    /// Starts a service of a Kerberos realm, by `http` or `https`; the settings name its keytab.
    #[track_caller]
    pub(crate) fn in_realm(scheme: &str, flavour: Flavour, settings: &str, realm: &Realm) -> Self {
        let configuration = format!("KRB5_CONFIG={}", realm.configuration().display());
        let wrapper = &["env", configuration.as_str()];
        // A user that the keytab may belong to before the service starts.
        let options: &[&str] =
            if flavour == Flavour::Root { &["--service-user", SERVICE_USER] } else { &[] };
        Self::set_up(Setup { scheme, settings, options, wrapper, ..Setup::new(flavour) })
    }

    /// Starts a service through another program, with these settings and options.
    #[track_caller]
    pub(crate) fn configured_by(
        flavour: Flavour,
        settings: &str,
        options: &[&str],
        wrapper: &[&str],
    ) -> Self {
        Self::set_up(Setup { settings, options, wrapper, ..Setup::new(flavour) })
    }

    /// Starts a service whose state folder something else makes.
    #[track_caller]
    pub(crate) fn with_state(flavour: Flavour, make: &dyn Fn(&Path)) -> Self {
        Self::set_up(Setup { make_state: Some(make), ..Setup::new(flavour) })
    }

    /// Starts a service that logs to this file: [`Service::log`] is empty.
    #[track_caller]
    pub(crate) fn logging_to(flavour: Flavour, log: File) -> Self {
        Self::set_up(Setup { log: Some(log), ..Setup::new(flavour) })
    }

    #[track_caller]
    fn on(scheme: &str, flavour: Flavour, settings: &str, options: &[&str]) -> Self {
        Self::set_up(Setup { scheme, settings, options, ..Setup::new(flavour) })
    }

    #[track_caller]
    fn set_up(setup: Setup<'_>) -> Self {
        let Setup { scheme, flavour, settings, options, wrapper, make_state, log, configured } =
            setup;
        let folder = tempfile::Builder::new().prefix("transom-test-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        // Whoever runs the service may not be able to reach the build folder.
        let program = tool::copy_of_transom(folder.path());
        let config = folder.path().join("config.toml");
        fs::write(&config, settings).unwrap();
        fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
        if flavour == Flavour::Unprivileged && Uid::effective().is_root() {
            let user = local_user(flavour);
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        if let Some(make) = make_state {
            make(&folder.path().join("state"));
        }
        add_account(&program, flavour, folder.path(), USER, None).ended(0);
        if scheme == "https" {
            make_certificate(&program, flavour, folder.path());
        }
        if options.contains(&SERVICE_USER) && scheme == "https" {
            let own = folder.path().join("state/service");
            tool::run(tool::program("chown").args(["-R", SERVICE_USER]).arg(own)).ended(0);
        }

        let scheme = if configured { None } else { Some(scheme) };
        let mut command = serve(scheme, flavour, &program, folder.path());
        command.args(options);
        if let Some((first, rest)) = wrapper.split_first() {
            let mut outer = tool::program(first);
            outer.args(rest).arg(command.get_program()).args(command.get_args());
            command = outer;
        }
        let (child, log, url) = match log {
            Some(log) => listen_unheard(command, log),
            None => listen(command),
        };
        let port = port_of(&url);
        Self { url, port, flavour, folder, program, child, log }
    }

    /// Starts a service whose log, as JSON, goes to the file `log` in a folder of its own beside the state.
    #[track_caller]
    pub(crate) fn with_log_file(flavour: Flavour, options: &[&str]) -> Self {
        let service = Self::with_options(flavour, "", &[]);
        let file = service.log_file();
        service.again_with_log_at(&file, options)
    }

    /// Ends a service and starts it again, with this file for its log.
    #[track_caller]
    pub(crate) fn again_with_log_at(mut self, file: &Path, options: &[&str]) -> Self {
        let flavour = self.flavour;
        let service = &mut self;
        kill(pid(service.child.id()), Signal::SIGTERM).unwrap();
        tool::wait(&mut service.child);
        let mut command = serve(Some("http"), flavour, &service.program, service.folder.path());
        command.args(["--log", "json", "--log-file"]).arg(file).args(options);
        service.child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let url = || {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().find_map(listening_url)
        };
        tool::until("the service listens", || url().is_some());
        let url = url().unwrap();
        service.port = port_of(&url);
        service.url = url;
        self
    }

    /// The file of [`Service::with_log_file`].
    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Sends a signal to the process that was started.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(self.child.id()), signal).unwrap();
    }

    /// Waits until the service has ended by itself, and starts it again on the same state.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        tool::wait(&mut self.child);
        let scheme = self.url.split(':').next().unwrap();
        let again = serve(Some(scheme), self.flavour, &self.program, self.folder.path());
        let (child, log, url) = listen(again);
        self.port = port_of(&url);
        (self.child, self.log, self.url) = (child, log, url);
    }

    /// The service's state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The certificate of a service by https, for those who shall trust it.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Everything logged so far, and what is still on its way.
    pub(crate) fn log(&self) -> String {
        tool::settled(|| self.logged())
    }

    fn logged(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until this is in the log, which may come later than the answer that it is about.
    #[track_caller]
    pub(crate) fn has_said(&self, what: &str) {
        tool::until(&format!("{what:?} in the log"), || self.logged().contains(what));
    }

    /// The process that was started, the spawner.
    pub(crate) fn spawner(&self) -> u32 {
        self.child.id()
    }

    /// A `transom` subcommand on this service's state, as whoever runs the service.
    pub(crate) fn transom(&self, words: &[&str]) -> Command {
        let mut command = as_flavour(self.flavour, &self.program);
        command.args(words).arg("--state").arg(self.state());
        command
    }

    /// Adds another account; only root's service can have one.
    pub(crate) fn add_account(&self, name: &str, local_user: &str) -> Ran {
        add_account(&self.program, self.flavour, self.folder.path(), name, Some(local_user))
    }

    /// Adds an account that is in this group alone.
    pub(crate) fn add_member(&self, name: &str, local_user: &str, group: &str) -> Ran {
        let mut command = as_flavour(self.flavour, &self.program);
        command.args(["account", "add", name, "--local-user", local_user, "--group", group]);
        command.args(["--password-stdin", "--state"]).arg(self.state());
        tool::run_with_input(&mut command, format!("{PASSWORD}\n").as_bytes())
    }

    /// `winrs` to this service as [`USER`] by NTLM, with these further words.
    pub(crate) fn winrs(&self, words: &[&str]) -> Command {
        let mut command = tool::winrs();
        command.arg(format!("-r:{}", self.url)).arg(format!("-u:{USER}"));
        command.env("TRANSOM_PASSWORD", PASSWORD).args(words);
        command
    }

    /// Runs a command line through [`Service::winrs`].
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        tool::run(&mut self.winrs(&[line]))
    }

    /// The same by https, with the certificate that the service had at first.
    #[track_caller]
    pub(crate) fn run_trusting(&self, line: &str) -> Ran {
        let certificate = self.certificate();
        tool::run(self.winrs(&["--ca"]).arg(certificate).arg(line))
    }

    /// Stops in order, and starts again on the same state.
    #[track_caller]
    pub(crate) fn stop_and_start_again(&mut self) {
        kill(pid(self.child.id()), Signal::SIGTERM).unwrap();
        self.start_again();
    }

    /// Stops in order, as a service manager does.
    #[track_caller]
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill(pid(self.child.id()), Signal::SIGTERM).unwrap();
        tool::wait(&mut self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _gone = kill(pid(self.child.id()), Signal::SIGTERM);
            tool::wait(&mut self.child);
        }
        if thread::panicking() {
            eprintln!("--- log of the service\n{}", self.logged());
        }
    }
}

/// Whom commands of [`USER`] run as.
pub(crate) fn local_user(flavour: Flavour) -> User {
    match flavour {
        Flavour::Root => User::from_name("nobody").unwrap().expect("there is a user nobody"),
        Flavour::Unprivileged if Uid::effective().is_root() => {
            User::from_name("nobody").unwrap().expect("there is a user nobody")
        }
        Flavour::Unprivileged => {
            User::from_uid(Uid::effective()).unwrap().expect("who runs the tests has a name")
        }
    }
}

/// The program, started by whom the flavour says.
pub(crate) fn as_flavour(flavour: Flavour, program: &Path) -> Command {
    if flavour == Flavour::Root || !Uid::effective().is_root() {
        return tool::program(program);
    }
    let user = local_user(flavour);
    let mut command = tool::program("setpriv");
    command
        .arg(format!("--reuid={}", user.uid))
        .arg(format!("--regid={}", user.gid))
        .arg("--clear-groups");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]).arg(program);
    command.env("HOME", "/").current_dir("/");
    command
}

/// A certificate in the service's store, and a copy in `ca.pem`.
#[track_caller]
fn make_certificate(program: &Path, flavour: Flavour, folder: &Path) {
    let state = folder.join("state");
    let mut command = as_flavour(flavour, program);
    command.args(["cert", "new-server", "--name", "localhost", "--name", "127.0.0.1", "--state"]);
    let made = tool::run(command.arg(&state)).ended(0);
    let thumbprint = made.stdout.split_whitespace().nth(1).unwrap();
    let mut command = as_flavour(flavour, program);
    command.args(["cert", "export", thumbprint, "--state"]);
    let exported = tool::run(command.arg(&state)).ended(0);
    fs::write(folder.join("ca.pem"), exported.stdout).unwrap();
}

#[track_caller]
fn add_account(
    program: &Path,
    flavour: Flavour,
    folder: &Path,
    name: &str,
    local: Option<&str>,
) -> Ran {
    let local = local.map_or_else(|| local_user(flavour).name, str::to_owned);
    let mut command = as_flavour(flavour, program);
    command.args(["account", "add", name, "--local-user", &local, "--password-stdin", "--state"]);
    command.arg(folder.join("state"));
    tool::run_with_input(&mut command, format!("{PASSWORD}\n").as_bytes())
}

/// `transom serve` on the state and the settings in a folder.
fn serve(scheme: Option<&str>, flavour: Flavour, program: &Path, folder: &Path) -> Command {
    let mut command = as_flavour(flavour, program);
    command.arg("serve").arg("--state").arg(folder.join("state")).arg("--config");
    command.arg(folder.join("config.toml"));
    if let Some(scheme) = scheme {
        command.args(["--listen", &format!("{scheme}://127.0.0.1:0")]);
    }
    command
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Starts the service, and returns it with its URL once it listens.
#[track_caller]
fn listen(mut command: Command) -> (Child, Arc<Mutex<String>>, String) {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (sender, listening) = mpsc::channel();
    let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            kept.lock().unwrap().push_str(&format!("{line}\n"));
            if let Some(url) = listening_url(&line) {
                // The test may have failed meanwhile; the log goes on.
                let _unasked = sender.send(url);
            }
        }
    });
    if let Ok(url) = listening.recv_timeout(tool::LIMIT) {
        return (child, log, url);
    }
    // It has ended, or hangs.
    let _gone = child.kill();
    child.wait().unwrap();
    panic!("the service does not start:\n{}", log.lock().unwrap());
}

/// Starts the service on a port that is free now, and returns it once it listens there; its log goes elsewhere.
#[track_caller]
fn listen_unheard(mut command: Command, log: File) -> (Child, Arc<Mutex<String>>, String) {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    let url = format!("http://{address}");
    // The listener of the command line that comes first is on a port that nobody learns.
    command.args(["--listen", &url]).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().unwrap();
    tool::until("it listens", || TcpStream::connect(address).is_ok());
    (child, Arc::default(), url)
}

/// The URL in the line about a listener, as text or as JSON, without the path.
fn listening_url(line: &str) -> Option<String> {
    let url = match serde_json::from_str::<serde_json::Value>(line) {
        Ok(line) if line["fields"]["message"] == "Listening" => {
            line["fields"]["url"].as_str()?.to_owned()
        }
        Ok(_) => return None,
        Err(_) => line.split_once("Listening url=")?.1.to_owned(),
    };
    Some(url.trim_end_matches("/wsman").to_owned())
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap())
}
