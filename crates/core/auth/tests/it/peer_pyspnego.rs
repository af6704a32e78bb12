//! Our halves against pyspnego's, with sealed messages both ways. The interpreter must have pyspnego 0.12 installed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use auth::{AcceptStep, ChannelBinding, Sealer, Step, ntlm::MicPolicy};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::Setup;

/// A password that the file of the servers can hold: it knows no quoting.
pub(crate) const PASSWORD: &str = "Pässwörd 1";
const CBT_HASH: [u8; 32] = [0x42; 32];

/// Who plays the other half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Pyspnego,
    /// gss-ntlmssp through MIT's GSSAPI, both of the system.
    GssNtlmssp,
}

/// The other half in its own process.
pub(crate) struct Peer {
    half: Half,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    users: Option<PathBuf>,
}

fn interpreter() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let python = std::env::var_os("TRANSOM_PEERS_PYTHON")
        .map_or_else(|| root.join("target/peers/venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "no interpreter with pyspnego at {}: run `cargo xtask test`",
        python.display()
    );
    python
}

fn word(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { STANDARD.encode(bytes) }
}

fn bytes(word: &str) -> Vec<u8> {
    if word == "-" { Vec::new() } else { STANDARD.decode(word).unwrap() }
}

impl Peer {
    fn start(test: &str, role: &str, protocol: &str, user: &str, binding: bool) -> Self {
        let hash = binding.then_some(CBT_HASH);
        Self::start_as(Half::Pyspnego, test, role, protocol, user, hash)
    }

    /// Starts one half of a login with these bindings; `test` names its file.
    pub(crate) fn start_as(
        half: Half,
        test: &str,
        role: &str,
        protocol: &str,
        user: &str,
        binding: Option<[u8; 32]>,
    ) -> Self {
        let (script, interpreter) = match half {
            Half::Pyspnego => ("pyspnego_half.py", interpreter()),
            Half::GssNtlmssp => ("gssapi_half.py", PathBuf::from("/usr/bin/python3")),
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script);
        let users = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{test}-{}.users", std::process::id()));
        std::fs::write(&users, format!("DOM:alice:{PASSWORD}\n:alice:{PASSWORD}\n")).unwrap();
        let mut command = Command::new(interpreter);
        command
            .arg(script)
            .args([role, protocol])
            .env("NTLM_USER_FILE", &users)
            .env("PYTHONUTF8", "1");
        if role == "client" {
            command.args(["--user", user, "--password", PASSWORD]);
        }
        if let Some(hash) = binding {
            command.args(["--cbt", &word(&[&b"tls-server-end-point:"[..], &hash].concat())]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { half, child, input, output, users: Some(users) }
    }

    fn ask(&mut self, line: &str) -> Vec<String> {
        writeln!(self.input, "{line}").unwrap();
        let mut reply = String::new();
        self.output.read_line(&mut reply).unwrap();
        assert!(!reply.is_empty(), "pyspnego ended");
        reply.split_whitespace().map(str::to_owned).collect()
    }

    /// Whether the peer is done, and its token.
    pub(crate) fn step(&mut self, token: Option<&[u8]>) -> Result<(bool, Vec<u8>), String> {
        let reply = self
            .ask(&token.map_or_else(|| "step".to_owned(), |token| format!("step {}", word(token))));
        match reply[0].as_str() {
            "done" => Ok((true, bytes(&reply[1]))),
            "token" => Ok((false, bytes(&reply[1]))),
            _ => Err(reply.join(" ")),
        }
    }

    /// Sealed messages in both directions, of several lengths.
    pub(crate) fn talk(&mut self, sealer: &mut dyn Sealer) {
        // gss-ntlmssp seals no empty message.
        let shortest = usize::from(self.half == Half::GssNtlmssp);
        for length in [5, shortest, 16, 5000] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut data = plain.clone();
            let header = sealer.seal(&mut data).unwrap().header;
            let reply = self.ask(&format!("unwrap {} {}", word(&header), word(&data)));
            assert_eq!(reply, ["plain", &word(&plain)]);

            let reply = self.ask(&format!("wrap {}", word(&plain)));
            assert_eq!(reply[0], "sealed", "{reply:?}");
            let mut data = bytes(&reply[2]);
            assert!(length < 16 || data != plain);
            sealer.unseal(&bytes(&reply[1]), &mut data).unwrap();
            assert_eq!(data, plain);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(users) = self.users.take() {
            drop(std::fs::remove_file(users));
        }
    }
}

fn setup(spnego: bool, user: &'static str, client: bool, service: bool) -> Setup {
    let binding = Some(ChannelBinding::from_tls_server_end_point(&CBT_HASH));
    Setup {
        user,
        password: PASSWORD,
        spnego,
        client_binding: binding.filter(|_| client),
        service_binding: binding.filter(|_| service),
        mic_policy: MicPolicy::Required,
        ..Setup::default()
    }
}

pub(crate) const fn protocol(spnego: bool) -> &'static str {
    if spnego { "negotiate" } else { "ntlm" }
}

#[test]
fn our_client_logs_in_to_pyspnego_and_seals() {
    for spnego in [false, true] {
        for user in ["alice", r"DOM\alice"] {
            for binding in [false, true] {
                let setup = setup(spnego, user, binding, false);
                let mut peer = Peer::start("our_client", "server", protocol(spnego), user, binding);
                let mut client = setup.initiator();
                let Ok(Step::Send(token)) = client.step(None) else { panic!() };
                let (_, token) = peer.step(Some(&token)).unwrap();
                let Ok(Step::Last(token)) = client.step(Some(&token)) else { panic!() };
                let (done, token) = peer.step(Some(&token)).unwrap();
                assert!(done);
                assert_eq!(client.step((!token.is_empty()).then_some(&token)), Ok(Step::Done));
                assert_eq!(peer.ask("who"), ["who", user]);
                peer.talk(client.sealer().unwrap().as_mut());
            }
        }
    }
}

#[test]
fn our_client_with_wrong_password_or_binding_is_refused_by_pyspnego() {
    for spnego in [false, true] {
        for (password, binding) in [("wrong", true), (PASSWORD, false)] {
            let mut setup = setup(spnego, "alice", binding, false);
            setup.password = password;
            if !binding {
                setup.client_binding = Some(ChannelBinding::from_tls_server_end_point(&[1; 32]));
            }
            let mut peer =
                Peer::start("our_client_wrong", "server", protocol(spnego), "alice", true);
            let mut client = setup.initiator();
            let Ok(Step::Send(token)) = client.step(None) else { panic!() };
            let (_, token) = peer.step(Some(&token)).unwrap();
            let Ok(Step::Last(token)) = client.step(Some(&token)) else { panic!() };
            assert!(peer.step(Some(&token)).is_err());
        }
    }
}

/// A verifier that knows this file's password.
pub(crate) fn verify(
    setup: &Setup,
    acceptor: &mut auth::spnego::Acceptor,
    token: &[u8],
) -> Result<AcceptStep, auth::Error> {
    use auth::{Acceptor as _, Account, Answer, Input, Question, Secret, ntlm};
    let mut step = acceptor.step(Input::Token(token))?;
    while let AcceptStep::Ask(question) = step {
        let answer = match question {
            Question::Ntlm(attempt) => ntlm::verify(
                &ntlm::nt_hash(&Secret::from(setup.password)),
                &attempt,
            )
            .map_or(Answer::Refused, |key| Answer::Accepted {
                account: Account { id: [0; 16], name: attempt.user, groups: Vec::new() },
                session_key: Some(key),
            }),
            other => setup.verifier.answer(other),
        };
        step = acceptor.step(Input::Answer(answer))?;
    }
    Ok(step)
}

#[test]
fn pyspnego_logs_in_to_our_acceptor_and_seals() {
    for spnego in [false, true] {
        for user in ["alice", r"DOM\alice", "alice@dom.example"] {
            for binding in [false, true] {
                let mut setup = setup(spnego, "alice", false, binding);
                setup.cbt_policy = auth::CbtPolicy::Strict;
                setup.verifier.now = now();
                let mut peer =
                    Peer::start("pyspnego_client", "client", protocol(spnego), user, binding);
                let mut acceptor = setup.acceptor();
                let (_, token) = peer.step(None).unwrap();
                let Ok(AcceptStep::Reply(token)) = verify(&setup, &mut acceptor, &token) else {
                    panic!()
                };
                let (done, token) = peer.step(Some(&token)).unwrap();
                let step = verify(&setup, &mut acceptor, &token);
                let Ok(AcceptStep::Done { token, login }) = step else { panic!("{step:?}") };
                assert_eq!(done, token.is_none());
                if let Some(token) = token {
                    assert!(peer.step(Some(&token)).unwrap().0);
                }
                assert!(user.ends_with(&login.account.name), "{}", login.account.name);
                peer.talk(login.sealer.unwrap().as_mut());
            }
        }
    }
}

#[test]
fn pyspnego_with_wrong_password_or_binding_is_refused_by_our_acceptor() {
    for spnego in [false, true] {
        for (password, hash, reason) in [
            ("other", CBT_HASH, auth::Refusal::WrongCredentials),
            (PASSWORD, [1; 32], auth::Refusal::ChannelBindingWrong),
        ] {
            let mut setup = setup(spnego, "alice", false, false);
            setup.password = password;
            setup.service_binding = Some(ChannelBinding::from_tls_server_end_point(&hash));
            let mut peer =
                Peer::start("pyspnego_client_wrong", "client", protocol(spnego), "alice", true);
            let mut acceptor = setup.acceptor();
            let (_, token) = peer.step(None).unwrap();
            let Ok(AcceptStep::Reply(token)) = verify(&setup, &mut acceptor, &token) else {
                panic!()
            };
            let (_, token) = peer.step(Some(&token)).unwrap();
            let error = verify(&setup, &mut acceptor, &token).unwrap_err();
            assert_eq!(error, auth::Error::Refused(reason));
        }
    }
}

pub(crate) fn now() -> auth::FileTime {
    auth::FileTime::from_unix(std::time::UNIX_EPOCH.elapsed().unwrap())
}
