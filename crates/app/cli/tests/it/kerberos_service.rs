//! The service with a keytab: released clients log in by Kerberos, and the process that has the keys is what it should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use testkit::outside::peers_python;

use crate::domain::{Domain, PASSWORD, PRINCIPAL};
use crate::service::{Flavour, SERVICE_USER, Service, as_flavour, flavours, local_user};
use crate::tool::{self, Ran};

/// What the command of a client says, so that its bytes and its code are seen.
const LINE: &str =
    "if [ -n \"$KRB5CCNAME\" ]; then echo ticket; else echo none; fi; echo err >&2; exit 7";

impl Domain {
    /// A command by a released client.
    fn client(&self, service: &Service, client: &str, login: &str, delegate: bool) -> Ran {
        let mut command = self.client_of(service, client, login, PRINCIPAL);
        if delegate {
            command.env("TRANSOM_TEST_DELEGATE", "1");
        }
        tool::run(&mut command)
    }

    fn client_of(&self, service: &Service, client: &str, login: &str, user: &str) -> Command {
        let script = tool::repository().join("crates/app/cli/tests/peers/domain_matrix.py");
        let mut command = self.realm.command(peers_python());
        let endpoint = service.url.replace("127.0.0.1", "localhost");
        command.arg(script).args([client, login, &format!("{endpoint}/wsman"), user, LINE]);
        command.env("TRANSOM_TEST_PASSWORD", PASSWORD);
        command.env("TRANSOM_TEST_CA", service.certificate());
        command
    }

    /// curl's login by the tickets in a cache; its words are those that follow.
    fn curl(&self, service: &Service, words: &[&str]) -> Ran {
        let cache = self.folder().join("curl-tickets");
        let cache = cache.to_str().unwrap();
        self.realm.kinit("rita", PASSWORD, cache, &[]);
        let mut command = self.realm.command("curl");
        command.env("KRB5CCNAME", cache).args(["-s", "--noproxy", "*", "--negotiate", "-u", ":"]);
        command.args(["-H", "Content-Type: application/soap+xml;charset=UTF-8", "--data-binary"]);
        command.arg(IDENTIFY).args(words).arg("--cacert").arg(service.certificate());
        command.arg(format!("{}/wsman", service.url.replace("127.0.0.1", "localhost")));
        tool::run(&mut command)
    }
}

const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/>\
    <s:Body><i:Identify/></s:Body></s:Envelope>";

/// The processes of this service that have `word` among their arguments.
fn processes(service: &Service, word: &str) -> Vec<Pid> {
    let state = service.state();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let ours = words.iter().any(|one| Path::new(one.as_ref()).starts_with(&state));
        if ours && words.iter().any(|one| one == "kerberos") && words.iter().any(|one| one == word)
        {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}

#[track_caller]
fn worker(service: &Service) -> Pid {
    let found = processes(service, "--worker");
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[test]
fn released_clients_log_in_by_kerberos_and_are_served() {
    let domain = Domain::new();
    for (flavour, scheme) in
        flavours().into_iter().flat_map(|flavour| [(flavour, "http"), (flavour, "https")])
    {
        let service = domain.service(scheme, flavour, "");
        for (client, login) in
            [("pywinrm", "kerberos"), ("pypsrp", "kerberos"), ("pypsrp", "negotiate")]
        {
            let ran = domain.client(&service, client, login, false).ended(0);
            assert_eq!(ran.stdout, "pass\n", "{flavour:?} {scheme} {client} {login}");
            assert!(!service.log().contains("event=\"ticket\""), "{client} {login}");
        }
        let log = service.log();
        let told = "mechanism=\"Kerberos\" principal=\"rita@TRANSOM.TEST\"";
        assert!(log.matches(told).count() >= 3, "{log}");
    }
}

#[test]
fn ticket_that_a_client_delegates_is_taken_with_its_login() {
    let domain = Domain::new();
    let service = domain.service("http", flavours()[0], "");
    for (count, (client, login)) in
        [("pywinrm", "kerberos"), ("pypsrp", "negotiate")].into_iter().enumerate()
    {
        let ran = domain.client(&service, client, login, true).ended(0);
        assert!(ran.stdout.starts_with("pass"), "{ran:?}");
        let log = service.log();
        let told = "event=\"ticket\" outcome=\"forwarded\"";
        assert!(log.matches(told).count() > count, "{log}");
    }
}

#[test]
fn password_that_comes_by_credssp_buys_a_ticket_and_is_written_nowhere() {
    let domain = Domain::new();
    let service = domain.service("http", flavours()[0], "[Service.Auth]\nCredSSP = true\n");
    let ran = domain.client(&service, "pypsrp", "credssp", false).ended(0);
    assert!(ran.stdout.starts_with("pass"), "{ran:?}");
    let log = service.log();
    let told = "event=\"ticket\" outcome=\"bought\"";
    assert!(log.contains(told) && log.contains("principal=\"rita@TRANSOM.TEST\""), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
    // Without a keytab there are no logins by ticket; what an account of the service's own delegates buys nothing.
    let settings = "[Service.Auth]\nCredSSP = true\n";
    let local = Service::in_realm("http", flavours()[0], settings, &domain.realm);
    let mut command = domain.client_of(&local, "pypsrp", "credssp", "alice");
    let ran = tool::run(command.env("TRANSOM_TEST_PASSWORD", crate::service::PASSWORD)).ended(0);
    assert_eq!(ran.stdout, "pass\n");
    local.has_said("event=\"ticket\" outcome=\"none\"");
    assert_eq!(processes(&local, "--worker").len(), 1);
}

#[test]
fn curl_is_identified_by_https_and_must_seal_by_http() {
    let domain = Domain::new();
    let flavour = flavours()[0];
    let service = domain.service("https", flavour, "");
    let ran = domain.curl(&service, &[]).ended(0);
    assert!(ran.stdout.contains("IdentifyResponse"), "{ran:?}");
    // curl sends no binding of its TLS connection.
    let strict =
        domain.service("https", flavour, "[Service.Auth]\nCbtHardeningLevel = \"Strict\"\n");
    let ran = domain.curl(&strict, &["-w", "%{http_code}"]).ended(0);
    assert_eq!(ran.stdout, "401");
    strict.has_said("binding");
    let service = domain.service("http", flavour, "");
    let ran = domain.curl(&service, &["-w", "%{http_code}"]).ended(0);
    assert_eq!(ran.stdout, "500");
    service.has_said("unsealed message");
}

#[test]
fn what_is_offered_follows_keytab_and_settings() {
    let domain = Domain::new();
    let flavour = flavours()[0];
    let offered = |service: &Service| {
        let mut command = tool::program("curl");
        command.args(["-si", "--noproxy", "*", "-X", "POST", "-d", ""]);
        let head = tool::run(command.arg(format!("{}/wsman", service.url))).ended(0).stdout;
        let offers = head.lines().filter_map(|line| line.strip_prefix("Www-Authenticate: "));
        offers.map(str::to_owned).collect::<Vec<_>>()
    };
    let service = domain.service("http", flavour, "");
    assert_eq!(offered(&service), ["Negotiate", "Kerberos"]);
    let service = domain.service("http", flavour, "[Service.Auth]\nKerberos = false\n");
    assert_eq!(offered(&service), ["Negotiate"]);
    // As on Windows, Negotiate has Kerberos all the same.
    domain.client(&service, "pypsrp", "negotiate", false).ended(0);
    service.has_said("mechanism=\"Kerberos\"");
    let service = Service::in_realm("http", flavour, "", &domain.realm);
    assert_eq!(offered(&service), ["Negotiate"]);
    service.has_said("there is no keytab");
    assert!(processes(&service, "kerberos").is_empty());
    // A keytab that is nobody's business is no reason not to serve others.
    fs::write(domain.keytab(), "nothing").unwrap();
    let service = domain.service("http", flavour, "");
    assert_eq!(offered(&service), ["Negotiate"]);
    service.has_said("Kerberos is not offered");
}

#[test]
fn keytab_in_the_services_folder_is_taken_without_a_word() {
    let domain = Domain::new();
    let mut service = Service::in_realm("http", Flavour::Unprivileged, "", &domain.realm);
    let keytab = service.state().join("service/keytab");
    fs::copy(domain.keytab(), &keytab).unwrap();
    let owner = local_user(Flavour::Unprivileged).uid.as_raw();
    std::os::unix::fs::chown(&keytab, Some(owner), None).unwrap();
    service.stop_and_start_again();
    service.has_said("Kerberos is offered");
}

#[test]
fn check_says_what_keeps_tickets_from_counting() {
    let domain = Domain::new();
    let service = Service::in_realm("http", flavours()[0], &domain.settings(""), &domain.realm);
    let check = || {
        let mut command = service.transom(&["serve", "--check"]);
        let config = service.state().with_file_name("config.toml");
        tool::run(command.args(["--listen", "http://127.0.0.1:0"]).arg("--config").arg(config))
    };
    let told = check().stdout;
    assert!(told.contains("warning  principals: none is mapped"), "{told}");
    assert!(told.contains("warning  keytab:") && told.contains("others can read it"), "{told}");
    let map = ["principal", "add", PRINCIPAL, "--account", "alice"];
    tool::run(&mut service.transom(&map)).ended(0);
    let told = check().stdout;
    assert!(told.contains("ok       principals: mappings: 1"), "{told}");
    fs::remove_file(domain.keytab()).unwrap();
    let told = check().ended(1).stdout;
    assert!(told.contains("failed   keytab:"), "{told}");
}

#[test]
fn key_of_the_host_is_refused_unless_it_is_allowed() {
    let domain = Domain::new();
    domain.write_keytab(&domain.keytab(), &["HTTP/localhost", "host/localhost"]);
    let flavour = flavours()[0];
    let allowed = domain.service("http", flavour, "AllowHostKey = true\n");
    allowed.has_said("host/localhost@TRANSOM.TEST");
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    let program = tool::copy_of_transom(folder.path());
    if flavour == Flavour::Unprivileged && Uid::effective().is_root() {
        let user = local_user(flavour);
        std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), None).unwrap();
    }
    let config = folder.path().join("config.toml");
    fs::write(&config, domain.settings("")).unwrap();
    fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
    let mut command = as_flavour(flavour, &program);
    command.arg("serve").arg("--state").arg(folder.path().join("state")).arg("--config");
    command.arg(&config).args(["--listen", "http://127.0.0.1:0"]);
    if flavour == Flavour::Root {
        command.args(["--service-user", SERVICE_USER]);
    }
    let ran = tool::run(command.env("KRB5_CONFIG", domain.realm.configuration())).ended(1);
    for told in ["host/localhost@TRANSOM.TEST", "sshd", "AllowHostKey"] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

#[test]
fn principal_that_nobody_mapped_is_refused_with_the_reason() {
    let domain = Domain::new();
    let service = Service::in_realm("http", flavours()[0], &domain.settings(""), &domain.realm);
    let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    assert!(ran.stdout.starts_with("refused: "), "{ran:?}");
    let log = service.log();
    assert!(log.contains("user=\"rita@TRANSOM.TEST\""), "{log}");
    assert!(log.contains("no mapping names the principal"), "{log}");
    // The file counts at once, in both directions; refused tickets lock nobody out.
    let map = ["principal", "add", "*@TRANSOM.TEST", "--same-name"];
    tool::run(&mut service.transom(&map)).ended(0);
    for _ in 0..8 {
        domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    }
    service.has_said("no account has the principal's name");
    assert!(!service.log().contains("event=\"lockout\""), "{}", service.log());
    let map = ["principal", "add", PRINCIPAL, "--account", "alice"];
    tool::run(&mut service.transom(&map)).ended(0);
    let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    assert_eq!(ran.stdout, "pass\n");
}

#[test]
fn worker_that_is_killed_is_started_again_and_goes_with_the_service() {
    let domain = Domain::new();
    let service = domain.service("http", flavours()[0], "");
    for _ in 0..2 {
        let first = worker(&service);
        kill(first, Signal::SIGKILL).unwrap();
        tool::until("there is another worker", || {
            processes(&service, "--worker").iter().any(|pid| *pid != first)
        });
        tool::until("it is known", || {
            service.log().contains("The Kerberos process is there again")
        });
        let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
        assert_eq!(ran.stdout, "pass\n");
    }
    service.has_said("The Kerberos process has died");
    let all = processes(&service, "kerberos");
    assert_eq!(all.len(), 2, "{all:?}");
    service.stop();
    tool::until("they are gone", || {
        all.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
}

#[test]
fn another_keytab_counts_from_the_next_token_on() {
    let domain = Domain::new();
    let service = domain.service("http", flavours()[0], "");
    let first = worker(&service);
    domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    domain.realm.administer("cpw -randkey HTTP/localhost");
    let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    assert!(ran.stdout.starts_with("refused: "), "{ran:?}");
    service.has_said("key version");
    domain.write_keytab(&domain.keytab(), &["HTTP/localhost"]);
    let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    assert_eq!(ran.stdout, "pass\n");
    assert_ne!(worker(&service), first);
    assert!(!service.log().contains("has died"), "{}", service.log());
    // A key of the host is not taken later, either.
    domain.write_keytab(&domain.keytab(), &["HTTP/localhost", "host/localhost"]);
    let ran = domain.client(&service, "pywinrm", "kerberos", false).ended(0);
    assert!(ran.stdout.starts_with("refused: "), "{ran:?}");
    service.has_said("AllowHostKey");
}

#[test]
fn owner_of_the_keys_has_nothing_else() {
    let domain = Domain::new();
    let service = domain.service("https", flavours()[0], "");
    assert!(!service.log().contains("not confined"), "{}", service.log());
    for pid in processes(&service, "kerberos") {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if Uid::effective().is_root() {
            let mut open: Vec<String> = fs::read_dir(folder.join("fd"))
                .unwrap()
                .map(|fd| fs::read_link(fd.unwrap().path()).unwrap().display().to_string())
                .filter(|target| !target.starts_with("/dev/null"))
                .collect();
            open.sort();
            // Standard error, which is a pipe of this test's, and one socket.
            assert_eq!(open.len(), 2, "{open:?}");
            assert!(open[0].starts_with("pipe:") && open[1].starts_with("socket:"), "{open:?}");
        }
        // The kernel gives the files of who cannot be looked into to root.
        assert_eq!(fs::metadata(folder.join("environ")).unwrap().uid(), 0, "it can be dumped");
        let status = fs::read_to_string(folder.join("status")).unwrap();
        for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
            assert!(status.contains(line), "{status}");
        }
    }
}
