//! Logins by certificate with the programs that people type, at a host that is not ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::stub::Stub;
use crate::tool;

/// Makes an authority, a certificate for `localhost`, and one for a client whose key is encrypted; returns the thumbprint of
/// the last one. The folder is the configuration folder too.
fn make(folder: &Path) -> String {
    let certificates = folder.join("transom/certificates");
    fs::create_dir_all(&certificates).unwrap();
    fs::write(folder.join("password"), "open-sesame\n").unwrap();
    fs::write(
        folder.join("server.ext"),
        "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n",
    )
    .unwrap();
    fs::write(folder.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
    for line in [
        format!("req -x509 {key} -nodes -keyout ca.key -out ca.pem -subj /CN=CA -addext keyUsage=keyCertSign"),
        format!("req {key} -nodes -keyout server.key -out server.csr -subj /CN=localhost"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem".to_owned(),
        format!("req {key} -keyout client.key -passout file:password -out client.csr -subj /CN=alice"),
        "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile client.ext -out client.pem".to_owned(),
        "pkcs12 -export -in client.pem -inkey client.key -passin pass:open-sesame -passout file:password -out client.pfx".to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(line.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = Command::new("openssl")
        .args(["x509", "-in", "client.pem", "-noout", "-fingerprint", "-sha1"])
        .current_dir(folder)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let thumbprint = shown.trim().rsplit('=').next().unwrap().replace(':', "");
    fs::copy(folder.join("client.pem"), certificates.join("alice.pem")).unwrap();
    fs::copy(folder.join("client.key"), certificates.join("alice.key")).unwrap();
    for key in
        [folder.join("client.key"), folder.join("client.pfx"), certificates.join("alice.key")]
    {
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let settings = format!("[TLS]\nCAPath = \"{}\"\n", folder.join("ca.pem").display());
    fs::write(folder.join("transom/client.toml"), settings).unwrap();
    thumbprint
}

#[test]
fn certificate_logs_in_from_files_and_by_its_thumbprint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let thumbprint = make(folder);
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let options = ["--tls", &certificate, &key, "--client-ca", &ca];
    let test = "certificate_logs_in_from_files_and_by_its_thumbprint";
    let Some(stub) = Stub::start(test, &options) else { return };
    let host = format!("-r:https://localhost:{}", stub.port);
    let winrs = |words: &[&str]| {
        let mut command = tool::winrs();
        command
            .env("XDG_CONFIG_HOME", folder)
            .arg(&host)
            .args(words)
            .args(["--", "echo in; exit 7"]);
        command
    };
    let (pem, key, pfx, password) =
        (path("client.pem"), path("client.key"), path("client.pfx"), path("password"));
    let password_file = format!("-password-file:{password}");
    for words in [
        vec!["--certificate", &pem, "--key", &key, &password_file],
        vec!["--certificate", &pfx, &password_file, "-tls:legacy"],
        vec!["--certificate", &thumbprint, &password_file, "-tls:compat"],
    ] {
        let ran = tool::run(&mut winrs(&words)).ended(7);
        assert_eq!(ran.stdout, "in\n", "{ran:#?}");
    }
    let mut by_variable = winrs(&["-v", "--certificate", &thumbprint.to_lowercase()]);
    let ran = tool::run(by_variable.env("TRANSOM_PASSWORD", "open-sesame")).ended(7);
    assert!(ran.stderr.contains("logged in by Certificate, messages are inside TLS"), "{ran:#?}");
    // The cmdlets and the doctor know the same folder.
    let line = format!(
        "Test-WSMan localhost -UseSSL -Port {} -CertificateThumbprint {thumbprint}",
        stub.port
    );
    let mut pssession = tool::pssession();
    pssession.args(["-c", &line]).env("XDG_CONFIG_HOME", folder);
    let ran = tool::run(pssession.env("TRANSOM_PASSWORD", "open-sesame")).ended(0);
    assert!(ran.stdout.contains("ProductVendor"), "{ran:#?}");
    let mut doctor = tool::transom();
    let url = format!("https://localhost:{}", stub.port);
    doctor.args(["doctor", &url, "--certificate", &thumbprint, "--password-file", &password]);
    let ran = tool::run(doctor.env("XDG_CONFIG_HOME", folder));
    assert!(ran.stdout.contains("Certificate"), "{ran:#?}");
    // What cannot work says why.
    let mut alone = tool::without_terminal(&winrs(&["--certificate", &thumbprint]));
    let ran = tool::run(alone.env("XDG_CONFIG_HOME", folder));
    assert!(ran.stderr.contains("private key is encrypted"), "{ran:#?}");
    let exposed = folder.join("transom/certificates/alice.key");
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = tool::run(&mut winrs(&["--certificate", &thumbprint, &password_file])).ended(255);
    assert!(
        ran.stderr.contains("can read the private key") && ran.stderr.contains("chmod 600"),
        "{ran:#?}"
    );
    let ran = tool::run(&mut winrs(&["--certificate", &"0".repeat(40), &password_file])).ended(255);
    assert!(ran.stderr.contains("no certificate with the thumbprint"), "{ran:#?}");
    testkit::report("PEER winrm_stub 1: winrs, Test-WSMan and transom doctor by certificate");
}
