//! The second hop: a command on one host goes on to another one as the user, where the login let it, and not otherwise.
//!
//! ```text
//!            ┌───────────────── bridge: the KDC ─────────────────┐
//!            │                         │                         │
//!     client's namespace        host A's namespace        host B's namespace
//!        winrs ── line ───────► transom serve                    │
//!                                 └── winrs ── line ──────► transom serve
//! ```

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;
use tempfile::TempDir;
use testkit::outside::report;
use testkit::realm::Realm;

use crate::domain::for_services;
use crate::service::{Flavour, SERVICE_USER, Service};
use crate::tool::{self, Ran};

const PRINCIPAL: &str = "rita@TRANSOM.TEST";
const PASSWORD: &str = "Tickets-1";
const A: &str = "hosta.transom.test";
const B: &str = "hostb.transom.test";

/// Three network namespaces at one bridge; they are gone when this is.
struct Net {
    bridge: String,
    names: [String; 3],
    address: Ipv4Addr,
}

impl Net {
    fn new() -> Self {
        let id = std::process::id();
        let [_, _, high, low] = id.to_be_bytes();
        let net = Self {
            bridge: format!("tmb{id}"),
            names: ["c", "a", "b"].map(|name| format!("tm{name}{id}")),
            // A network that is this process's: 10.64.0.0 to 10.127.255.0.
            address: Ipv4Addr::new(10, 64 | (high & 63), low, 1),
        };
        let subnet = |last: usize| {
            let [a, b, c, _] = net.address.octets();
            format!("{a}.{b}.{c}.{last}/24")
        };
        ip(&["link", "add", &net.bridge, "type", "bridge"]);
        ip(&["addr", "add", &subnet(1), "dev", &net.bridge]);
        ip(&["link", "set", &net.bridge, "up"]);
        for (index, name) in net.names.iter().enumerate() {
            let outside = format!("{name}o");
            ip(&["netns", "add", name]);
            ip(&["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", name]);
            ip(&["link", "set", &outside, "master", &net.bridge, "up"]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
            ip(&["-n", name, "addr", "add", &subnet(index + 2), "dev", "eth0"]);
            ip(&["-n", name, "link", "set", "eth0", "up"]);
        }
        net
    }

    /// The address of the host with that number: 1 for A, 2 for B.
    fn address(&self, index: usize) -> String {
        let [a, b, c, _] = self.address.octets();
        format!("{a}.{b}.{c}.{}", index + 2)
    }

    /// What runs a program in a namespace, where the hosts have names and the realm is the test's.
    fn wrapper(&self, index: usize, domain: &Domain) -> Vec<String> {
        let script =
            "mount --make-rprivate / && mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
        let hosts = domain.folder.path().join("hosts").display().to_string();
        let realm = format!("KRB5_CONFIG={}", domain.realm.configuration().display());
        ["ip", "netns", "exec", &self.names[index], "sh", "-c", script, "sh", &hosts, "env", &realm]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for words in self.names.iter().map(|name| ["netns", "del", name]) {
            let _gone = Command::new("ip").args(words).status();
        }
        let _gone = Command::new("ip").args(["link", "del", &self.bridge]).status();
    }
}

#[track_caller]
fn ip(words: &[&str]) {
    tool::run(tool::program("ip").args(words)).ended(0);
}

/// A realm that every namespace reaches, with a user and two hosts.
struct Domain {
    realm: Realm,
    folder: TempDir,
}

impl Domain {
    fn new(net: &Net) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-realm-").tempdir().unwrap();
        let readable = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        readable(folder.path(), 0o711);
        let realm = Realm::start_at(folder.path(), "", net.address);
        readable(&realm.configuration(), 0o644);
        realm.add_user("rita", PASSWORD, "");
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for (index, host) in [(1, A), (2, B)] {
            let service = format!("HTTP/{host}");
            realm.add_service(&service);
            let keytab = folder.path().join(format!("{host}.keytab"));
            realm.write_keytab(&keytab, &[&service]);
            for_services(&keytab);
            hosts += &format!("{} {host}\n", net.address(index));
        }
        fs::write(folder.path().join("hosts"), hosts).unwrap();
        readable(&folder.path().join("hosts"), 0o644);
        // Commands on host A are another user's, who may not reach the build folder.
        let winrs = folder.path().join("winrs");
        let mut install = tool::program("install");
        install.args(["-m", "755", env!("CARGO_BIN_EXE_winrs")]);
        tool::run(install.arg(&winrs)).ended(0);
        Self { realm, folder }
    }

    fn winrs(&self) -> PathBuf {
        self.folder.path().join("winrs")
    }

    /// The service of a host, whose commands as the user are `local_user`'s.
    #[track_caller]
    fn service(&self, net: &Net, index: usize, host: &str, local_user: &str) -> Service {
        let keytab = self.folder.path().join(format!("{host}.keytab"));
        let settings = format!(
            "[Service.Kerberos]\nKeytab = \"{}\"\n[Service.Auth]\nCredSSP = true\n",
            keytab.display()
        );
        let wrapper = net.wrapper(index, self);
        let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
        let url = format!("http://{}:5985", net.address(index));
        let options = ["--listen", &url, "--service-user", SERVICE_USER];
        let service = Service::configured_by(Flavour::Root, &settings, &options, &wrapper);
        service.add_account("rita", local_user).ended(0);
        let map = ["principal", "add", PRINCIPAL, "--account", "rita"];
        tool::run(&mut service.transom(&map)).ended(0);
        service
    }

    /// `winrs` to host A, from the client's namespace, with these words.
    fn to_a(&self, net: &Net, settings: &TempDir, words: &[&str]) -> Ran {
        let wrapper = net.wrapper(0, self);
        let mut command = tool::program(&wrapper[0]);
        command.args(&wrapper[1..]).arg(self.winrs());
        command.arg(format!("-r:http://{A}:5985")).arg(format!("-u:{PRINCIPAL}"));
        command.env("TRANSOM_PASSWORD", PASSWORD).env("XDG_CONFIG_HOME", settings.path());
        command.env("KRB5CCNAME", self.folder.path().join("nobodys-tickets"));
        tool::run(command.args(words))
    }
}

#[test]
fn command_goes_on_to_a_second_host_only_where_its_login_lets_it() {
    let name = "command_goes_on_to_a_second_host_only_where_its_login_lets_it";
    if !Uid::effective().is_root() {
        report(&format!("SKIPPED {name}: network namespaces need root"));
        return;
    }
    let net = Net::new();
    let domain = Domain::new(&net);
    let (a, b) = (domain.service(&net, 1, A, "nobody"), domain.service(&net, 2, B, "games"));
    let settings =
        tool::client_settings("[CredSSP]\nAllowFreshCredentials = [\"wsman/*.transom.test\"]\n");
    let (winrs, conf) = (domain.winrs(), domain.realm.configuration());
    let environment = format!("-env:KRB5_CONFIG={}", conf.display());
    let second = format!("{} -r:http://{B}:5985 -auth:kerberos \"id -un\"", winrs.display());

    // The first host alone, and its ticket as the command sees it.
    let list = "id -un; klist 2>&1; echo ${KRB5CCNAME#FILE:}";
    let ran = domain.to_a(&net, &settings, &["-auth:kerberos", &environment, list]).ended(0);
    assert!(ran.stdout.starts_with("nobody\n"), "{ran:?}");
    assert!(!ran.stdout.contains("krbtgt/"), "{ran:?}");
    let delegates = ["-auth:kerberos", "-allowdelegate", &environment];
    let ran = domain.to_a(&net, &settings, &[&delegates[..], &[list]].concat()).ended(0);
    assert!(ran.stdout.contains("Default principal: rita@TRANSOM.TEST"), "{ran:?}");
    assert!(ran.stdout.contains("krbtgt/TRANSOM.TEST@TRANSOM.TEST"), "{ran:?}");
    let path = PathBuf::from(ran.stdout.lines().last().unwrap());
    assert!(path.starts_with("/run/transom/shells"), "{path:?}");
    let root = PathBuf::from(format!("/proc/{}/root", a.spawner()));
    let gone = || !root.join(path.strip_prefix("/").unwrap()).parent().unwrap().exists();
    tool::until("the ticket is gone with its shell", gone);

    // With the ticket the second host has the same user, whoever that is there.
    let ran = domain.to_a(&net, &settings, &[&delegates[..], &[&second]].concat()).ended(0);
    assert_eq!(ran.stdout, "games\n", "{ran:?}");
    let told = "principal=\"rita@TRANSOM.TEST\"";
    b.has_said(told);
    let ran = domain.to_a(&net, &settings, &["-auth:credssp", &environment, &second]).ended(0);
    assert_eq!(ran.stdout, "games\n", "{ran:?}");

    // Without it there is no way, and the error says why.
    let logins = b.log().matches(told).count();
    let ran = domain.to_a(&net, &settings, &["-auth:kerberos", &environment, &second]).ended(255);
    assert!(ran.stderr.contains("no Kerberos tickets"), "{ran:?}");
    assert!(ran.stderr.contains("-allowdelegate"), "{ran:?}");
    assert_eq!(b.log().matches(told).count(), logins);
}
