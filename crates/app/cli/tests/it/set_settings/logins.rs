//! Which logins pass.

use testkit::outside::{peers_python, report};

use super::{Clients, offers, refused, set};
use crate::domain::{self, Domain, PRINCIPAL};
use crate::login_matrix::Place;
use crate::service::{Service, USER, flavours};
use crate::tool;

#[test]
fn basic_and_readable_messages_pass_while_they_are_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    let mut seen = || ["pywinrm basic", "pywinrm ntlm:readable"].map(|login| clients.pass(login));
    assert_eq!(seen(), [false, false]);
    set(&service, "Service/Auth/Basic", "true");
    assert_eq!(seen(), [false, false], "the password would be readable");
    set(&service, "Service/AllowUnencrypted", "true");
    assert_eq!(seen(), [true, true]);
    assert_eq!(offers(&service), ["Negotiate", "Basic realm=\"WSMAN\""]);
    set(&service, "Service/Auth/Basic", "false");
    assert_eq!(seen(), [false, true]);
    set(&service, "Service/Auth/Basic", "true");
    set(&service, "Service/AllowUnencrypted", "false");
    assert_eq!(seen(), [false, false]);
    report("PEER pywinrm 0.5.0: Basic and messages in the clear while winrm set allows them");
}

#[test]
fn ntlm_passes_while_negotiate_is_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    let mut seen = || ["pywinrm ntlm", "pypsrp negotiate"].map(|login| clients.pass(login));
    let ours = || service.run("exit 3");
    assert_eq!((seen(), ours().code()), ([true, true], 3));
    set(&service, "Service/Auth/Negotiate", "false");
    assert_eq!((seen(), offers(&service)), ([false, false], Vec::new()));
    ours().ended(255);
    assert!(service.log().contains("the setting Negotiate of Service.Auth"), "{}", service.log());
    // The private socket has no login: nobody shuts himself out.
    set(&service, "Service/Auth/Negotiate", "true");
    assert_eq!((seen(), ours().code()), ([true, true], 3));
    report("PEER pywinrm 0.5.0, pypsrp 0.9.1: NTLM while winrm set has Negotiate");
}

#[test]
fn tickets_pass_while_one_of_their_words_is_set() {
    let domain = Domain::new();
    let service = domain.service("http", flavours()[0], "");
    let mut python = domain.program(peers_python());
    python.env("TRANSOM_TEST_PASSWORD", domain::PASSWORD);
    let mut rita = Clients::start(python, &Domain::url(&service), PRINCIPAL);
    let mut by_ticket = || rita.pass("pypsrp kerberos");
    assert_eq!((by_ticket(), offers(&service).join(" ")), (true, "Negotiate Kerberos".into()));
    set(&service, "Service/Auth/Negotiate", "false");
    assert_eq!((by_ticket(), offers(&service).join(" ")), (true, "Kerberos".into()));
    set(&service, "Service/Auth/Kerberos", "false");
    assert_eq!((by_ticket(), offers(&service).join(" ")), (false, String::new()));
    set(&service, "Service/Auth/Kerberos", "true");
    assert_eq!((by_ticket(), offers(&service).join(" ")), (true, "Kerberos".into()));
    let log = service.log();
    assert_eq!(log.matches("mechanism=\"Kerberos\" principal=").count(), 3, "{log}");
    // As on Windows, Negotiate has tickets all the same.
    set(&service, "Service/Auth/Kerberos", "false");
    set(&service, "Service/Auth/Negotiate", "true");
    assert_eq!((by_ticket(), offers(&service).join(" ")), (true, "Negotiate".into()));
    report("PEER pypsrp 0.9.1: Kerberos while winrm set has it");
}

#[test]
fn certificates_of_clients_pass_while_they_are_set() {
    let place = Place::new(Service::https(flavours()[0], ""));
    let service = &place.service;
    let mut python = tool::program(peers_python());
    python.env("TRANSOM_TEST_CA", service.certificate());
    python.env("TRANSOM_TEST_CERTIFICATE", place.path("a.pem"));
    python.env("TRANSOM_TEST_KEY", place.path("a.key"));
    let mut clients = Clients::start(python, &place.url(), USER);
    let mut seen = || {
        let ours = place.by_winrs("certificate", &place.url());
        assert!(ours == "pass" || ours.starts_with("refused: "), "{ours}");
        [curl_passes(&place), clients.pass("pypsrp certificate"), ours == "pass"]
    };
    assert_eq!(seen(), [false; 3]);
    set(service, "Service/Auth/Certificate", "true");
    assert_eq!(seen(), [true; 3]);
    set(service, "Service/Auth/Certificate", "false");
    assert_eq!(seen(), [false; 3]);
    report("PEER curl 7.88.1, pypsrp 0.9.1: certificates of clients while winrm set has them");
}

const MUTUAL: &str =
    "Authorization: http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// Whether curl is let in by its certificate.
fn curl_passes(place: &Place) -> bool {
    let mut curl = tool::program("curl");
    curl.args(["--silent", "--noproxy", "*", "--cacert"]).arg(place.service.certificate());
    curl.arg("--cert").arg(place.path("a.pem")).arg("--key").arg(place.path("a.key"));
    curl.args(["--header", MUTUAL, "--header", "Content-Type: application/soap+xml;charset=UTF-8"]);
    curl.args(["--data-binary", crate::listeners::IDENTIFY, "--write-out", " %{http_code}"]);
    let answer = tool::run(curl.arg(format!("{}/wsman", place.url()))).ended(0).stdout;
    assert!(answer.ends_with(" 401") || answer.ends_with(" 200"), "{answer}");
    answer.contains("IdentifyResponse")
}

#[test]
fn credssp_passes_while_it_is_set_and_shows_the_certificate_that_is_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    let by_both = ["pypsrp credssp", "pywinrm credssp"];
    assert_eq!(by_both.map(|login| clients.pass(login)), [false, false]);
    assert_eq!(clients.ask("inner"), "status 401");
    set(&service, "Service/Auth/CredSSP", "true");
    assert_eq!(by_both.map(|login| clients.pass(login)), [true, true]);
    let first = clients.ask("inner");
    let made = tool::run(&mut service.transom(&["cert", "new-server", "--name", "localhost"]));
    let own = made.ended(0).stdout.split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(clients.ask("inner"), first, "nobody has named the new one");
    set(&service, "Service/CertificateThumbprint", &own);
    assert_eq!(clients.ask("inner"), own);
    let unknown = "00112233445566778899AABBCCDDEEFF00112233";
    let said = refused(&service, "Service/CertificateThumbprint", unknown);
    assert!(
        said.contains("has no certificate with it") && said.contains("87 0x00000057"),
        "{said}"
    );
    assert_eq!(clients.ask("inner"), own);
    set(&service, "Service/CertificateThumbprint", "");
    assert_ne!(clients.ask("inner"), own);
    set(&service, "Service/Auth/CredSSP", "false");
    assert_eq!(by_both.map(|login| clients.pass(login)), [false, false]);
    report("PEER pypsrp 0.9.1, pywinrm 0.5.0: CredSSP while winrm set has it");
    report("PEER OpenSSL 3: the certificate inside CredSSP is that of winrm set");
}

#[test]
fn bindings_of_logins_are_asked_for_as_is_set() {
    let service = Service::https(flavours()[0], "");
    let mut python = tool::program(peers_python());
    python.env("TRANSOM_TEST_CA", service.certificate());
    let mut clients = Clients::start(python, &service.url.replace("127.0.0.1", "localhost"), USER);
    let mut seen = || {
        let logins = ["pypsrp ntlm", "pypsrp ntlm:unbound", "pypsrp ntlm:misbound"];
        logins.map(|login| clients.pass(login))
    };
    assert_eq!(seen(), [true, true, false], "Relaxed");
    set(&service, "Service/Auth/CbtHardeningLevel", "Strict");
    assert_eq!(seen(), [true, false, false]);
    set(&service, "Service/Auth/CbtHardeningLevel", "None");
    assert_eq!(seen(), [true, true, true]);
    set(&service, "Service/Auth/CbtHardeningLevel", "Relaxed");
    assert_eq!(seen(), [true, true, false]);
    report("PEER pypsrp 0.9.1: channel bindings as winrm set asks for them");
}
