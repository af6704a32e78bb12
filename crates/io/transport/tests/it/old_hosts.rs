//! Hosts of 2012 and before, played by the program openssl: which level of ours reaches them, and what the others say.

use std::process::{Child, Command, Stdio};

use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};
use transport::tls::{Level, TlsError, Trust};

use crate::support::{PATIENCE, client, openssl};

/// A server of the program openssl with a certificate for `localhost`, ended with the test.
struct Host {
    program: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Host {
    async fn start(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        openssl(
            folder.path(),
            "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=h -addext subjectAltName=DNS:localhost -out cert.pem",
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let line = format!("s_server -quiet -accept {port} -cert cert.pem -key key.pem {options}");
        let program = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { program, port, _folder: folder };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        this
    }

    /// Version and suite, or the error with its hints.
    async fn connect(&self, level: Level) -> Result<(String, String), String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let trust = Trust { skip_ca_check: true, ..Trust::default() };
        match client(&trust, level).connect(stream, "localhost", PATIENCE).await {
            Ok(connected) => {
                let negotiated = connected.stream.negotiated();
                Ok((negotiated.version, negotiated.suite))
            }
            Err(error @ TlsError::Handshake(_)) => {
                Err(format!("{error}: {}", error.hints().join("; ")))
            }
            Err(other) => panic!("{other}"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

#[tokio::test]
async fn cbc_and_static_rsa_need_the_level_compat() {
    for (suite, name) in [
        ("ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        ("ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        ("AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        ("AES128-SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA256"),
        ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ] {
        let host = Host::start(&format!("-tls1_2 -cipher {suite}")).await;
        let error = host.connect(Level::Modern).await.unwrap_err();
        assert!(error.contains("--tls compat") && error.contains("--tls legacy"), "{error}");
        for level in [Level::Compat, Level::Legacy] {
            let found = host.connect(level).await.unwrap();
            assert_eq!(found, ("TLSv1.2".to_owned(), name.to_owned()));
        }
    }
}

#[tokio::test]
async fn tls_1_0_and_1_1_need_the_level_legacy() {
    for (option, version) in [("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1")] {
        let host = Host::start(&format!("{option} -cipher DEFAULT:@SECLEVEL=0")).await;
        for (level, hint) in [(Level::Modern, "--tls compat"), (Level::Compat, "--tls legacy")] {
            let error = host.connect(level).await.unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
        assert_eq!(host.connect(Level::Legacy).await.unwrap().0, version);
    }
}

#[tokio::test]
async fn rc4_and_3des_are_spoken_by_nobody() {
    // Debian's program has neither of them any more; a suite that needs no certificate stands for all that is left out.
    let host = Host::start("-tls1_2 -cipher AECDH-AES256-SHA:@SECLEVEL=0").await;
    for level in [Level::Modern, Level::Compat, Level::Legacy] {
        assert!(host.connect(level).await.is_err(), "{level}");
    }
}

#[tokio::test]
async fn modern_hosts_get_the_best_at_every_level() {
    let host = Host::start("").await;
    for level in [Level::Modern, Level::Compat, Level::Legacy] {
        let found = host.connect(level).await.unwrap();
        assert_eq!(found, ("TLSv1.3".to_owned(), "TLS_AES_256_GCM_SHA384".to_owned()), "{level}");
    }
}
