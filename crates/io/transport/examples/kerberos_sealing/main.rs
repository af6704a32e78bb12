//! Sealing by our code beside MIT's bare `gss_wrap_iov`, for each encryption type and several lengths, in one run:
//! `cargo run --release -p transom-transport --example kerberos_sealing [SECONDS]`. The bare call is a small program in C,
//! which needs a C compiler, MIT's headers (`libkrb5-dev`) and its KDC.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for developers")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use auth::kerberos::{Context, EncryptionType, KerberosSealer, Role};
use auth::{Entropy, Sealer as _};
use testkit::Realm;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/kerberos_sealing/bare.c");
const LENGTHS: [usize; 3] = [1024, 32 * 1024, 512 * 1024];
const TYPES: [EncryptionType; 5] = [
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha1,
    EncryptionType::Aes256Sha384,
    EncryptionType::Aes128Sha256,
    EncryptionType::Rc4,
];

fn main() {
    let seconds: f64 = env::args().nth(1).map_or(0.5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bare");
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .arg(&program)
        .args([SOURCE, "-lgssapi_krb5"])
        .status()
        .unwrap();
    assert!(compiled.success(), "{SOURCE} cannot be compiled: is libkrb5-dev there?");
    println!("{:30} {:>8} {:>12} {:>12} {:>7}", "", "bytes", "ours MB/s", "bare MB/s", "ratio");
    for kind in TYPES {
        let realm_folder = folder.path().join(kind.as_str());
        fs::create_dir(&realm_folder).unwrap();
        let realm = realm(&realm_folder, kind);
        for length in LENGTHS {
            let (ours, bare) =
                (ours(kind, length, seconds), bare(&realm, &program, length, seconds));
            println!("{:30} {length:8} {ours:12.0} {bare:12.0} {:7.2}", kind.as_str(), ours / bare);
        }
    }
}

/// A realm whose clients know one encryption type only, with tickets and a service.
fn realm(folder: &Path, kind: EncryptionType) -> Realm {
    let realm = Realm::start_with(folder, "allow_weak_crypto = true\n allow_rc4 = true");
    let service = "HTTP/srv.transom.test";
    realm.add_user("alice", "Pass-word1", "");
    realm.add_service(service);
    realm.administer(&format!("cpw -randkey -e {}:normal {service}", kind.as_str()));
    for name in [service, "krbtgt/TRANSOM.TEST"] {
        realm.administer(&format!("setstr {name} session_enctypes {}", kind.as_str()));
    }
    realm.write_keytab(&folder.join("nobodys-keytab"), &[service]);
    let text = fs::read_to_string(realm.configuration()).unwrap();
    let only = format!("[libdefaults]\n permitted_enctypes = {}", kind.as_str());
    fs::write(realm.configuration(), text.replacen("[libdefaults]", &only, 1)).unwrap();
    realm.kinit("alice", "Pass-word1", &folder.join("nobodys-tickets").display().to_string(), &[]);
    realm
}

/// Megabytes a second of our sealer, in place.
fn ours(kind: EncryptionType, length: usize, seconds: f64) -> f64 {
    let context = Context {
        role: Role::Initiator,
        encryption_type: kind,
        key: vec![7; kind.key_length()].into(),
        acceptor_subkey: kind != EncryptionType::Rc4,
        sending_sequence: 1,
        receiving_sequence: 1,
    };
    let mut sealer = KerberosSealer::new(context, true, &mut Random);
    let mut data = vec![b'x'; length];
    let (begin, mut sealed) = (Instant::now(), 0_u32);
    loop {
        sealer.seal(&mut data).unwrap();
        // RC4 adds a byte.
        data.truncate(length);
        sealed += 1;
        let passed = begin.elapsed().as_secs_f64();
        if passed >= seconds {
            let length = f64::from(u32::try_from(length).unwrap());
            return f64::from(sealed) * length / passed / 1e6;
        }
    }
}

/// Megabytes a second of `gss_wrap_iov`.
fn bare(realm: &Realm, program: &Path, length: usize, seconds: f64) -> f64 {
    let arguments = [length.to_string(), seconds.to_string()];
    let output = realm.command(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}
