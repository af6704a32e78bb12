//! HTTPS from end to end: our `winrs`, released clients of other people, and openssl against our service, and our
//! `winrs` against a server that is not ours.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::{LINE, Stub, seven};
use crate::tool;
use testkit::outside::{peers_python, report};

const BASIC: &str = "[Service.Auth]\nBasic = true\n";

#[track_caller]
fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn winrs_runs_commands_inside_tls() {
    for flavour in flavours() {
        let service = Service::https(flavour, "");
        let certificate = service.certificate();
        for auth in ["ntlm", "negotiate"] {
            let words = ["--ca", text(&certificate), "--auth", auth, "-v", LINE];
            let ran = tool::run(&mut service.winrs(&words)).ended(7);
            assert_eq!(ran.stdout, "out\n");
            assert!(ran.stderr.contains("messages are inside TLS"), "{}", ran.stderr);
        }
        // The bare name and the switch, as on Windows.
        let mut command = tool::winrs();
        command.args([&format!("-r:https://localhost:{}", service.port), "-ssl", "-u:alice"]);
        command.args(["--ca", text(&certificate), LINE]).env("TRANSOM_PASSWORD", PASSWORD);
        tool::run(&mut command).ended(7);
    }
}

#[test]
fn winrs_believes_nobody_without_a_reason() {
    let service = Service::https(flavours()[0], "");
    let certificate = service.certificate();
    let shown = tool::run(&mut service.transom(&["cert", "show"])).ended(0).stdout;
    let value = |label: &str| {
        let line = shown.lines().find(|line| line.starts_with(label)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let (pin, key_pin) = (value("SHA-256"), value("Key SHA-256"));
    let other = "00".repeat(32);
    for (words, code, said) in [
        (vec![], 255, "self-signed"),
        (vec!["--pin", &pin], 7, "err"),
        (vec!["--pin", &key_pin], 7, "err"),
        (vec!["--pin", &other], 255, "pinned"),
        (vec!["--skip-ca-check"], 7, "err"),
        (
            vec!["--ca", text(&certificate), "--server-name", "elsewhere"],
            255,
            "its names are localhost, 127.0.0.1",
        ),
        (vec!["--ca", text(&certificate), "--server-name", "localhost"], 7, "err"),
        (vec!["--ca", "/nonexistent"], 255, "/nonexistent"),
    ] {
        let words = [words.as_slice(), &[LINE]].concat();
        let ran = tool::run(&mut service.winrs(&words)).ended(code);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
        assert!(code == 7 || ran.stdout.is_empty(), "{ran:?}");
    }
    assert!(tool::run(&mut service.winrs(&[LINE])).stderr.contains(&format!("--pin {pin}")));
}

#[test]
fn settings_of_the_user_say_whom_winrs_believes() {
    let service = Service::https(flavours()[0], "");
    let settings = format!("[TLS]\nCAPath = {:?}\n", text(&service.certificate()));
    let folder = tool::client_settings(&settings);
    let mut command = service.winrs(&[LINE]);
    tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(7);
}

#[test]
fn basic_needs_the_services_consent_only() {
    for (settings, code) in [("", 255), (BASIC, 7)] {
        let service = Service::https(flavours()[0], settings);
        let ran = tool::run(&mut service.winrs(&["--skip-ca-check", "--auth", "basic", LINE]));
        ran.ended(code);
    }
}

#[test]
fn strict_service_takes_our_client() {
    let service = Service::https(flavours()[0], "[Service.Auth]\nCbtHardeningLevel = \"Strict\"\n");
    tool::run(&mut service.winrs(&["--skip-ca-check", LINE])).ended(7);
}

#[test]
fn https_without_a_certificate_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    // The service user must pass.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    let program = tool::copy_of_transom(folder.path());
    let mut command = tool::program(&program);
    command.args(["serve", "--listen", "https://127.0.0.1:0", "--config", "/dev/null", "--state"]);
    let ran = tool::run(command.arg(folder.path().join("state"))).ended(1);
    assert!(ran.stderr.contains("transom cert new-server"), "{ran:?}");
}

/// Runs the checks of a script against a service by https; its certificate is named to it.
#[track_caller]
fn peer(script: &str, auth: &str, settings: &str, checks: &[&str]) {
    let service = Service::https(flavours()[0], settings);
    let mut command: Command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
    command
        .arg(format!("https://localhost:{}/wsman", service.port))
        .args([USER, auth])
        .args(checks);
    command.env("TRANSOM_TEST_PASSWORD", PASSWORD).env("TRANSOM_TEST_CA", service.certificate());
    let ran = tool::run(&mut command);
    let said: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PEER ")).collect();
    said.iter().for_each(|line| report(line));
    assert!(!said.is_empty(), "{ran:#?}");
    ran.ended(0);
}

const STRICT: &str = "[Service.Auth]\nCbtHardeningLevel = \"Strict\"\n";
const WORK: &[&str] = &[
    "with_the_certificate_known",
    "without_a_check_of_the_certificate",
    "unknown_certificate_is_refused",
];

#[test]
fn pywinrm_ssl_is_served_when_basic_is_allowed() {
    peer("pywinrm_https.py", "ssl", BASIC, WORK);
}

#[test]
fn pywinrm_ssl_is_refused_when_basic_is_not_allowed() {
    peer("pywinrm_https.py", "ssl", "", &["login_is_refused"]);
}

#[test]
fn pywinrm_ntlm_is_served_by_a_strict_service() {
    peer("pywinrm_https.py", "ntlm", STRICT, WORK);
}

#[test]
fn pywinrm_ntlm_without_bindings_is_refused_by_a_strict_service_only() {
    peer("pywinrm_https.py", "ntlm", STRICT, &["login_without_bindings_is_refused"]);
    peer("pywinrm_https.py", "ntlm", "", &["login_without_bindings_works"]);
}

#[test]
fn pypsrp_is_served_by_a_strict_service() {
    peer("pypsrp_https.py", "ntlm", STRICT, WORK);
    peer("pypsrp_https.py", "negotiate", STRICT, WORK);
}

#[test]
fn pypsrp_may_seal_inside_tls_and_leave_out_bindings() {
    peer("pypsrp_https.py", "ntlm", "", &["sealed_inside_tls", "login_without_bindings_works"]);
    peer("pypsrp_https.py", "negotiate", STRICT, &["login_without_bindings_is_refused"]);
}

#[test]
fn pypsrp_basic_is_served_when_it_is_allowed() {
    peer("pypsrp_https.py", "basic", BASIC, WORK);
    peer("pypsrp_https.py", "basic", "", &["login_is_refused"]);
}

#[test]
fn openssl_sees_tls_1_3_and_1_2_and_nothing_older() {
    let service = Service::https(flavours()[0], "");
    let shake = |version: &str| {
        let mut command = tool::program("openssl");
        command.args(["s_client", "-connect", &format!("127.0.0.1:{}", service.port)]);
        // Level 0 lets openssl itself try what it would not by default.
        command.args([version, "-cipher", "ALL:@SECLEVEL=0", "-verify_return_error", "-CAfile"]);
        tool::run(command.arg(service.certificate()))
    };
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let ran = shake(version).ended(0);
        assert!(ran.stdout.contains(&format!("New, {name}")), "{}", ran.stdout);
        assert!(ran.stdout.contains("Verify return code: 0 (ok)"), "{}", ran.stdout);
    }
    for version in ["-tls1_1", "-tls1"] {
        let ran = shake(version);
        assert!(ran.code() != 0 && ran.stdout.contains("Cipher is (NONE)"), "{version}: {ran:?}");
    }
    report("PEER openssl 3: s_client sees TLS 1.3 and 1.2, not 1.1 and 1.0");
}

#[test]
fn stub_by_https_is_served_in_few_requests() {
    let folder = tempfile::tempdir().unwrap();
    let line = "req -x509 -newkey rsa:2048 -nodes -subj /CN=stub -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
    let mut openssl = tool::program("openssl");
    tool::run(openssl.args(line.split(' ')).current_dir(folder.path())).ended(0);
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let options = ["--tls", text(&certificate), text(&key)];
    for auth in ["ntlm", "negotiate", "basic"] {
        let Some(stub) = Stub::start("stub_by_https_is_served_in_few_requests", &options) else {
            return;
        };
        let url = format!("-r:https://127.0.0.1:{}", stub.port);
        let mut command = stub.winrs_to(&url, &["--ca", text(&certificate), "--auth", auth, LINE]);
        seven(tool::run(&mut command));
        let requests = stub.requests();
        // The message rides on the login's last leg: NTLM has one request before it, Basic none.
        let create = requests.iter().position(|name| name.ends_with("-Create"));
        assert_eq!(create, Some(usize::from(auth != "basic")), "{requests:?}");
        report(&format!(
            "PEER winrm_stub 1: winrs by https and {auth}, one command in {} requests",
            requests.len()
        ));
    }
}

#[test]
fn renegotiations_and_floods_of_key_updates_by_openssl_are_refused_or_bounded() {
    let service = Service::https(flavours()[0], "");
    let network = network(&service);
    let connect = format!("127.0.0.1:{}", service.port);
    service.run_trusting("exit 5").ended(5);
    let before = descriptors(network);
    // Each line is a command of `s_client`: R renegotiates, K changes keys and asks the other side to.
    for (version, line) in [("-tls1_2", "R\n"), ("-tls1_3", "K\n")] {
        let mut command = tool::program("openssl");
        command.args(["s_client", version, "-connect", &connect]);
        let ran = tool::run_with_input(&mut command, line.repeat(500).as_bytes());
        let text = ran.stdout + &ran.stderr;
        assert!(text.contains("CONNECTED"), "{text}");
        assert!(version != "-tls1_2" || text.contains("no renegotiation"), "{version}: {text}");
        service.run_trusting("exit 5").ended(5);
    }
    report("PEER openssl s_client: 500 renegotiations, 500 key updates");
    tool::until("the connections end", || descriptors(network) <= before);
}

#[test]
fn certificate_files_that_change_under_a_running_service_count_from_the_next_start() {
    let mut service = Service::https(flavours()[0], "");
    let store = service.state().join("service/certificates");
    service.run_trusting("exit 5").ended(5);
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&store).unwrap().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        files.into_iter().map(|file| file.path()).collect::<Vec<_>>()
    };
    let kept: Vec<_> =
        files().iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert_eq!(kept.len(), 2);
    // Garbage, then nothing: the certificate that the service started with stays.
    for path in files() {
        std::fs::write(path, b"garbage").unwrap();
    }
    service.run_trusting("exit 6").ended(6);
    for path in files() {
        std::fs::remove_file(path).unwrap();
    }
    service.run_trusting("exit 7").ended(7);
    // A new one takes over with the next start, and clients that trust the old one say so.
    let new = ["cert", "new-server", "--name", "localhost", "--name", "127.0.0.1"];
    tool::run(&mut service.transom(&new)).ended(0);
    service.run_trusting("exit 8").ended(8);
    service.stop_and_start_again();
    let ran = service.run_trusting("exit 9").ended(255);
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
}

fn network(service: &Service) -> u32 {
    let log = service.log();
    let id = log.rsplit_once(" network=").unwrap().1.split_whitespace().next().unwrap();
    id.parse().unwrap()
}

/// Open descriptors of a process; 0 where it cannot be looked into.
fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// RFC 5929 defines no binding for a signature by Ed25519: "Strict" would then ask nothing of anybody.
#[test]
fn strict_bindings_need_a_certificate_that_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let mut openssl = tool::program("openssl");
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost", "-out", text(&certificate)]);
    tool::run(openssl.args(["-keyout", text(&key)])).ended(0);
    let state = folder.path().join("state");
    let mut import = tool::transom();
    import.args(["cert", "import", text(&certificate), "--key", text(&key), "--state"]);
    tool::run(import.arg(&state)).ended(0);
    let config = folder.path().join("config.toml");
    let setting = "[Service.Auth]\nCbtHardeningLevel = \"Strict\"\n";
    std::fs::write(&config, setting).unwrap();
    std::fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = tool::copy_of_transom(folder.path());
    let mut command = tool::program(program);
    command.args(["serve", "--listen", "https://127.0.0.1:0", "--config", text(&config)]);
    command.arg("--state").arg(&state);
    let ran = tool::run(&mut command).ended(1);
    for said in ["CbtHardeningLevel is Strict", "RSA or ECDSA"] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}
