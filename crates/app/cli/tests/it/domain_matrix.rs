//! The matrix of domain logins: Kerberos and CredSSP over every transport, with and without delegation, from our client
//! and from two released ones, against our service. What is expected stands in the guide, which was written before the
//! first run.

use std::fs;

use testkit::outside::{peers_python, report};

use crate::docs::{quoted, rows};
use crate::domain::{Domain, PASSWORD as DOMAIN_PASSWORD, PRINCIPAL};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

/// A ticket of the client's is where the library looks for it without being told.
const LINE: &str = "if klist -s; then echo ticket; else echo none; fi; echo err >&2; exit 7";

const AUTH: &str = "[Service.Auth]\nCredSSP = true\n";

/// A row of the guide.
struct Row<'a> {
    login: String,
    over: &'a str,
    is_domain: bool,
    delegates: bool,
}

impl<'a> Row<'a> {
    fn read(cells: &'a [String]) -> (Self, &'a [String]) {
        let [login, over, account, delegation, expected @ ..] = cells else { panic!("{cells:?}") };
        let row = Self {
            login: login.to_lowercase(),
            over,
            is_domain: account == "domain",
            delegates: delegation == "yes",
        };
        (row, expected)
    }

    fn account(&self) -> (&'static str, &'static str) {
        if self.is_domain { (PRINCIPAL, DOMAIN_PASSWORD) } else { (USER, PASSWORD) }
    }

    fn by_winrs(&self, domain: &Domain, service: &Service) -> String {
        let (user, password) = self.account();
        let mut command = domain.winrs();
        command.arg(format!("-r:{}", Domain::url(service)));
        command.args(["--auth", &self.login]).arg(format!("-u:{user}"));
        command.env("TRANSOM_PASSWORD", password);
        // Whoever may have the password must be named.
        let settings =
            tool::client_settings("[CredSSP]\nAllowFreshCredentials = [\"wsman/localhost\"]\n");
        command.env("XDG_CONFIG_HOME", settings.path());
        if self.delegates {
            command.arg("-allowdelegate");
        }
        if self.over == "https" {
            command.arg("--ca").arg(service.certificate());
        }
        let ran = tool::run(command.arg(LINE));
        match (ran.code(), ran.stdout.as_str(), ran.stderr.as_str()) {
            (7, "ticket\n", "err\n") => "pass, ticket".to_owned(),
            (7, "none\n", "err\n") => "pass".to_owned(),
            (255, "", said) => format!("refused: {said}"),
            _ => panic!("{} by {}: {ran:#?}", self.login, self.over),
        }
    }

    fn by_peer(&self, client: &str, domain: &Domain, service: &Service) -> String {
        let (user, password) = self.account();
        let mut command = domain.program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers/domain_matrix.py"));
        command.args([client, &self.login, &format!("{}/wsman", Domain::url(service)), user, LINE]);
        command.env("TRANSOM_TEST_PASSWORD", password);
        if self.delegates {
            command.env("TRANSOM_TEST_DELEGATE", "yes");
        }
        if self.over == "https" {
            command.env("TRANSOM_TEST_CA", service.certificate());
        }
        tool::run(&mut command).ended(0).stdout.trim().to_owned()
    }
}

#[test]
fn every_domain_login_passes_or_is_refused_as_the_guide_says() {
    let guide = fs::read_to_string(tool::repository().join("docs/guide/domain-logins.md")).unwrap();
    let rows = rows(&guide);
    assert_eq!(rows.len(), 16);
    let domain = Domain::new();
    let http = domain.service("http", flavours()[0], AUTH);
    let https = domain.service("https", flavours()[0], AUTH);
    let mut wrong = Vec::new();
    for cells in &rows {
        let (row, expected) = Row::read(cells);
        let service = if row.over == "https" { &https } else { &http };
        let found = [
            row.by_winrs(&domain, service),
            row.by_peer("pywinrm", &domain, service),
            row.by_peer("pypsrp", &domain, service),
        ];
        let name = cells[..4].join(", ");
        for (expected, found) in expected.iter().zip(&found) {
            let fits = match quoted(expected).as_slice() {
                [] => expected == found,
                [part] => found.starts_with("refused: ") && found.contains(part),
                _ => false,
            };
            if !fits {
                wrong.push(format!("{name}: expected {expected}, found {found}"));
            }
        }
        let short = found.map(|said| said.split(':').next().unwrap().to_owned());
        let [winrs, pywinrm, pypsrp] = short;
        report(&format!("MATRIX {name}: winrs {winrs}, pywinrm {pywinrm}, pypsrp {pypsrp}"));
    }
    assert_eq!(wrong, Vec::<String>::new());
    for peer in
        ["mit-krb5 1.20: the KDC", "pywinrm 0.5.0", "pypsrp 0.9.1", "requests-credssp 2.0.0"]
    {
        report(&format!("PEER {peer}: the matrix of domain logins"));
    }
}
