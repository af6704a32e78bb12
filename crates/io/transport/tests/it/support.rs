//! Certificates made for one test, and a handshake over loopback.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList,
    CertificateRevocationListParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, RevokedCertParams,
};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use transport::tls::{
    Client, ClientCertificates, ClientOptions, Connected, Identity, IdentityError, Level, Server,
    ServerOptions, TlsError, Trust,
};

/// Longer than any handshake on loopback; a test that meets it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate authority.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate of this authority for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        identity(vec![certificate.der().clone()], &key)
    }

    /// A list of what this authority takes back, good for so many seconds from now, made so many before.
    pub(crate) fn list(&self, serials: &[u64], from: i64, until: i64) -> CertificateRevocationList {
        let now = OffsetDateTime::now_utc();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now + time::Duration::seconds(from),
            next_update: now + time::Duration::seconds(until),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap()
    }

    /// A file with this authority's certificate.
    pub(crate) fn file(&self) -> NamedTempFile {
        file(self.0.pem().as_bytes())
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed(names: &[&str]) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = params(names).self_signed(&key).unwrap();
    identity(vec![certificate.der().clone()], &key)
}

pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(3600);
    params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(3600);
    params
}

pub(crate) fn expired(params: &mut CertificateParams) {
    params.not_before = OffsetDateTime::from_unix_timestamp(1_600_000_000).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
}

pub(crate) fn identity(
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: &KeyPair,
) -> Identity {
    Identity::new(chain, key_of(key)).unwrap()
}

pub(crate) fn key_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    key.serialize_der().try_into().unwrap()
}

/// A client of this level; only the highest is rustls.
pub(crate) fn client(trust: &Trust, level: Level) -> Client {
    Client::new(&ClientOptions { level, ..ClientOptions::from(trust.clone()) }).unwrap()
}

/// A server that shows this certificate.
pub(crate) fn server(
    identity: Identity,
    clients: ClientCertificates,
) -> Result<Server, IdentityError> {
    Server::new(&ServerOptions { identity: Arc::new(identity), clients, disable_tls13: false })
}

pub(crate) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A server of one TLS version with rustls alone, which answers one handshake, and our client's
/// view of it.
pub(crate) async fn connect(
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
    (trust, level): (&Trust, Level),
    host: &str,
) -> Result<Connected, TlsError> {
    let keys = Identity::read(identity.certificates_pem().as_bytes(), None, None);
    assert!(keys.is_err(), "a certificate without a key is no identity");
    let key = identity.key_pem();
    let key =
        <PrivateKeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(key.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), key.unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = client(trust, level).connect(stream, host, PATIENCE).await;
    if connected.is_ok() {
        server.await.unwrap().unwrap();
    }
    connected
}

/// Runs the program openssl in a folder, with a password in `env:PASSWORD`.
#[track_caller]
pub(crate) fn openssl(folder: &std::path::Path, line: &str) {
    let output = std::process::Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .env("PASSWORD", "Pässword 1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
