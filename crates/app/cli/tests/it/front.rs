//! What stands between a client and a service in the world: Apache in front of one, and proxies, all with logins of
//! their own. Released programs, each on a port of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;
use testkit::outside::{peers_python, report};

use crate::tool;

/// The account at everything here.
pub(crate) const USER: &str = "proxy user";
/// Its password.
pub(crate) const PASSWORD: &str = "Pa:ss \"word\"";
/// The account at a proxy with NTLM.
pub(crate) const NTLM_USER: &str = "alice";
/// Its password.
pub(crate) const NTLM_PASSWORD: &str = "Pässwörd 1";
/// The realm of Digest. With quotes in it Apache does not know it again.
pub(crate) const REALM: &str = "a realm, Basic or not";

/// A program that was started for a test.
pub(crate) struct Front {
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
    /// Who says whether a user is let in, and its accounts.
    judge: Option<(Child, TempDir)>,
}

impl Drop for Front {
    fn drop(&mut self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _gone = kill(id, Signal::SIGTERM);
        tool::wait(&mut self.child);
        if let Some((judge, _)) = &mut self.judge {
            let _gone = judge.kill();
            tool::wait(judge);
        }
        if std::thread::panicking() {
            eprintln!("--- log of what stands in front\n{}", self.logged());
        }
    }
}

/// Debian keeps servers out of the way of users.
fn program(name: &str) -> String {
    let places = [format!("/usr/sbin/{name}"), format!("/usr/bin/{name}")];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    found.unwrap_or_else(|| panic!("{name} is missing: `cargo xtask test` installs it"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Front {
    fn start(name: &str, config: impl Fn(u16, &Path) -> String, words: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-front-").tempdir().unwrap();
        // Programs give up root before they read their files.
        let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), anybody).unwrap();
        let port = free_port();
        fs::write(folder.path().join("conf"), config(port, folder.path())).unwrap();
        let mut command = tool::program(program(name));
        for word in words {
            let word = word.replace("{}", folder.path().to_str().unwrap());
            command.arg(word.replace("{port}", &port.to_string()));
        }
        let out = fs::File::create(folder.path().join("said")).unwrap();
        command.stdout(Stdio::null()).stderr(out);
        let mut front = Self { port, folder, child: command.spawn().unwrap(), judge: None };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = front.child.try_wait().unwrap();
            assert!(ended.is_none(), "{name} ended: {ended:?}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        front
    }

    /// What it logged about requests, and what it said.
    pub(crate) fn log(&self) -> String {
        tool::settled(|| self.logged())
    }

    fn logged(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name));
        ["access", "error", "said"].map(|name| read(name).unwrap_or_default()).concat()
    }

    /// Waits until this is in what it says, which may come later than the answer that it is about.
    #[track_caller]
    pub(crate) fn has_said(&self, what: &str) {
        tool::until(&format!("{what:?} in its log"), || self.logged().contains(what));
    }

    /// How many tunnels it was asked for.
    pub(crate) fn connects(&self) -> usize {
        let access = fs::read_to_string(self.folder.path().join("access")).unwrap_or_default();
        access.matches("CONNECT ").count()
    }

    /// Waits until it was asked for so many tunnels at least, which it writes down when they end; how many it says then.
    pub(crate) fn has_been_asked(&self, count: usize) -> usize {
        tool::until("a tunnel in the proxy's log", || self.connects() >= count);
        self.connects()
    }

    /// Its address as a proxy.
    pub(crate) fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its certificate, if it is reached by https.
    pub(crate) fn certificate(&self) -> String {
        self.folder.path().join("cert.pem").to_str().unwrap().to_owned()
    }
}

/// What every Apache here has.
fn apache_base(port: u16, folder: &Path, modules: &[&str]) -> String {
    let folder = folder.display();
    let mut text = format!(
        "ServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {folder}/pid\n\
         ErrorLog {folder}/error\nDefaultRuntimeDir {folder}\nMutex file:{folder}\nKeepAliveTimeout 60\nMaxKeepAliveRequests 0\n"
    );
    if Uid::effective().is_root() {
        text.push_str("User nobody\nGroup nogroup\n");
    }
    let base = ["mpm_event", "authn_core", "authz_core", "authz_user", "authn_file", "proxy"];
    for module in base.iter().chain(modules) {
        text.push_str(&format!(
            "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"
        ));
    }
    text.push_str(&format!("CustomLog {folder}/access \"%r %>s\"\n"));
    text
}

/// The account as files of Digest have it.
fn hashed_account() -> String {
    let mut md5sum = tool::program("md5sum");
    let text = format!("{USER}:{REALM}:{PASSWORD}");
    let hash = tool::run_with_input(&mut md5sum, text.as_bytes()).ended(0).stdout;
    format!("{USER}:{REALM}:{}\n", hash.split(' ').next().unwrap())
}

/// The lines of a login by `scheme`, Basic or Digest, and the file of its account.
fn apache_login(folder: &Path, scheme: &str, more: &str) -> String {
    let file = folder.join("users");
    if scheme == "Digest" {
        fs::write(&file, hashed_account()).unwrap();
    } else {
        let mut openssl = tool::program("openssl");
        let hash = tool::run(openssl.args(["passwd", "-apr1", PASSWORD])).ended(0).stdout;
        fs::write(&file, format!("{USER}:{hash}")).unwrap();
    }
    format!(
        "AuthType {scheme}\nAuthName \"{REALM}\"\nAuth{scheme}Provider file\nAuthUserFile {}\nRequire valid-user\n{more}",
        file.display()
    )
}

const FOREGROUND: [&str; 3] = ["-f", "{}/conf", "-DFOREGROUND"];

/// Apache by https in front of a service by http: Digest for clients, Basic for the service.
pub(crate) fn apache_in_front(service: u16, account: &str, more: &str) -> Front {
    let front = Front::start(
        "apache2",
        |port, folder| {
            let line = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem";
            let mut openssl = tool::program("openssl");
            tool::run(openssl.args(line.split(' ')).current_dir(folder)).ended(0);
            let modules = ["auth_digest", "proxy_http", "headers", "ssl", "socache_shmcb"];
            let base = apache_base(port, folder, &modules);
            let login = apache_login(folder, "Digest", more);
            let folder = folder.display();
            format!(
                "{base}SSLEngine on\nSSLCertificateFile {folder}/cert.pem\nSSLCertificateKeyFile {folder}/key.pem\nSSLProxyEngine off\n\
                 <Location /wsman>\n{login}ProxyPass http://127.0.0.1:{service}/wsman\nRequestHeader set Authorization \"Basic {account}\"\n</Location>\n"
            )
        },
        &FOREGROUND,
    );
    report("PEER apache2 2.4: mod_auth_digest in front of the service");
    front
}

/// Apache as a proxy that wants a login by `scheme`.
pub(crate) fn apache_proxy(scheme: &str) -> Front {
    let front = Front::start(
        "apache2",
        |port, folder| {
            let base = apache_base(port, folder, &["auth_digest", "auth_basic", "proxy_connect"]);
            let login = apache_login(folder, scheme, "");
            format!("{base}ProxyRequests On\nAllowCONNECT 1-65535\n<Proxy *>\n{login}</Proxy>\n")
        },
        &FOREGROUND,
    );
    report(&format!("PEER apache2 2.4: a proxy with {scheme}"));
    front
}

/// Apache that sends whatever it is asked to another address.
pub(crate) fn apache_redirecting(to: &str) -> Front {
    Front::start(
        "apache2",
        |port, folder| {
            let base = apache_base(port, folder, &["alias"]);
            format!("{base}Redirect 307 /wsman {to}\n")
        },
        &FOREGROUND,
    )
}

/// Tinyproxy, which knows Basic only; it lets through to one port.
pub(crate) fn tinyproxy(allowed: u16) -> Front {
    let front = Front::start(
        "tinyproxy",
        |port, folder| {
            format!(
                "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {allowed}\nBasicAuth user password\n\
                 LogLevel Info\nLogFile \"{}/access\"\nMaxClients 50\n",
                folder.display()
            )
        },
        &["-d", "-c", "{}/conf"],
    );
    report("PEER tinyproxy 1.11: a proxy with Basic");
    front
}

/// The helper that passes Squid's lines on to the judge.
const HELPER: &str = "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/$1\ncat <&3 &\ncat >&3\n";

/// Squid with a login by `digest`, `ntlm` or `negotiate`; over the latter two pyspnego judges.
pub(crate) fn squid(scheme: &str) -> Front {
    let accounts = tempfile::tempdir().unwrap();
    let users = accounts.path().join("users");
    fs::write(&users, format!("DOM:{NTLM_USER}:{NTLM_PASSWORD}\n")).unwrap();
    let (judge, judges_at) = if scheme == "digest" {
        (None, String::new())
    } else {
        let mut command = tool::program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers/squid_login.py"));
        command.arg(scheme).env("NTLM_USER_FILE", &users).env("PYTHONUTF8", "1");
        let mut judge = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(judge.stdout.take().unwrap()).read_line(&mut port).unwrap();
        (Some(judge), port.trim().to_owned())
    };
    let mut front = Front::start(
        "squid",
        |port, folder| {
            let (users, script) = (folder.join("users"), folder.join("helper"));
            let helper = if scheme == "digest" {
                fs::write(&users, hashed_account()).unwrap();
                format!("/usr/lib/squid/digest_file_auth -c {}", users.display())
            } else {
                fs::write(&script, HELPER).unwrap();
                let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(&script, anybody).unwrap();
                format!("{} {judges_at}", script.display())
            };
            let realm = if scheme == "digest" {
                format!("auth_param digest realm {REALM}\n")
            } else {
                String::new()
            };
            let folder = folder.display();
            format!(
                "http_port 127.0.0.1:{port}\npid_filename {folder}/pid\ncache_log {folder}/error\n\
                 access_log stdio:{folder}/access\ncoredump_dir {folder}\nshutdown_lifetime 0 seconds\n\
                 auth_param {scheme} program {helper}\nauth_param {scheme} children 2 startup=1\n{realm}\
                 acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\ncache deny all\n\
                 logfile_rotate 0\npinger_enable off\n"
            )
        },
        &["-N", "-n", "transom{port}", "-f", "{}/conf"],
    );
    front.judge = judge.map(|judge| (judge, accounts));
    report(&format!("PEER squid 5: a proxy with {scheme}"));
    front
}
