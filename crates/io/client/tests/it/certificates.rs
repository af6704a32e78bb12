//! Logins by certificate, against other people's TLS: the stub server (Python, asks in the handshake), Apache (asks late, for
//! one path only) and nginx (asks in the handshake, answers 400 itself).

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::error::ConfigError;
use client::{
    Authentication, Authorities, Client, Config, Credentials, Error, ErrorKind, Identity,
    Protection, Settings, ShellOptions, Trust,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use testkit::{Stub, report};

use crate::stub::{finish, line};

/// An authority, a certificate of a server for `localhost` and one of a client, as files.
struct Certificates {
    folder: TempDir,
    client: Arc<Identity>,
}

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test CA");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str, usage| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
        };
        let (server, server_key) = issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = issue("alice", ExtendedKeyUsagePurpose::ClientAuth);
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("server.pem", server),
            ("server.key", server_key),
            ("client.pem", client.clone()),
            ("client.key", client_key.clone()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let client = Identity::read(client.as_bytes(), Some(client_key.as_bytes()), None).unwrap();
        Self { folder, client: Arc::new(client) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn client(&self, port: u16, identity: bool) -> Client {
        Client::new(self.config(port, identity)).unwrap()
    }

    fn config(&self, port: u16, identity: bool) -> Config {
        let endpoint = format!("https://localhost:{port}/wsman").parse().unwrap();
        let authorities = Authorities::Path(self.path().join("ca.pem"));
        let trust = Trust { authorities, ..Trust::default() };
        let mut config = Config::new(endpoint, Credentials::default());
        config.settings = Settings { trust, ..Settings::default() };
        config.authentication = Authentication::Certificate;
        config.identity = identity.then(|| Arc::clone(&self.client));
        config
    }
}

/// What becomes of a login by password, where a certificate is wanted as well.
async fn without(made: &Certificates, port: u16) -> Error {
    let mut config = made.config(port, false);
    config.authentication = Authentication::Negotiate;
    config.credentials = Credentials { user: "u".to_owned(), password: "p".into() };
    run(&Client::new(config).unwrap()).await.unwrap_err()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of others, ended with the test.
struct Program(Child);

impl Program {
    /// Starts it and waits until it listens.
    fn start(command: &mut Command, port: u16) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut this = Self(command.spawn().unwrap());
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(this.0.try_wait().unwrap().is_none(), "the program ended");
            assert!(start.elapsed() < Duration::from_secs(30), "the program does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both end their workers when they are asked, not when they are killed.
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if asked.is_err() {
            drop(self.0.kill());
        }
        drop(self.0.wait());
    }
}

/// One command with input larger than any buffer on the way, and its output.
async fn run(client: &Client) -> Result<(), Error> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let command = shell.start(line("wc -c; echo out; exit 7")).await?;
    let input = command.input();
    let told = tokio::spawn(finish(command));
    for _ in 0..10 {
        input.write(&[b'x'; 60_000]).await?;
    }
    input.end(b"").await?;
    let (out, _, code) = told.await.unwrap()?;
    let out: Vec<&str> = out.split_whitespace().collect();
    assert_eq!((out.as_slice(), code), (&["600000", "out"][..], Some(7)));
    shell.close().await
}

#[tokio::test]
async fn certificate_is_the_login_where_it_is_asked_for_in_the_handshake() {
    let test = "certificate_is_the_login_where_it_is_asked_for_in_the_handshake";
    let made = Certificates::make();
    let path = |name: &str| made.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let options = ["--tls", &certificate, &key, "--client-ca", &ca];
    let Some(stub) = Stub::start(test, made.path(), &options) else { return };
    let client = made.client(stub.port, true);
    run(&client).await.unwrap();
    assert_eq!(client.mechanism(), Some("Certificate"));
    assert_eq!(client.protection(), Some(Protection::Tls));
    report("PEER winrm_stub 1: https, login by certificate in the first handshake");
    // Somebody else's certificate is nobody's.
    let stranger = Certificates::make();
    let mut config = made.config(stub.port, false);
    config.identity = Some(Arc::clone(&stranger.client));
    let error = run(&Client::new(config).unwrap()).await.unwrap_err();
    let hints = error.hints().concat();
    assert!(
        hints.contains("ClientCertificate") && hints.contains("trust the issuer"),
        "{error}: {hints}"
    );
}

/// Apache with mod_ssl, which asks for a certificate when it knows the path: by renegotiation in TLS 1.2, after the handshake in
/// TLS 1.3. The stub behind it believes it.
#[tokio::test]
async fn certificate_is_shown_late_to_apache_in_both_versions() {
    let test = "certificate_is_shown_late_to_apache_in_both_versions";
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let made = Certificates::make();
        let folder = made.path().display();
        let Some(stub) = Stub::start(test, made.path(), &["--anon"]) else { return };
        let (port, behind) = (free_port(), stub.port);
        let modules: String = ["mpm_event", "authz_core", "ssl", "proxy", "proxy_http"]
            .map(|name| {
                let name = name.trim_start_matches("mod_");
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            })
            .concat();
        // As root it must be told who to be; as anybody else it must not.
        let user = if nix_is_root() { "User www-data\nGroup www-data\n" } else { "" };
        let text = format!(
            "ServerRoot {folder}\nServerName localhost\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nMutex posixsem\n\
             ErrorLog {folder}/error.log\n{modules}{user}Listen 127.0.0.1:{port}\nSSLSessionCache none\n\
             SSLEngine on\nSSLProtocol -all +{protocol}\nSSLCertificateFile {folder}/server.pem\n\
             SSLCertificateKeyFile {folder}/server.key\nSSLCACertificateFile {folder}/ca.pem\nKeepAliveTimeout 60\n\
             <Location /wsman>\nSSLVerifyClient require\nSSLVerifyDepth 2\n\
             ProxyPass http://127.0.0.1:{behind}/wsman\n</Location>\n"
        );
        let config = made.path().join("apache.conf");
        fs::write(&config, text).unwrap();
        let mut apache = Command::new("/usr/sbin/apache2");
        let _apache = Program::start(apache.arg("-DFOREGROUND").arg("-f").arg(&config), port);
        let client = made.client(port, true);
        if let Err(error) = run(&client).await {
            let log = fs::read_to_string(made.path().join("error.log")).unwrap_or_default();
            panic!("{protocol}: {error}\n{log}");
        }
        let error = without(&made, port).await;
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Connect(_) | ErrorKind::Denied(_)), "{error}");
        report(&format!("PEER apache2: https, certificate shown late in {protocol}"));
    }
}

fn nix_is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

#[tokio::test]
async fn nginx_gets_the_certificate_in_the_handshake_and_says_no_without() {
    let test = "nginx_gets_the_certificate_in_the_handshake_and_says_no_without";
    let made = Certificates::make();
    let folder = made.path().display();
    let Some(stub) = Stub::start(test, made.path(), &["--anon"]) else { return };
    let (port, behind) = (free_port(), stub.port);
    let text = format!(
        "daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\nclient_max_body_size 10m;\nproxy_request_buffering on;\n\
         server {{\nlisten 127.0.0.1:{port} ssl;\nserver_name localhost;\nssl_certificate {folder}/server.pem;\n\
         ssl_certificate_key {folder}/server.key;\nssl_client_certificate {folder}/ca.pem;\nssl_verify_client on;\n\
         location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; }}\n}}\n}}\n"
    );
    let config = made.path().join("nginx.conf");
    fs::write(&config, text).unwrap();
    // What it makes belongs to its worker, which is another user.
    Command::new("chmod").arg("a+rx").arg(made.path()).status().unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    let nginx = nginx.arg("-p").arg(made.path()).arg("-c").arg(&config).arg("-e").arg("error.log");
    let _nginx = Program::start(nginx, port);
    if let Err(error) = run(&made.client(port, true)).await {
        let log = fs::read_to_string(made.path().join("error.log")).unwrap_or_default();
        panic!("{error}\n{log}");
    }
    let error = without(&made, port).await.to_string();
    assert!(error.contains("400"), "{error}");
    report("PEER nginx 1: https, certificate shown in the first handshake");
}

#[test]
fn login_by_certificate_needs_https_and_a_certificate() {
    let made = Certificates::make();
    let refusal = |config: Config| match Client::new(config).unwrap_err() {
        error if matches!(error.kind(), ErrorKind::Config(_)) => {
            let ErrorKind::Config(kind) = error.kind() else { panic!("{error}") };
            (kind.clone(), error.hints().concat())
        }
        error => panic!("{error}"),
    };
    let (error, hints) = refusal(made.config(5986, false));
    assert_eq!(error, ConfigError::NoCertificate);
    assert!(hints.contains("--certificate"), "{hints}");
    let mut plain = made.config(5985, true);
    plain.endpoint = "http://localhost:5985".parse().unwrap();
    let (error, hints) = refusal(plain);
    assert_eq!(error, ConfigError::CertificateUnencrypted);
    assert!(hints.contains("-usessl"), "{hints}");
}
