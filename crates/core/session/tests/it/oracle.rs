//! pyspnego, given the session key, opens what we sealed.

use std::io::Write;
use std::process::{Command, Stdio};

use auth::{Entropy, Initiator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use session::client::login::Login as ClientLogin;
use session::http::sealed::{Dialect, Frame, Protocol, seal};
use testkit::{Seeded, peers_python, report, root};

use crate::login::{PASSWORD, SEED, Service, negotiate, ntlm_initiator, walk};

const FRAME: Frame = Frame { protocol: Protocol::Spnego, dialect: Dialect::Tab };
const MESSAGES: [&str; 3] = ["<first/>", "<äöü/>", "<third>\u{1F600}</third>"];

/// The initiator draws its challenge first, then the key that it exchanges.
fn session_key() -> String {
    let (mut challenge, mut key) = ([0; 8], [0; 16]);
    let mut entropy = Seeded::new(SEED);
    entropy.fill(&mut challenge);
    entropy.fill(&mut key);
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the script; its standard output, or `None` when a signature did not hold.
fn open(role: &str, sequence: &str, bodies: &[Vec<u8>]) -> Option<String> {
    let script = root().join("crates/app/cli/tests/peers/sealed_oracle.py");
    let mut child = Command::new(peers_python())
        .arg(script)
        .args([&session_key(), role, "--sequence", sequence])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for body in bodies {
        writeln!(input, "{}", STANDARD.encode(body)).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let notes = String::from_utf8_lossy(&output.stderr);
    notes.lines().filter(|line| line.starts_with("PEER ")).for_each(report);
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn check(initiator: Box<dyn Initiator>, sequence: &str) {
    let (mut client, mut service) = (ClientLogin::new(initiator), Service::default());
    assert_eq!(walk(&mut client, &mut service), Ok(2));
    let mut ours = client.sealer().unwrap();
    let theirs = service.login.established().unwrap().sealer.as_deref_mut().unwrap();
    let expected = format!("{}\n", MESSAGES.join("\n"));
    for (role, sealer) in [("client", &mut *ours), ("server", theirs)] {
        let soap = "application/soap+xml;charset=UTF-8";
        let bodies: Vec<_> = MESSAGES
            .iter()
            .map(|text| seal(sealer, FRAME, soap, text.as_bytes().to_vec()).unwrap().body)
            .collect();
        assert_eq!(open(role, sequence, &bodies).as_deref(), Some(expected.as_str()), "{role}");
        let mut flipped = bodies;
        let middle = flipped[1].len() - 30;
        flipped[1][middle] ^= 1;
        assert_eq!(open(role, sequence, &flipped), None, "a flipped bit, {role}");
    }
}

#[test]
fn pyspnego_opens_what_was_sealed_after_raw_ntlm() {
    check(Box::new(ntlm_initiator("alice", PASSWORD)), "0");
}

#[test]
fn pyspnego_opens_what_was_sealed_after_spnego() {
    check(negotiate("alice", PASSWORD), "1");
}
