//! The matrix of logins: every login over every transport, from our client and from two released ones, against our
//! service. What is expected stands in the guide, which was written before the first run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use testkit::outside::{peers_python, report};

use crate::docs::{quoted, rows};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

const LINE: &str = "echo out; echo err >&2; exit 7";
const AUTH: &str = "[Service.Auth]\nBasic = true\nCertificate = true\n";
const LISTENER: &str = "[[Listener]]\nAddress = \"127.0.0.1\"\nPort = 0\nTransport = \"HTTPS\"\n";

/// A service that lets in a certificate by name of [`USER`], and the client's files.
pub(crate) struct Place {
    pub(crate) service: Service,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(service: Service) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-clients-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self { service, folder };
        let mut make = tool::transom();
        make.args([
            "cert",
            "new-client",
            "alice@localhost",
            "--out",
            "a.pem",
            "--key-out",
            "a.key",
        ]);
        let made = tool::run(make.current_dir(place.folder.path())).ended(0).stdout;
        let thumbprint = made.split_whitespace().nth(1).unwrap().to_owned();
        let certificate = place.path("a.pem");
        let import = ["cert", "import", "--trusted-people", certificate.to_str().unwrap()];
        tool::run(&mut place.service.transom(&import)).ended(0);
        let map = ["cert", "map", "add", "--issuer", &thumbprint, "--subject", "alice@localhost"];
        let map = [map.as_slice(), &["--account", USER]].concat();
        tool::run(&mut place.service.transom(&map)).ended(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `pass`, or what our client says.
    pub(crate) fn by_winrs(&self, login: &str, url: &str) -> String {
        let mut command = tool::winrs();
        command.arg(format!("-r:{url}")).args(["--auth", login]);
        if login == "certificate" {
            command.arg("--certificate").arg(self.path("a.pem"));
            command.arg("--key").arg(self.path("a.key"));
        } else {
            command.arg(format!("-u:{USER}")).env("TRANSOM_PASSWORD", PASSWORD);
        }
        if url.starts_with("https") {
            command.arg("--ca").arg(self.service.certificate());
        }
        let ran = tool::run(command.arg(LINE));
        match (ran.code(), ran.stdout.as_str(), ran.stderr.as_str()) {
            (7, "out\n", "err\n") => "pass".to_owned(),
            (255, "", said) => format!("refused: {said}"),
            _ => panic!("{login} by {url}: {ran:#?}"),
        }
    }

    /// The same of somebody else's client.
    fn by_peer(&self, client: &str, login: &str, url: &str) -> String {
        let mut command: Command = tool::program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers/login_matrix.py"));
        command.args([client, login, &format!("{url}/wsman"), USER]);
        command.env("TRANSOM_TEST_PASSWORD", PASSWORD);
        if login == "certificate" {
            command.env("TRANSOM_TEST_CERTIFICATE", self.path("a.pem"));
            command.env("TRANSOM_TEST_KEY", self.path("a.key"));
        }
        if url.starts_with("https") {
            command.env("TRANSOM_TEST_CA", self.service.certificate());
        }
        tool::run(&mut command).ended(0).stdout.trim().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        // The certificate of the service has this name.
        self.service.url.replace("127.0.0.1", "localhost")
    }
}

#[test]
fn every_login_passes_or_is_refused_as_the_guide_says() {
    let guide = fs::read_to_string(tool::repository().join("docs/guide/logins.md")).unwrap();
    let rows = rows(&guide);
    assert_eq!(rows.len(), 12);
    let http = Place::new(Service::configured(flavours()[0], AUTH));
    let https = |more: &str| {
        let settings = format!("{AUTH}{LISTENER}{more}");
        Place::new(Service::https_as_configured(flavours()[0], &settings))
    };
    let late = https("");
    let first = https("ClientCertNegotiation = true\n");
    let old = https("DisableTLS13 = true\n");
    let mut wrong = Vec::new();
    for row in &rows {
        let [name, over, expected @ ..] = row.as_slice() else { panic!("{row:?}") };
        let login = name.split(',').next().unwrap().to_lowercase();
        let place = match (over.as_str(), name.as_str()) {
            ("http", _) => &http,
            (_, name) if name.contains("first handshake") => &first,
            (_, name) if name.contains("TLS 1.2") => &old,
            _ => &late,
        };
        let url = place.url();
        let found = [
            place.by_winrs(&login, &url),
            place.by_peer("pywinrm", &login, &url),
            place.by_peer("pypsrp", &login, &url),
        ];
        for (expected, found) in expected.iter().zip(&found) {
            let fits = match quoted(expected).as_slice() {
                [] => expected == found,
                [part] => found.starts_with("refused: ") && found.contains(part),
                _ => false,
            };
            if !fits {
                wrong.push(format!("{name} over {over}: expected {expected}, found {found}"));
            }
        }
        let short = found.map(|said| said.split(':').next().unwrap().to_owned());
        let [winrs, pywinrm, pypsrp] = short;
        report(&format!(
            "MATRIX {name} over {over}: winrs {winrs}, pywinrm {pywinrm}, pypsrp {pypsrp}"
        ));
    }
    assert_eq!(wrong, Vec::<String>::new());
    report("PEER pywinrm 0.5.0: the matrix of logins");
    report("PEER pypsrp 0.9.1: the matrix of logins");
}
