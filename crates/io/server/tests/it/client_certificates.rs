//! Logins by client certificates: what lets in, what does not, and that changes count at the next request.

use std::net::SocketAddr;
use std::sync::Arc;

use auth::Secret;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, OtherNameValue, RevokedCertParams,
    SanType,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use server::Settings;
use server::accounts::Accounts;
use server::clients::{Clients, Store};
use session::mapping::Entry;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use transport::tls::Facts;
use wsman::SelectorSet;
use wsman::fault::{ErrorCode, Fault};
use wsman::identify::{Identify, IdentifyResponse};
use wsman::ns::{self, resource};
use wsman::transfer::{Locator, Operation};
use wsman::xml::Element;

use crate::configuration::Asker;
use crate::support::{Http, PASSWORD, Service, Session, envelope_of, https, settings};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");
const MUTUAL: (&str, &str) =
    ("Authorization", "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual");
const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
const ALICE: u8 = 1;
const BOB: u8 = 2;

/// An authority for clients.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::hours(1);
    params
}

fn client_params(upn: &str, serial: u64) -> CertificateParams {
    let mut params = params("client");
    params.serial_number = Some(serial.into());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let name = OtherNameValue::Utf8String(upn.to_owned());
    params.subject_alt_names = vec![SanType::OtherName((UPN.to_vec(), name))];
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn thumbprint(&self) -> String {
        Facts::read(self.0.der()).unwrap().thumbprint
    }

    fn issue(&self, params: &CertificateParams) -> Client {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Client::of(certificate.der(), &key)
    }

    fn list(&self, revoked: u64) -> Vec<u8> {
        let now = OffsetDateTime::now_utc();
        let revoked = RevokedCertParams {
            serial_number: revoked.into(),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now - Duration::minutes(1),
            next_update: now + Duration::hours(1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().der().to_vec()
    }
}

impl Client {
    fn of(certificate: &CertificateDer<'_>, key: &KeyPair) -> Self {
        let key = key.serialize_der().try_into().unwrap();
        Self { chain: vec![certificate.clone().into_owned()], key }
    }

    fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::of(params.self_signed(&key).unwrap().der(), &key)
    }
}

/// Believes every host: these tests are about the other side.
#[derive(Debug)]
struct AnyHost;

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A connection of rustls alone, with a certificate or without.
async fn connect(address: SocketAddr, client: Option<&Client>) -> Http {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyHost));
    let config = match client {
        Some(client) => {
            config.with_client_auth_cert(client.chain.clone(), client.key.clone_key()).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let own = stream.local_addr().unwrap();
    let name = ServerName::try_from("box").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    Http::over(stream, own)
}

/// Settings of a service that asks clients for their certificates, in the first handshake or late.
fn asking(first: bool) -> Settings {
    let mut settings = https("[Service.Auth]\nCertificate = true\n");
    for listener in &mut settings.listeners {
        listener.client_cert_negotiation = first;
    }
    settings
}

fn entry(issuer: &str, subject: &str, account: u8) -> Entry {
    Entry {
        issuer: issuer.to_owned(),
        subject: subject.parse().unwrap(),
        uri: "*".parse().unwrap(),
        account: [account; 16],
        enabled: true,
    }
}

/// What is done to the file.
type Change<'a> = &'a dyn Fn(&mut Clients);

/// A service with an authority for its clients.
struct Place {
    service: Service,
    authority: Authority,
}

impl Place {
    /// Alice's UPN leads to Alice.
    async fn new() -> Self {
        let place = Self {
            service: Service::start_with(asking(true)).await,
            authority: Authority::new("CA"),
        };
        place.write(&place.clients());
        place
    }

    fn clients(&self) -> Clients {
        let mut clients = Clients::default();
        clients.add(Store::Root, self.authority.0.der()).unwrap();
        clients.map(entry(&self.authority.thumbprint(), "alice@localhost", ALICE)).unwrap();
        clients
    }

    /// Puts a file in the place of the old one, as the tool does.
    fn write(&self, clients: &Clients) {
        let new = self.service.file("clients.new");
        std::fs::write(&new, clients.to_text().unwrap()).unwrap();
        std::fs::rename(new, self.service.file("clients")).unwrap();
    }

    fn alice(&self) -> Client {
        self.authority.issue(&client_params("alice@localhost", 7))
    }

    async fn status(&self, client: &Client) -> u16 {
        let mut http = connect(self.service.address, Some(client)).await;
        let answer = http.ask(&[SOAP, MUTUAL], &identify()).await;
        if answer.status == 401 {
            assert!(answer.body.is_empty(), "the wire says nothing of the reason");
            assert_eq!(answer.values("WWW-Authenticate"), ["Negotiate"]);
        }
        answer.status
    }
}

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

/// A Create of a command shell.
fn create() -> Vec<u8> {
    use wsman::shell::{Request, RequestContext, ShellDescription, ShellOptions};
    let context = RequestContext::new("https://box:5986/wsman", resource::CMD, uuid::Uuid::nil());
    let shell = Box::new(ShellDescription::default());
    let request = Request::Create { shell, options: ShellOptions::default() };
    let id = uuid::Uuid::from_u128(1);
    request.to_envelope(&context, None, id, std::time::Duration::from_secs(10)).encode()
}

#[tokio::test]
async fn mapped_certificate_logs_in_and_opens_a_shell() {
    let place = Place::new().await;
    let mut http = connect(place.service.address, Some(&place.alice())).await;
    let answer = http.ask(&[SOAP, MUTUAL], &identify()).await;
    assert_eq!(answer.status, 200);
    let response = IdentifyResponse::from_envelope(&envelope_of(&answer.body)).unwrap();
    let profiles = response.security_profiles.unwrap();
    assert!(profiles.iter().any(|found| found == wsman::identify::profile::HTTPS_MUTUAL));
    assert_eq!(http.ask(&[SOAP, MUTUAL], &create()).await.status, 200);
}

#[tokio::test]
async fn each_request_must_say_that_the_certificate_counts() {
    let place = Place::new().await;
    let mut http = connect(place.service.address, Some(&place.alice())).await;
    assert_eq!(http.ask(&[SOAP], &identify()).await.status, 401);
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 200);
    assert_eq!(http.ask(&[SOAP], &identify()).await.status, 401);
    assert_eq!(http.ask(&[SOAP, MUTUAL], b"").await.status, 200);
    // Another login on the connection is another login.
    let header = crate::support::basic("alice", PASSWORD);
    let answer = http.ask(&[SOAP, ("Authorization", &header)], &identify()).await;
    assert_eq!(answer.status, 401);
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 200);
}

#[tokio::test]
async fn header_with_more_behind_it_is_no_login() {
    let place = Place::new().await;
    let mut http = connect(place.service.address, Some(&place.alice())).await;
    let more = format!("{} AQID", MUTUAL.1);
    let answer = http.ask(&[SOAP, ("Authorization", &more)], &identify()).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn certificates_that_are_not_believed_or_not_mapped_are_refused() {
    let place = Place::new().await;
    let authority = &place.authority;
    let mut expired = client_params("alice@localhost", 8);
    expired.not_before = OffsetDateTime::now_utc() - Duration::days(2);
    expired.not_after = OffsetDateTime::now_utc() - Duration::days(1);
    let mut server = client_params("alice@localhost", 9);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for (what, client) in [
        ("expired", authority.issue(&expired)),
        ("for servers", authority.issue(&server)),
        ("not mapped", authority.issue(&client_params("carol@localhost", 10))),
        (
            "nameless",
            authority.issue(&{
                let mut params = client_params("", 11);
                params.subject_alt_names.clear();
                params
            }),
        ),
        ("of another authority", Authority::new("CA").issue(&client_params("alice@localhost", 7))),
        ("self-signed", Client::self_signed(&client_params("alice@localhost", 7))),
    ] {
        assert_eq!(place.status(&client).await, 401, "{what}");
    }
    let mut http = connect(place.service.address, None).await;
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 401, "none");
    assert_eq!(place.status(&place.alice()).await, 200);
}

#[tokio::test]
async fn self_signed_certificate_among_the_trusted_people_logs_in() {
    let place = Place::new().await;
    let client = Client::self_signed(&client_params("bob@localhost", 7));
    let thumbprint = Facts::read(&client.chain[0]).unwrap().thumbprint;
    let mut clients = place.clients();
    clients.map(entry(&thumbprint, "bob@localhost", BOB)).unwrap();
    place.write(&clients);
    assert_eq!(place.status(&client).await, 401);
    clients.add(Store::TrustedPeople, &client.chain[0]).unwrap();
    place.write(&clients);
    assert_eq!(place.status(&client).await, 200);
}

#[tokio::test]
async fn changes_count_at_the_next_request_of_a_connection() {
    let place = Place::new().await;
    let thumbprint = place.authority.thumbprint();
    let with = |change: Change<'_>| {
        let mut clients = place.clients();
        change(&mut clients);
        place.write(&clients);
    };
    let revoke =
        |serial| with(&|clients| drop(clients.add_lists(&place.authority.list(serial)).unwrap()));
    let map_to_bob_too = || {
        with(&|clients| {
            let uri = "http://schemas.microsoft.com/*".parse().unwrap();
            clients.map(Entry { uri, ..entry(&thumbprint, "alice@localhost", BOB) }).unwrap();
        });
    };
    let distrust = || {
        with(&|clients| clients.remove(Store::Root, &thumbprint.parse().unwrap()).unwrap());
    };
    let map_to_nobody = || {
        with(&|clients| {
            let (subject, uri) = ("alice@localhost".parse().unwrap(), "*".parse().unwrap());
            let old = clients.unmap(&thumbprint.parse().unwrap(), &subject, &uri).unwrap();
            clients.map(Entry { account: [9; 16], ..old }).unwrap();
        });
    };
    let remove = |name: &str| std::fs::remove_file(place.service.file(name)).unwrap();
    let spoil = || std::fs::write(place.service.file("clients"), "version = 2\n").unwrap();
    let alice = place.alice();
    let changes: [(&str, &dyn Fn()); 7] = [
        ("revoked", &|| revoke(7)),
        ("ambiguous", &map_to_bob_too),
        ("not trusted", &distrust),
        ("mapped to nobody", &map_to_nobody),
        ("malformed", &spoil),
        ("no file", &|| remove("clients")),
        ("no accounts", &|| remove("accounts")),
    ];
    for (what, change) in changes {
        // Another one was revoked.
        revoke(8);
        let mut http = connect(place.service.address, Some(&alice)).await;
        for _ in 0..2 {
            assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 200, "{what}");
        }
        change();
        let answer = http.ask(&[SOAP, MUTUAL], &identify()).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.values("Connection"), ["close"]);
        assert!(http.is_closed().await, "{what}");
    }
}

#[tokio::test]
async fn mapping_of_one_resource_reaches_no_other() {
    let place = Place::new().await;
    let mut clients = Clients::default();
    clients.add(Store::Root, place.authority.0.der()).unwrap();
    let mut only = entry(&place.authority.thumbprint(), "*", ALICE);
    only.uri = "http://schemas.microsoft.com/powershell/*".parse().unwrap();
    clients.map(only).unwrap();
    place.write(&clients);
    let mut http = connect(place.service.address, Some(&place.alice())).await;
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 200);
    let answer = http.ask(&[SOAP, MUTUAL], &create()).await;
    assert_eq!(answer.status, 500);
    let fault = Fault::from_envelope(&envelope_of(&answer.body)).unwrap().unwrap();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
}

#[tokio::test]
async fn refused_certificates_lock_nobody_out() {
    let place = Place::new().await;
    let stranger = Client::self_signed(&client_params("alice@localhost", 7));
    for _ in 0..30 {
        assert_eq!(place.status(&stranger).await, 401);
    }
    assert_eq!(place.status(&place.alice()).await, 200);
    let http = connect(place.service.address, None).await;
    let login = crate::support::negotiate("alice", PASSWORD, false);
    assert!(Session::over(http, login).await.is_ok());
}

#[tokio::test]
async fn certificate_is_not_asked_for_while_the_setting_is_false() {
    let mut off = https("");
    off.listeners[0].client_cert_negotiation = true;
    let authority = Authority::new("CA");
    let service = Service::start_with(off).await;
    let mut http =
        connect(service.address, Some(&authority.issue(&client_params("alice@localhost", 7))))
            .await;
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 401);
    // By plain HTTP there is none, whatever the setting says.
    let service = Service::start_with(settings("[Service.Auth]\nCertificate = true\n")).await;
    let mut http = Http::connect(service.address).await;
    assert_eq!(http.ask(&[SOAP, MUTUAL], &identify()).await.status, 401);
}

/// The resource of a mapping by its keys.
fn mapping(issuer: &str, subject: &str) -> Locator {
    let selectors = SelectorSet::default().with("Issuer", issuer).with("Subject", subject);
    let selectors = selectors.with("URI", "*");
    Locator { selectors, ..Locator::new(ns::config::CERT_MAPPING) }
}

/// The representation that a client sends.
fn wanted(values: &[(&'static str, &str)]) -> Element {
    let mut element = Element::new(ns::config::CERT_MAPPING, "CertMapping");
    for (name, value) in values {
        element.push(Element::new(ns::config::CERT_MAPPING, name).with_text(*value));
    }
    element
}

#[tokio::test]
async fn mapping_by_the_wire_needs_the_password_and_lasts_as_long_as_it() {
    let place = Place::new().await;
    let issuer = place.authority.thumbprint();
    let robert = place.authority.issue(&client_params("robert@localhost", 9));
    let http = connect(place.service.address, None).await;
    let login = crate::support::negotiate("alice", PASSWORD, false);
    let mut alice = Asker(Session::over(http, login).await.unwrap_or_else(|_| panic!("refused")));
    let at = mapping(&issuer, "robert@localhost");
    let make = |password: &str| {
        let values = [("UserName", "bob"), ("Password", password), ("Enabled", "true")];
        Operation::Create(wanted(&values))
    };
    for (operation, code) in [
        (make("wrong"), ErrorCode::CERTMAPPING_INVALIDUSERCREDENTIALS),
        (make(""), ErrorCode::CERTMAPPING_PASSWORDBLANK),
        (Operation::Get, ErrorCode::RESOURCE_NOT_FOUND),
    ] {
        let fault = alice.ask(&at, operation).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(code));
    }
    assert_eq!(place.status(&robert).await, 401);
    alice.ask(&at, make(PASSWORD)).await.unwrap();
    assert_eq!(place.status(&robert).await, 200);
    let again = alice.ask(&at, make(PASSWORD)).await.unwrap_err();
    assert_eq!(again.error_code(), Some(ErrorCode::ALREADY_EXISTS));
    let shown = alice.ask(&at, Operation::Get).await.unwrap().body.remove(0);
    let value = |name: &str| shown.child(ns::config::CERT_MAPPING, name).unwrap().trimmed_text();
    assert_eq!((value("UserName"), value("Password")), ("bob".to_owned(), String::new()));
    assert_eq!((value("Issuer"), value("Enabled")), (issuer.clone(), "true".to_owned()));
    // Closed and open again without the password; another account only with its own.
    for (enabled, status) in [("false", 401), ("true", 200)] {
        alice.ask(&at, Operation::Put(wanted(&[("Enabled", enabled)]))).await.unwrap();
        assert_eq!(place.status(&robert).await, status, "{enabled}");
    }
    let stolen = wanted(&[("UserName", "carol"), ("Password", "guessed")]);
    let fault = alice.ask(&at, Operation::Put(stolen)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::CERTMAPPING_INVALIDUSERCREDENTIALS));
    let moved = alice.ask(&at, Operation::Put(wanted(&[("Subject", "*")]))).await.unwrap_err();
    assert!(moved.error_code().is_some());
    // Root's own is shown, and stays.
    let policy = mapping(&issuer, "alice@localhost");
    let shown = alice.ask(&policy, Operation::Get).await.unwrap().body.remove(0);
    let user = shown.child(ns::config::CERT_MAPPING, "UserName").unwrap();
    assert_eq!((user.attribute("Source"), &*user.trimmed_text()), (Some("GPO"), "alice"));
    let fault = alice.ask(&policy, Operation::Delete).await.unwrap_err();
    let code = ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING;
    assert_eq!(fault.error_code(), Some(code));
    // With another password of Bob's the mapping is over.
    let file = place.service.file("accounts");
    let mut accounts = Accounts::parse(&std::fs::read(&file).unwrap()).unwrap();
    accounts.set_password("bob", &Secret::new("Another 1")).unwrap();
    std::fs::write(&file, accounts.to_text()).unwrap();
    assert_eq!(place.status(&robert).await, 401);
    alice.ask(&at, Operation::Delete).await.unwrap();
    let gone = alice.ask(&at, Operation::Get).await.unwrap_err();
    assert_eq!(gone.error_code(), Some(ErrorCode::RESOURCE_NOT_FOUND));
}
