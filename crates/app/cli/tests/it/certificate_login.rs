//! Logins by client certificates from end to end: certificates by our tool, by openssl and by Python, clients of other
//! people, and what the service's log says of those that it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;
use tempfile::TempDir;
use testkit::outside::{peers_python, report};

use crate::service::{Flavour, Service, USER, flavours};
use crate::tool::{self, Ran};

const LATE: &str = "[Service.Auth]\nCertificate = true\n";
const FIRST: &str = "[Service.Auth]\nCertificate = true\n[[Listener]]\nAddress = \"127.0.0.1\"\nPort = 0\n\
                     Transport = \"HTTPS\"\nClientCertNegotiation = true\n";
const MUTUAL: &str =
    "Authorization: http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
                        xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
                        <s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>";
/// Ansible's recipe, as its guide to WinRM has it; the mail address that its pages hide is written out.
const RECIPE: &str = r#"# set the name of the local user that will have the key mapped to
USERNAME="username"

cat > openssl.conf << EOL
distinguished_name = req_distinguished_name
[req_distinguished_name]
[v3_req_client]
extendedKeyUsage = clientAuth
subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:$USERNAME@localhost
EOL

export OPENSSL_CONF=openssl.conf
openssl req -x509 -nodes -days 3650 -newkey rsa:2048 -out cert.pem -outform PEM -keyout cert_key.pem -subj "/CN=$USERNAME" -extensions v3_req_client
rm openssl.conf
"#;

/// A service that takes certificates, and a folder of its clients.
struct Place {
    service: Service,
    folder: TempDir,
}

impl Place {
    fn late(flavour: Flavour) -> Self {
        Self::of(Service::https(flavour, LATE))
    }

    fn first(flavour: Flavour) -> Self {
        Self::of(Service::https_as_configured(flavour, FIRST))
    }

    fn of(service: Service) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-clients-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("identify.xml"), IDENTIFY).unwrap();
        Self { service, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `transom cert` on the service's state, as whoever runs the service.
    #[track_caller]
    fn cert(&self, words: &[&str]) -> Ran {
        tool::run(&mut self.service.transom(&[&["cert"], words].concat()))
    }

    /// `transom cert` in the folder of the clients, as whoever runs the test.
    #[track_caller]
    fn make(&self, line: &str) -> Ran {
        let mut command = tool::transom();
        tool::run(command.arg("cert").args(line.split(' ')).current_dir(self.folder.path()))
    }

    /// Imports a file of the folder.
    #[track_caller]
    fn import(&self, store: &str, file: &str) -> Ran {
        self.cert(&["import", store, text(&self.path(file))])
    }

    #[track_caller]
    fn map(&self, issuer: &str, subject: &str) -> Ran {
        let words = ["--issuer", issuer, "--subject", subject, "--account", USER];
        self.cert(&[["map", "add"].as_slice(), &words].concat())
    }

    #[track_caller]
    fn sh(&self, script: &str) {
        let mut shell = tool::program("sh");
        tool::run(shell.args(["-euc", script]).current_dir(self.folder.path())).ended(0);
    }

    fn thumbprint(&self, file: &str) -> String {
        let shown = self.make(&format!("show --file {file}")).ended(0).stdout;
        shown.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// What curl gets for an Identify: the status, and the schemes on offer.
    #[track_caller]
    fn curl(&self, words: &[&str]) -> String {
        let mut curl = tool::program("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]);
        curl.arg(self.service.certificate()).args(["--header", MUTUAL, "--header", "Expect:"]);
        curl.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8"]);
        curl.args(["--data-binary", "@identify.xml", "--output", "answer", "--write-out"]);
        curl.args(["%{http_code} %header{www-authenticate}"]).args(words);
        curl.arg(format!("https://localhost:{}/wsman", self.service.port));
        tool::run(curl.current_dir(self.folder.path())).ended(0).stdout
    }

    #[track_caller]
    fn status_of(&self, name: &str) -> String {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let answer = self.curl(&["--cert", &cert, "--key", &key]);
        answer.split(' ').next().unwrap().to_owned()
    }

    /// Runs the checks of a script as the client of `cert.pem`.
    #[track_caller]
    fn peer(&self, script: &str, checks: &[&str]) {
        let mut command: Command = tool::program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
        command.arg(format!("https://localhost:{}/wsman", self.service.port));
        command.args([USER, "certificate"]).args(checks).env("TRANSOM_TEST_PASSWORD", "");
        command.env("TRANSOM_TEST_CA", self.service.certificate());
        command.env("TRANSOM_TEST_CERT", self.path("cert.pem"));
        command.env("TRANSOM_TEST_KEY", self.path("cert_key.pem"));
        let ran = tool::run(&mut command);
        let said: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PEER ")).collect();
        said.iter().for_each(|line| report(line));
        assert!(!said.is_empty(), "{ran:#?}");
        ran.ended(0);
    }

    /// The lines of the log about refused logins.
    fn refusals(&self) -> Vec<String> {
        let log = self.service.log();
        log.lines().filter(|line| line.contains("outcome=\"refused\"")).map(str::to_owned).collect()
    }
}

#[track_caller]
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Lets in the self-signed certificate `cert.pem` of `username`, and runs every client with it.
#[track_caller]
fn let_in(place: &Place) {
    let thumbprint = place.thumbprint("cert.pem");
    place.peer("pywinrm_certificate.py", &["login_is_refused"]);
    place.peer("pypsrp_certificate.py", &["login_is_refused"]);
    place.import("--trusted-people", "cert.pem").ended(0);
    let said = place.map(&thumbprint, "username@localhost").ended(0).stdout;
    assert_eq!(
        said,
        format!("certificates of username@localhost issued by {thumbprint} log in as {USER}\n")
    );
    place.peer("pywinrm_certificate.py", &["commands_run", "long_output_arrives_whole"]);
    place.peer("pypsrp_certificate.py", &["commands_run"]);
    let log = place.service.log();
    let accepted = format!(
        "outcome=\"accepted\" peer=127.0.0.1:{{}} user=\"{USER}\" mechanism=\"Certificate\" \
         thumbprint=\"{thumbprint}\" subject=\"username@localhost\""
    );
    let (before, after) = accepted.split_once("{}").unwrap();
    assert!(log.contains(before) && log.contains(after), "{log}");
}

#[test]
fn certificate_by_ansibles_recipe_logs_in_when_it_is_asked_for_late() {
    for flavour in flavours() {
        let place = Place::late(flavour);
        place.sh(RECIPE);
        let_in(&place);
    }
}

#[test]
fn certificate_by_ansibles_recipe_logs_in_when_it_is_asked_for_first() {
    let place = Place::first(flavours()[0]);
    place.sh(RECIPE);
    let_in(&place);
}

#[test]
fn certificate_by_pythons_cryptography_logs_in() {
    let place = Place::late(flavours()[0]);
    let mut python: Command = tool::program(peers_python());
    python.arg(tool::repository().join("crates/app/cli/tests/peers/make_certificate.py"));
    tool::run(python.arg(place.folder.path()).arg("username")).ended(0);
    let_in(&place);
}

#[test]
fn certificates_of_our_own_authority_log_in_until_they_are_taken_back() {
    for (place, version) in [
        (Place::late(flavours()[0]), "--tlsv1.3"),
        (Place::late(flavours()[0]), "--tls-max=1.2"),
        (Place::first(flavours()[0]), "--tlsv1.3"),
        (Place::first(flavours()[0]), "--tls-max=1.2"),
    ] {
        let version: Vec<&str> = version.split('=').collect();
        place.make("new-ca --name CorpCA --out ca.pem --key-out ca.key").ended(0);
        place
            .make("new-client alice@localhost --ca ca.pem --ca-key ca.key --out a.pem --key-out a.key")
            .ended(0);
        let curl = |more: &[&str]| {
            let words = [&["--cert", "a.pem", "--key", "a.key"], version.as_slice(), more].concat();
            place.curl(&words)
        };
        assert_eq!(curl(&[]), "401 Negotiate");
        place.import("--root", "ca.pem").ended(0);
        assert_eq!(curl(&[]), "401 Negotiate");
        place.map(&place.thumbprint("ca.pem"), "*@localhost").ended(0);
        assert_eq!(curl(&[]), "200 ");
        let answer = fs::read_to_string(place.path("answer")).unwrap();
        assert!(answer.contains("IdentifyResponse"), "{answer}");
        place.sh(
            "printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=9\n' > ca.cnf
             touch index; echo 01 > number
             openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke a.pem 2> /dev/null
             openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out ca.crl 2> /dev/null",
        );
        let imported = place.import("--crl", "ca.crl").ended(0).stdout;
        assert!(imported.contains("Issuer       CN=CorpCA"), "{imported}");
        assert_eq!(curl(&[]), "401 Negotiate");
        let fingerprint = imported.split_whitespace().last().unwrap();
        place.cert(&["remove", "--crl", &fingerprint[..12]]).ended(0);
        assert_eq!(curl(&[]), "200 ");
    }
    report("PEER curl 8: client certificates by TLS 1.2 and 1.3, asked for first and late");
}

#[test]
fn refusals_say_why_in_the_log_and_nothing_on_the_wire() {
    let place = Place::late(flavours()[0]);
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    place.make("new-ca --name Other --out other.pem --key-out other.key").ended(0);
    let issue = |name: &str, upn: &str, ca: &str| {
        let ca =
            if ca.is_empty() { String::new() } else { format!(" --ca {ca}.pem --ca-key {ca}.key") };
        place.make(&format!("new-client {upn}{ca} --out {name}.pem --key-out {name}.key")).ended(0);
    };
    issue("alice", "alice@localhost", "ca");
    issue("bob", "bob@localhost", "ca");
    issue("stranger", "alice@localhost", "other");
    issue("alone", "alice@localhost", "");
    place.import("--root", "ca.pem").ended(0);
    let ca = place.thumbprint("ca.pem");
    place.map(&ca, "alice@localhost").ended(0);
    assert_eq!(place.status_of("alice"), "200");
    for (name, reason) in [
        ("bob", "no mapping of the certificate's issuer has its subject"),
        ("stranger", "signed by an authority that the service does not trust (CN=Other)"),
        ("alone", "is self-signed, and not among the trusted people"),
    ] {
        assert_eq!(place.status_of(name), "401", "{name}");
        let last = place.refusals().pop().unwrap();
        let thumbprint = place.thumbprint(&format!("{name}.pem"));
        assert!(last.contains(reason) && last.contains(&thumbprint), "{name}: {last}");
        assert!(last.contains("mechanism=\"Certificate\""), "{last}");
    }
    assert_eq!(place.curl(&[]), "401 Negotiate");
    assert!(place.refusals().pop().unwrap().contains("showed no certificate"));
    // Nobody's name is locked by all this.
    for _ in 0..15 {
        assert_eq!(place.status_of("alone"), "401");
    }
    assert_eq!(place.status_of("alice"), "200");
    place.service.run_trusting("exit 5").ended(5);
    tool::run(&mut place.service.transom(&["account", "remove", USER])).ended(0);
    assert_eq!(place.status_of("alice"), "401");
    let last = place.refusals().pop().unwrap();
    assert!(last.contains("mapped to an account that was removed"), "{last}");
    let listed = place.cert(&["map", "list"]).ended(0).stdout;
    assert!(listed.contains("(removed)"), "{listed}");
}

#[test]
fn what_decides_over_logins_belongs_to_root_and_keys_to_their_owner() {
    let place = Place::late(flavours()[0]);
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    place.import("--root", "ca.pem").ended(0);
    let data = fs::metadata(place.service.state().join("clients")).unwrap();
    let owner = fs::metadata(place.service.state().join("accounts")).unwrap().uid();
    assert_eq!((data.uid(), data.mode() & 0o7777), (owner, 0o600));
    assert!(!Uid::effective().is_root() || place.service.flavour != Flavour::Root || owner == 0);
    assert_eq!(fs::metadata(place.path("ca.key")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(place.path("ca.pem")).unwrap().mode() & 0o7777, 0o644);
    place.make("new-client a@b --out both.pem").ended(0);
    assert_eq!(fs::metadata(place.path("both.pem")).unwrap().mode() & 0o7777, 0o600);
    // Nobody's file is overwritten, and a half made pair does not stay.
    let again = place.make("new-client a@b --out new.pem --key-out both.pem").ended(1);
    assert!(again.stderr.contains("both.pem"), "{again:?}");
    assert!(!place.path("new.pem").exists());
}

#[test]
fn what_cannot_be_mapped_or_imported_is_refused_with_what_to_do() {
    let place = Place::late(flavours()[0]);
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    place.make("new-client a@b --out a.pem --key-out a.key").ended(0);
    let own = place.thumbprint("a.pem");
    for (words, said) in [
        (vec!["import", "--root", "a.pem"], "--trusted-people"),
        (vec!["import", "--trusted-people", "ca.pem"], "clientAuth is missing"),
        (vec!["import", "--root", "a.key"], "no certificate"),
        (vec!["import", "--crl", "ca.pem"], "no revocation list"),
        (vec!["import", "--root", "--crl", "ca.pem"], "cannot be used with"),
        (vec!["remove", &own, "--root"], "transom cert list"),
        (vec!["remove", "--crl", "00"], "no revocation list"),
        (
            vec!["map", "add", "--issuer", &own, "--subject", "a@b", "--account", "nobody"],
            "account list",
        ),
        (vec!["map", "add", "--issuer", &own, "--subject", "a*", "--account", USER], "no subject"),
        (
            vec!["map", "add", "--issuer", "12", "--subject", "a@b", "--account", USER],
            "no thumbprint",
        ),
        (vec!["map", "remove", "--issuer", &own, "--subject", "a@b"], "map list"),
    ] {
        let is_file = |word: &&str| word.ends_with(".pem") || word.ends_with(".key");
        let words: Vec<String> =
            words
                .into_iter()
                .map(|word| {
                    if is_file(&word) {
                        text(&place.path(word)).to_owned()
                    } else {
                        word.to_owned()
                    }
                })
                .collect();
        let ran = place.cert(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(ran.code() != 0 && ran.stderr.contains(said), "{words:?}: {ran:#?}");
    }
    place.import("--trusted-people", "a.pem").ended(0);
    assert!(place.import("--trusted-people", "a.pem").ended(1).stderr.contains("already"));
    place.map(&own, "a@b").ended(0);
    assert!(place.map(&own, "A@B").ended(1).stderr.contains("map remove"));
    let listed = place.cert(&["list"]).ended(0).stdout;
    assert!(
        listed.contains(&format!("trusted-people  {own}")) && listed.contains("service"),
        "{listed}"
    );
    place.cert(&["map", "remove", "--issuer", &own, "--subject", "a@b"]).ended(0);
    place.cert(&["remove", &own, "--trusted-people"]).ended(0);
    assert_eq!(place.cert(&["map", "list"]).ended(0).stdout, "no mappings\n");
}

#[test]
fn pem_becomes_pfx_and_pfx_pem_for_us_and_for_openssl() {
    let place = Place::late(flavours()[0]);
    fs::write(place.path("word"), "Pässword 1\n").unwrap();
    place.make("new-client alice@localhost --out a.pfx --out-password-file word").ended(0);
    assert_eq!(fs::metadata(place.path("a.pfx")).unwrap().mode() & 0o7777, 0o600);
    // The recipe of Ansible's guide for a PFX; ours has a password.
    place.sh(
        "openssl pkcs12 -in a.pfx -nocerts -nodes -out theirs.key -passin 'pass:Pässword 1' -passout pass:
         openssl pkcs12 -in a.pfx -nokeys -out theirs.pem -passin 'pass:Pässword 1'
         openssl pkcs12 -in a.pfx -info -nokeys -nocerts -passin 'pass:Pässword 1' 2> info
         grep -q 'PBES2.*AES-256-CBC.*hmacWithSHA256' info && grep -q 'MAC: sha256' info",
    );
    place.make("convert a.pfx --password-file word --out ours.pem --key-out ours.key").ended(0);
    assert_eq!(place.thumbprint("ours.pem"), place.thumbprint("theirs.pem"));
    place
        .make("convert theirs.pem --key theirs.key --out again.pfx --out-password-file word")
        .ended(0);
    place.make("convert again.pfx --password-file word --out back.pem").ended(0);
    assert_eq!(place.thumbprint("back.pem"), place.thumbprint("ours.pem"));
    // Keys in the older forms of openssl.
    place.sh(
        "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=r -keyout r8.key -out r.pem 2> /dev/null
         openssl rsa -in r8.key -traditional -out r.key 2> /dev/null
         openssl ecparam -name prime256v1 -genkey -noout -out e.key
         openssl req -x509 -key e.key -subj /CN=e -out e.pem",
    );
    for name in ["r", "e"] {
        let line = format!(
            "convert {name}.pem --key {name}.key --out {name}.pfx --out-password-file word"
        );
        place.make(&line).ended(0);
        place.sh(&format!(
            "openssl pkcs12 -in {name}.pfx -nodes -passin 'pass:Pässword 1' | openssl pkey > {name}.out
             openssl pkey -in {name}.key | cmp - {name}.out"
        ));
    }
    let wrong = place.make("convert a.pem --key r.key --out x.pem").ended(1);
    assert!(wrong.stderr.contains("a.pem"), "{wrong:?}");
    let wrong = place.make("convert r.pem --key e.key --out x.pem").ended(1);
    assert!(wrong.stderr.contains("belongs to none"), "{wrong:?}");
    report("PEER openssl 3: reads our PFX, we read its");
}

#[test]
fn server_certificate_of_our_own_authority_is_believed_by_its_clients() {
    let place = Place::late(flavours()[0]);
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    let made = place.cert(&[
        "new-server",
        "--name",
        "localhost",
        "--ca",
        text(&place.path("ca.pem")),
        "--ca-key",
        text(&place.path("ca.key")),
    ]);
    assert!(made.ended(0).stdout.contains("Issuer       CN=CA"));
    // The new one, and the self-signed one that the service began with.
    let listed = place.cert(&["list"]).ended(0).stdout;
    assert_eq!(listed.matches("service").count(), 2, "{listed}");
}

#[test]
fn winrs_and_the_service_need_no_password_between_them() {
    for place in [Place::late(flavours()[0]), Place::first(flavours()[0])] {
        fs::write(place.path("word"), "secret\n").unwrap();
        place.make("new-client alice@localhost --out a.pem --key-out a.key").ended(0);
        let pfx = "convert a.pem --key a.key --out a.pfx --out-password-file word";
        place.make(pfx).ended(0);
        let winrs = |words: &[&str]| {
            let mut command = tool::winrs();
            command.arg(format!("-r:https://localhost:{}", place.service.port)).args(words);
            command.arg("--ca").arg(place.service.certificate());
            tool::run(command.current_dir(place.folder.path()).arg("echo in; exit 7"))
        };
        let pem = ["--certificate", "a.pem", "--key", "a.key"];
        assert!(winrs(&pem).ended(255).stdout.is_empty());
        place.import("--trusted-people", "a.pem").ended(0);
        place.map(&place.thumbprint("a.pem"), "alice@localhost").ended(0);
        assert_eq!(winrs(&pem).ended(7).stdout, "in\n");
        let pfx = ["--certificate", "a.pfx", "--password-file", "word"];
        assert_eq!(winrs(&pfx).ended(7).stdout, "in\n");
    }
}

#[test]
fn winrs_does_not_believe_a_host_whose_certificate_was_taken_back() {
    let place = Place::late(flavours()[0]);
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    place.sh(
        "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout h.key -out h.csr 2> /dev/null
         printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > h.ext
         openssl x509 -req -in h.csr -CA ca.pem -CAkey ca.key -extfile h.ext -set_serial 7 -out h.pem 2> /dev/null
         printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=9\n' > ca.cnf
         touch index; echo 01 > number; mkdir lists
         openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out lists/ca.crl 2> /dev/null",
    );
    let service = Service::https_with(flavours()[0], &place.path("h.pem"), &place.path("h.key"));
    let settings = |more: &str| {
        tool::client_settings(&format!(
            "[TLS]\nCAPath = {:?}\nCRLPath = {:?}\n{more}",
            place.path("ca.pem"),
            place.path("lists")
        ))
    };
    let run = |more: &str| {
        let folder = settings(more);
        let mut command = service.winrs(&["exit 7"]);
        tool::run(command.env("XDG_CONFIG_HOME", folder.path()))
    };
    run("").ended(7);
    place.sh(
        "openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke h.pem 2> /dev/null
         openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out lists/ca.crl 2> /dev/null",
    );
    let refused = run("").ended(255);
    assert!(refused.stderr.contains("was revoked by its authority"), "{refused:?}");
    run("SkipRevocationCheck = true\n").ended(7);
}

#[test]
fn check_says_what_keeps_certificates_from_logging_in() {
    let place = Place::late(flavours()[0]);
    let check = |url: &str| {
        let config = place.service.state().with_file_name("config.toml");
        let words = ["serve", "--check", "--config", text(&config), "--listen", url];
        let ran = tool::run(&mut place.service.transom(&words));
        let about =
            |line: &&str| line.contains("client certificates") || line.contains("revocation");
        ran.stdout.lines().filter(about).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let https = "https://127.0.0.1:0";
    assert!(check(https).starts_with("warning  client certificates: none is mapped"));
    place.make("new-ca --name CA --out ca.pem --key-out ca.key").ended(0);
    place.import("--root", "ca.pem").ended(0);
    place.map(&place.thumbprint("ca.pem"), "*").ended(0);
    assert_eq!(check(https), "ok       client certificates: mappings: 1");
    assert!(check("http://127.0.0.1:0").contains("no listener is https"));
    place.sh(
        "printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n' > ca.cnf
         touch index; echo 01 > number
         openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out ca.crl \
             -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z 2> /dev/null",
    );
    place.import("--crl", "ca.crl").ended(0);
    let said = check(https);
    assert!(
        said.contains("failed   revocation list of CN=CA: its time was over on 2020-02-01"),
        "{said}"
    );
    // Whoever it is about is refused, and the log says why.
    place.make("new-client a@b --ca ca.pem --ca-key ca.key --out a.pem --key-out a.key").ended(0);
    assert_eq!(place.status_of("a"), "401");
    let last = place.refusals().pop().unwrap();
    assert!(last.contains("the revocation list of CN=CA (transom cert list, "), "{last}");
    fs::write(place.service.state().join("clients"), "version = 2\n").unwrap();
    assert!(check(https).contains("failed   client certificates"), "{}", check(https));
}

#[test]
fn openssl_s_client_logs_in_where_it_can_be_asked_and_hears_401_where_not() {
    let request = format!(
        "POST /wsman HTTP/1.1\r\nHost: localhost\r\n{MUTUAL}\r\nConnection: close\r\n\
         Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{IDENTIFY}",
        IDENTIFY.len()
    );
    for (place, cases) in [
        (
            Place::late(flavours()[0]),
            [("-tls1_3 -enable_pha", "200"), ("-tls1_3", "401"), ("-tls1_2", "200")].as_slice(),
        ),
        (Place::first(flavours()[0]), &[("-tls1_3", "200"), ("-tls1_2", "200")]),
    ] {
        place.make("new-client alice@localhost --out a.pem --key-out a.key").ended(0);
        place.import("--trusted-people", "a.pem").ended(0);
        place.map(&place.thumbprint("a.pem"), "alice@localhost").ended(0);
        for (options, status) in cases {
            let mut openssl = tool::program("openssl");
            openssl.args(["s_client", "-quiet", "-ign_eof", "-cert", "a.pem", "-key", "a.key"]);
            openssl.args(options.split(' ')).current_dir(place.folder.path());
            openssl.args(["-connect", &format!("127.0.0.1:{}", place.service.port)]);
            let ran = tool::run_with_input(&mut openssl, request.as_bytes());
            let wanted = format!("HTTP/1.1 {status} ");
            assert!(ran.stdout.starts_with(&wanted), "{options}: {ran:#?}");
        }
        let refused = place.refusals();
        let late = cases.len() > 2;
        assert_eq!(refused.len(), usize::from(late), "{refused:?}");
        assert!(!late || refused[0].contains("post_handshake_auth"), "{refused:?}");
    }
    report("PEER openssl 3: s_client logs in by certificate, asked for first and late");
}
