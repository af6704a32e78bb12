//! CredSSP over real TLS sessions: our halves with each other and with pyspnego's, sealed messages both ways.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use auth::credssp::{self, AcceptorOptions, InitiatorOptions, TsCredentials};
use auth::ntlm::{self, Protection};
use auth::spnego::{AcceptorMechanism, InitiatorMechanism};
use auth::{
    AcceptStep, Acceptor as _, Account, Answer, Delegated, Error, FileTime, Initiator as _, Input,
    Login, PeerMisbehaved, Question, Refusal, Sealer, Secret, Step, UserName,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use testkit::Seeded;
use transport::tls::{InnerClient, InnerServer, Level};

const USER: &str = r"DOM\alice";
/// The file of pyspnego's server knows no quoting.
const PASSWORD: &str = "Pässwörd 1";

fn now() -> FileTime {
    FileTime::from_unix(std::time::UNIX_EPOCH.elapsed().unwrap())
}

/// Our client, which hands over the password that it logs in with.
fn initiator(level: Level, password: &str, options: InitiatorOptions) -> credssp::Initiator {
    let user = UserName::parse(USER);
    let credential = ntlm::Credential::from_password(user, &Secret::from(password));
    let inner = ntlm::InitiatorOptions {
        target: Some("HTTP/testhost.example".to_owned()),
        ..ntlm::InitiatorOptions::default()
    };
    let ntlm = ntlm::Initiator::new(credential, inner, &mut Seeded::new(7), now()).unwrap();
    initiator_by(vec![Box::new(ntlm)], level, password, options)
}

/// The same by these mechanisms.
pub(crate) fn initiator_by(
    mechanisms: Vec<Box<dyn InitiatorMechanism>>,
    level: Level,
    password: &str,
    options: InitiatorOptions,
) -> credssp::Initiator {
    let channel = InnerClient::new(level).unwrap().channel("testhost.example").unwrap();
    let credentials = TsCredentials::new(UserName::parse(USER), Secret::from(password));
    let entropy = &mut Seeded::new(8);
    credssp::Initiator::new(channel, mechanisms, credentials, options, entropy).unwrap()
}

fn acceptor(server: &InnerServer, options: AcceptorOptions) -> credssp::Acceptor {
    let inner = ntlm::AcceptorOptions {
        protection: Protection::Sealed,
        ..ntlm::AcceptorOptions::default()
    };
    let mechanisms: Vec<Box<dyn AcceptorMechanism>> = vec![Box::new(ntlm::Acceptor::new(inner))];
    credssp::Acceptor::new(server.channel().unwrap(), mechanisms, options).unwrap()
}

/// Gives the acceptor a token and answers what it asks: the password is [`PASSWORD`].
fn accept(acceptor: &mut credssp::Acceptor, token: &[u8]) -> Result<AcceptStep, Error> {
    accept_by(acceptor, token, &answer)
}

/// The same with other answers.
pub(crate) fn accept_by(
    acceptor: &mut credssp::Acceptor,
    token: &[u8],
    answer: &dyn Fn(Question) -> Answer,
) -> Result<AcceptStep, Error> {
    let mut step = acceptor.step(Input::Token(token))?;
    while let AcceptStep::Ask(question) = step {
        step = acceptor.step(Input::Answer(answer(question)))?;
    }
    Ok(step)
}

fn answer(question: Question) -> Answer {
    match question {
        Question::Challenge => Answer::Challenge {
            server_challenge: [3; 8],
            names: ntlm::TargetNames::standalone("TESTHOST", "testhost.example"),
            now: now(),
        },
        Question::Ntlm(attempt) => {
            let hash = ntlm::nt_hash(&Secret::from(PASSWORD));
            let account = Account { id: [1; 16], name: "alice".to_owned(), groups: vec![] };
            ntlm::verify(&hash, &attempt)
                .map_or(Answer::Refused, |key| Answer::Accepted { account, session_key: Some(key) })
        }
        Question::Password { .. } | Question::Certificate | Question::Kerberos(_) | _ => {
            panic!("nothing else is asked")
        }
    }
}

/// Runs a login between our halves.
fn run(
    client: credssp::Initiator,
    service: credssp::Acceptor,
) -> Result<(credssp::Initiator, Login), (Option<Error>, Refusal)> {
    run_by(client, service, &answer)
}

/// The same with other answers.
pub(crate) fn run_by(
    mut client: credssp::Initiator,
    mut service: credssp::Acceptor,
    answer: &dyn Fn(Question) -> Answer,
) -> Result<(credssp::Initiator, Login), (Option<Error>, Refusal)> {
    let mut reply: Option<Vec<u8>> = None;
    for _ in 0..12 {
        let step = client.step(reply.as_deref()).map_err(|error| panic!("{error}")).unwrap();
        let (Step::Send(token) | Step::Last(token)) = step else { panic!("too early") };
        match accept_by(&mut service, &token, answer) {
            Ok(AcceptStep::Reply(token)) => reply = Some(token),
            Ok(AcceptStep::Done { token: None, login }) => {
                assert_eq!(client.step(None), Ok(Step::Done));
                return Ok((client, login));
            }
            Ok(AcceptStep::Refused { token, refusal }) => {
                return Err((client.step(Some(&token)).err(), refusal));
            }
            Err(Error::Refused(refusal)) => return Err((None, refusal)),
            other => panic!("{other:?}"),
        }
    }
    panic!("the login does not end")
}

fn check_delegated(login: &Login) {
    let Some(Delegated::Password { domain, user, password }) = &login.delegated else { panic!() };
    assert_eq!((domain.as_str(), user.as_str(), password.expose()), ("DOM", "alice", PASSWORD));
    assert_eq!(login.mechanism, "CredSSP/NTLM");
}

/// A message sealed by one side and opened by the other.
pub(crate) fn pass(from: &mut dyn Sealer, to: &mut dyn Sealer, length: usize) {
    let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
    let mut data = plain.clone();
    let sealed = from.seal(&mut data).unwrap();
    assert!(sealed.padding == 0 && !sealed.header.is_empty() && data != plain);
    to.unseal(&sealed.header, &mut data).unwrap();
    assert_eq!(data, plain);
}

#[test]
fn our_halves_agree_over_rustls_and_openssl() {
    let server = InnerServer::self_signed().unwrap();
    for level in [Level::Modern, Level::Compat, Level::Legacy] {
        for version in [2, 5, 6] {
            let client = initiator(level, PASSWORD, InitiatorOptions { minimum_version: version });
            let service = acceptor(&server, AcceptorOptions { minimum_version: version });
            let (mut client, login) = run(client, service).unwrap();
            check_delegated(&login);
            assert_eq!(client.mechanism(), "CredSSP/NTLM");
            let (mut ours, mut theirs) = (client.sealer().unwrap(), login.sealer.unwrap());
            for length in [1, 5000, 16_384] {
                pass(&mut *ours, &mut *theirs, length);
                pass(&mut *theirs, &mut *ours, length);
            }
        }
    }
}

#[test]
fn a_changed_record_breaks_the_session_for_good() {
    let server = InnerServer::self_signed().unwrap();
    let client = initiator(Level::Modern, PASSWORD, InitiatorOptions::default());
    let service = acceptor(&server, AcceptorOptions::default());
    let (mut client, login) = run(client, service).unwrap();
    let (mut ours, mut theirs) = (client.sealer().unwrap(), login.sealer.unwrap());
    let mut data = b"<s:Envelope/>".to_vec();
    let header = ours.seal(&mut data).unwrap().header;
    *data.last_mut().unwrap() ^= 1;
    assert_eq!(theirs.unseal(&header, &mut data), Err(auth::SealError::Tampered.into()));
    assert!(data.is_empty());
    assert_eq!(theirs.unseal(&header, &mut data), Err(auth::SealError::Poisoned.into()));
    assert_eq!(theirs.seal(&mut data).unwrap_err(), auth::SealError::Poisoned.into());
}

#[test]
fn a_wrong_password_is_told_by_its_status() {
    let server = InnerServer::self_signed().unwrap();
    let client = initiator(Level::Modern, "wrong", InitiatorOptions::default());
    let service = acceptor(&server, AcceptorOptions::default());
    let (error, refusal) = run(client, service).unwrap_err();
    assert_eq!(refusal, Refusal::WrongCredentials);
    let status = PeerMisbehaved::Status(credssp::NtStatus::LOGON_FAILURE);
    assert_eq!(error, Some(status.into()));
}

/// The other half in its own process.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    users: PathBuf,
}

fn interpreter() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let python = std::env::var_os("TRANSOM_PEERS_PYTHON")
        .map_or_else(|| root.join("target/peers/venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "no interpreter with pyspnego: run `cargo xtask test`");
    python
}

fn word(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { STANDARD.encode(bytes) }
}

fn bytes(word: &str) -> Vec<u8> {
    if word == "-" { Vec::new() } else { STANDARD.decode(word).unwrap() }
}

impl Peer {
    pub(crate) fn start(test: &str, role: &str, more: &[&str]) -> Self {
        Self::start_with(test, role, more, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with(
        test: &str,
        role: &str,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let users = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{test}-{}.users", std::process::id()));
        std::fs::write(&users, format!("DOM:alice:{PASSWORD}\n:alice:{PASSWORD}\n")).unwrap();
        let mut command = Command::new(interpreter());
        command
            .args(["-W", "ignore"])
            .arg(root.join("tests/peers/credssp_half.py"))
            .arg(role)
            .args(more)
            .env("NTLM_USER_FILE", &users)
            .env("PYTHONUTF8", "1")
            .envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, users }
    }

    pub(crate) fn ask(&mut self, line: &str) -> Vec<String> {
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
        for length in [5, 1, 5000, 16_384] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut data = plain.clone();
            let header = sealer.seal(&mut data).unwrap().header;
            let reply = self.ask(&format!("unwrap {} {}", word(&header), word(&data)));
            assert_eq!(reply, ["plain", &word(&plain)]);

            let reply = self.ask(&format!("wrap {}", word(&plain)));
            assert_eq!(reply[0], "sealed", "{reply:?}");
            // The trailer is as long as ours.
            assert_eq!(bytes(&reply[1]).len(), header.len());
            let mut data = bytes(&reply[2]);
            sealer.unseal(&bytes(&reply[1]), &mut data).unwrap();
            assert_eq!(data, plain);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_file(&self.users));
    }
}

/// Our client's login with pyspnego's service; the error of whoever ends it.
pub(crate) fn log_in(client: &mut credssp::Initiator, peer: &mut Peer) -> Result<(), String> {
    let mut reply: Option<Vec<u8>> = None;
    for _ in 0..12 {
        let step = client.step(reply.as_deref()).map_err(|error| error.to_string())?;
        let (Step::Send(token) | Step::Last(token)) = step else { panic!("too early") };
        let (done, token) = peer.step(Some(&token))?;
        if done {
            return client.step(None).map(drop).map_err(|error| error.to_string());
        }
        reply = Some(token);
    }
    panic!("the login does not end")
}

#[test]
fn our_client_logs_in_to_pyspnego_and_seals() {
    for (level, tls, expected, version) in [
        (Level::Modern, ["TLSv1_2", "TLSv1_3"], "TLSv1.3", 6),
        (Level::Modern, ["TLSv1_2", "TLSv1_2"], "TLSv1.2", 5),
        (Level::Compat, ["TLSv1_2", "TLSv1_2"], "TLSv1.2", 4),
        (Level::Compat, ["TLSv1_3", "TLSv1_3"], "TLSv1.3", 6),
        (Level::Legacy, ["TLSv1", "TLSv1"], "TLSv1", 2),
        (Level::Legacy, ["TLSv1_1", "TLSv1_1"], "TLSv1.1", 6),
    ] {
        let number = version.to_string();
        let more = ["--version", &number, "--tls", tls[0], tls[1]];
        let mut peer = Peer::start("credssp_client", "server", &more);
        let options = InitiatorOptions { minimum_version: version };
        let mut client = initiator(level, PASSWORD, options);
        log_in(&mut client, &mut peer).unwrap();
        assert_eq!(peer.ask("about"), ["about", expected, &number]);
        let handed = [&b"DOM"[..], b"alice", PASSWORD.as_bytes()].map(word);
        assert_eq!(peer.ask("credential")[1..], handed);
        peer.talk(client.sealer().unwrap().as_mut());
    }
}

#[test]
fn our_client_refuses_old_versions_of_both_protocols_and_hears_why_it_is_refused() {
    let cases = [
        (Level::Modern, PASSWORD, ["--version", "4", "--tls", "TLSv1_2", "TLSv1_3"], "version 4"),
        (Level::Modern, PASSWORD, ["--version", "6", "--tls", "TLSv1", "TLSv1"], "TLS"),
        (Level::Compat, PASSWORD, ["--version", "6", "--tls", "TLSv1", "TLSv1"], "TLS"),
        (Level::Modern, "wrong", ["--version", "6", "--tls", "TLSv1_2", "TLSv1_3"], "0x8009030C"),
    ];
    for (level, password, more, expected) in cases {
        let mut peer = Peer::start("credssp_refused", "server", &more);
        let mut client = initiator(level, password, InitiatorOptions::default());
        let error = log_in(&mut client, &mut peer).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert_eq!(client.step(None).map_err(|_| ()), Err(()), "an error is final");
    }
}

#[test]
fn pyspnego_logs_in_to_our_acceptor_and_seals() {
    let server = InnerServer::self_signed().unwrap();
    for (tls, version, inner) in [
        ("TLSv1_3", "6", "auto"),
        ("TLSv1_2", "6", "ntlm"),
        ("TLSv1_3", "5", "auto"),
        ("TLSv1_2", "3", "auto"),
        ("TLSv1_2", "2", "ntlm"),
    ] {
        let more = [
            "--version",
            version,
            "--tls",
            tls,
            tls,
            "--inner",
            inner,
            "--user",
            USER,
            "--password",
            PASSWORD,
        ];
        let mut peer = Peer::start("credssp_acceptor", "client", &more);
        let mut acceptor = acceptor(&server, AcceptorOptions { minimum_version: 2 });
        let (mut done, mut token) = peer.step(None).unwrap();
        let login = loop {
            match accept(&mut acceptor, &token).unwrap() {
                AcceptStep::Reply(reply) => (done, token) = peer.step(Some(&reply)).unwrap(),
                AcceptStep::Done { login, .. } => break login,
                AcceptStep::Refused { .. } | AcceptStep::Ask(_) => panic!("refused"),
            }
        };
        assert!(done);
        check_delegated(&login);
        peer.talk(login.sealer.unwrap().as_mut());
    }
}

#[test]
fn pyspnego_with_a_wrong_password_or_an_old_version_hears_our_status() {
    let server = InnerServer::self_signed().unwrap();
    for (version, password, expected, is_told) in [
        ("6", "wrong", Refusal::WrongCredentials, true),
        ("4", PASSWORD, Refusal::CredSspVersion(4), true),
        ("2", PASSWORD, Refusal::CredSspVersion(2), false),
    ] {
        let more = ["--version", version, "--user", USER, "--password", password];
        let mut peer = Peer::start("credssp_wrong", "client", &more);
        let mut acceptor = acceptor(&server, AcceptorOptions::default());
        let (_, mut token) = peer.step(None).unwrap();
        let told = loop {
            match accept(&mut acceptor, &token) {
                Ok(AcceptStep::Reply(reply)) => (_, token) = peer.step(Some(&reply)).unwrap(),
                Ok(AcceptStep::Refused { token, refusal }) => {
                    assert_eq!(refusal, expected);
                    break Some(token);
                }
                Err(error) => {
                    assert_eq!(error, Error::Refused(expected));
                    break None;
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told.is_some(), is_told);
        if let Some(told) = told {
            let error = peer.step(Some(&told)).unwrap_err();
            assert!(error.contains("NTStatus in TSRequest"), "{error}");
        }
    }
}
