//! Our halves of a Kerberos login against MIT's GSSAPI and against pyspnego, with sealed messages both ways.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use auth::kerberos::{self, AcceptorOptions, EncryptionType, KerberosAccepted};
use auth::ntlm::Protection;
use auth::{
    AcceptStep, Account, Answer, CbtPolicy, ChannelBinding, Input, KerberosRefusal, Login,
    Question, Sealer, Step, spnego,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use testkit::{Realm, peers_python, report};
use transport::kerberos::{Initiator, InitiatorOptions, Keytab};

use super::{ALICE, PASSWORD, Random, alice, binding, keytab, keytab_path, options};

/// A name that a certificate could have, too.
const HOST: &str = super::HOST;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    Gssapi,
    Pyspnego,
}

impl Library {
    const ALL: [Self; 2] = [Self::Gssapi, Self::Pyspnego];

    fn name(self) -> &'static str {
        match self {
            Self::Gssapi => "gssapi",
            Self::Pyspnego => "pyspnego",
        }
    }

    /// MIT's is the system's.
    fn python(self) -> PathBuf {
        match self {
            Self::Gssapi => PathBuf::from("/usr/bin/python3"),
            Self::Pyspnego => peers_python(),
        }
    }
}

/// The other half, in its own process.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// `arguments` are those of the script; tickets and keytab are the realm's.
    fn start(
        realm: &Realm,
        library: Library,
        arguments: &[&str],
        binding: Option<ChannelBinding>,
    ) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers/kerberos_half.py");
        let mut command: Command = realm.command(library.python());
        command.arg(script).arg(library.name()).args(arguments);
        if let Some(binding) = binding {
            command.args(["--cbt", &word(&binding.application_data())]);
        }
        command.env("PYTHONUTF8", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn ask(&mut self, line: &str) -> Vec<String> {
        writeln!(self.input, "{line}").unwrap();
        let mut reply = String::new();
        self.output.read_line(&mut reply).unwrap();
        assert!(!reply.is_empty(), "the peer ended");
        reply.split_whitespace().map(str::to_owned).collect()
    }

    /// Whether the peer is done, and its token; or its words.
    fn step(&mut self, token: Option<&[u8]>) -> Result<(bool, Vec<u8>), String> {
        let line = token.map_or_else(|| "step".to_owned(), |token| format!("step {}", word(token)));
        let reply = self.ask(&line);
        match reply[0].as_str() {
            "done" => Ok((true, bytes(&reply[1]))),
            "token" => Ok((false, bytes(&reply[1]))),
            _ => Err(reply.join(" ")),
        }
    }

    /// Sealed messages both ways, of several lengths, and the peer's in both of its layouts.
    fn talk(&mut self, sealer: &mut dyn Sealer) {
        for length in [1, 15, 16, 17, 5000, 100_000] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            for command in ["unwrap", "open"] {
                let mut data = plain.clone();
                let sealed = sealer.seal(&mut data).unwrap();
                assert_eq!(data.len(), length + sealed.padding);
                let reply =
                    self.ask(&format!("{command} {} {}", word(&sealed.header), word(&data)));
                // In the layout of WinRM the padding is the caller's.
                let padding =
                    if command == "unwrap" { vec![1; sealed.padding] } else { Vec::new() };
                let expected = word(&[&plain[..], &padding].concat());
                assert_eq!(reply, ["plain", &expected], "{command} {length}");
            }
            for command in ["wrap", "whole"] {
                let reply = self.ask(&format!("{command} {}", word(&plain)));
                assert_eq!(reply[0], "sealed", "{reply:?}");
                let mut data = bytes(&reply[2]);
                sealer.unseal(&bytes(&reply[1]), &mut data).unwrap();
                assert!(data == plain, "{command} {length}");
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn word(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { STANDARD.encode(bytes) }
}

fn bytes(word: &str) -> Vec<u8> {
    if word == "-" { Vec::new() } else { STANDARD.decode(word).unwrap() }
}

fn protocol(is_wrapped: bool) -> &'static str {
    if is_wrapped { "negotiate" } else { "kerberos" }
}

/// Our client's half, raw or inside SPNEGO.
fn client(options: &InitiatorOptions, is_wrapped: bool) -> Box<dyn auth::Initiator> {
    let raw = Initiator::begin(&alice(options.delegate), options, &mut Random).unwrap();
    if is_wrapped {
        Box::new(spnego::Initiator::new(vec![Box::new(raw)]).unwrap())
    } else {
        Box::new(raw)
    }
}

/// Walks through a login at a peer that is the service; the peer's words where it refuses.
fn log_in_at(peer: &mut Peer, client: &mut dyn auth::Initiator) -> Result<Box<dyn Sealer>, String> {
    let mut answer: Option<Vec<u8>> = None;
    loop {
        match client.step(answer.as_deref()).map_err(|error| error.to_string())? {
            Step::Send(token) | Step::Last(token) => {
                let (_, token) = peer.step(Some(&token))?;
                answer = (!token.is_empty()).then_some(token);
            }
            Step::Done => return Ok(client.sealer().expect("messages are sealed")),
        }
    }
}

/// Our service's half, raw or inside SPNEGO.
fn service(
    binding: Option<ChannelBinding>,
    policy: CbtPolicy,
    is_wrapped: bool,
) -> Box<dyn auth::Acceptor> {
    let options = AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: binding,
        cbt_policy: policy,
    };
    let raw = kerberos::Acceptor::new(options, &mut Random);
    if is_wrapped {
        Box::new(spnego::Acceptor::new(vec![Box::new(raw)]).unwrap())
    } else {
        Box::new(raw)
    }
}

/// What the owner of the keytab says.
fn judge(keytab: &Keytab, question: Question) -> (Answer, Option<String>) {
    let Question::Kerberos(attempt) = question else { panic!("{question:?}") };
    match keytab.accept(&attempt.token, attempt.channel_binding.as_ref()) {
        Ok(accepted) => {
            let principal = accepted.principal.clone();
            let answer = KerberosAccepted {
                account: Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() },
                principal: accepted.principal,
                reply: accepted.reply,
                context: accepted.context,
                confidential: accepted.confidential,
                channel_bound: accepted.channel_bound,
                delegated: accepted.delegated,
            };
            (Answer::Kerberos(Box::new(answer)), Some(principal))
        }
        Err(refused) => {
            let (refusal, token) = (refused.refusal.into(), refused.token);
            (Answer::KerberosRefused { refusal, token }, None)
        }
    }
}

/// Walks through a login of a peer's at our service.
fn let_in(
    peer: &mut Peer,
    service: &mut dyn auth::Acceptor,
    keytab: &Keytab,
) -> Result<Login, auth::Error> {
    let (_, mut token) = peer.step(None).unwrap();
    loop {
        let mut step = service.step(Input::Token(&token))?;
        if let AcceptStep::Ask(question) = step {
            step = service.step(Input::Answer(judge(keytab, question).0))?;
        }
        match step {
            AcceptStep::Reply(reply) => token = peer.step(Some(&reply)).unwrap().1,
            AcceptStep::Done { token, login } => {
                assert!(peer.step(token.as_deref()).unwrap().0, "the peer wants more");
                return Ok(login);
            }
            AcceptStep::Refused { token, refusal } => {
                // The peer's library reads what it is told.
                let words = peer.step(Some(&token)).unwrap_err();
                assert!(words.contains("error"), "{words}");
                return Err(refusal.into());
            }
            AcceptStep::Ask(question) => panic!("{question:?}"),
        }
    }
}

/// The realm of these tests, where the peers' clients have tickets.
fn inside(test: &str) -> Option<Realm> {
    Realm::inside(&format!("kerberos::peers::{test}"), "", |realm| {
        super::prepare(realm);
        let cache = realm.folder().join("nobodys-tickets").display().to_string();
        realm.kinit("alice", PASSWORD, &cache, &["-f"]);
    })
}

#[test]
fn our_client_logs_in_to_mit_and_pyspnego() {
    let Some(realm) = inside("our_client_logs_in_to_mit_and_pyspnego") else { return };
    for library in Library::ALL {
        for is_wrapped in [false, true] {
            for bound in [None, Some(binding(7))] {
                let mut options = options(HOST);
                options.channel_binding = bound;
                let arguments = ["server", protocol(is_wrapped)];
                let mut peer = Peer::start(&realm, library, &arguments, bound);
                let mut client = client(&options, is_wrapped);
                let mut sealer = log_in_at(&mut peer, client.as_mut())
                    .unwrap_or_else(|words| panic!("{library:?} {is_wrapped} {bound:?}: {words}"));
                assert_eq!(client.mechanism(), "Kerberos");
                peer.talk(sealer.as_mut());
                let who = peer.ask("who").split_off(1);
                let is_bound = if bound.is_some() { "True" } else { "False" };
                // pyspnego tells neither; and nothing is delegated unasked.
                let is_bound = if library == Library::Gssapi { is_bound } else { "False" };
                assert_eq!(who, [ALICE, is_bound, "-"]);
            }
        }
    }
    report("PEER pyspnego 0.12: Kerberos client's half, raw and in SPNEGO, sealed both ways");
    report("PEER python3-gssapi: Kerberos client's half, raw and in SPNEGO, sealed both ways");
}

#[test]
fn mit_and_pyspnego_log_in_to_our_service() {
    let Some(realm) = inside("mit_and_pyspnego_log_in_to_our_service") else { return };
    let keytab = keytab(&realm);
    for library in Library::ALL {
        for is_wrapped in [false, true] {
            for bound in [None, Some(binding(7))] {
                let user =
                    ["client", protocol(is_wrapped), "--user", ALICE, "--password", PASSWORD];
                let mut peer = Peer::start(&realm, library, &user, bound);
                let policy = if bound.is_some() { CbtPolicy::Strict } else { CbtPolicy::Relaxed };
                let mut service = service(bound, policy, is_wrapped);
                let login = let_in(&mut peer, service.as_mut(), &keytab)
                    .unwrap_or_else(|error| panic!("{library:?} {is_wrapped} {bound:?}: {error}"));
                assert_eq!(login.mechanism, "Kerberos");
                assert!(login.delegated.is_none());
                peer.talk(login.sealer.unwrap().as_mut());
            }
        }
    }
    report("PEER pyspnego 0.12: Kerberos service's half, raw and in SPNEGO, sealed both ways");
    report("PEER python3-gssapi: Kerberos service's half, raw and in SPNEGO, sealed both ways");
}

#[test]
fn tickets_are_delegated_to_and_from_mit_and_pyspnego() {
    let Some(realm) = inside("tickets_are_delegated_to_and_from_mit_and_pyspnego") else { return };
    let keytab = keytab(&realm);
    let mut delegating = options(HOST);
    delegating.delegate = true;
    for is_wrapped in [false, true] {
        let arguments = ["server", protocol(is_wrapped)];
        let mut peer = Peer::start(&realm, Library::Gssapi, &arguments, None);
        log_in_at(&mut peer, client(&delegating, is_wrapped).as_mut()).unwrap();
        assert_eq!(peer.ask("who")[1..], [ALICE, "False", ALICE]);
        for library in Library::ALL {
            let user = ["--delegate", "--user", ALICE, "--password", PASSWORD];
            let arguments = [&["client", protocol(is_wrapped)], &user[..]].concat();
            let mut peer = Peer::start(&realm, library, &arguments, None);
            let mut service = service(None, CbtPolicy::Relaxed, is_wrapped);
            let login = let_in(&mut peer, service.as_mut(), &keytab).unwrap();
            let delegated = login.delegated.is_some();
            // pyspnego buys what krb5.conf says, which is not forwardable here, where it has a password.
            assert!(delegated || library == Library::Pyspnego, "{library:?} {is_wrapped}");
        }
    }
}

#[test]
fn another_channel_is_refused_by_both_sides_services() {
    let Some(realm) = inside("another_channel_is_refused_by_both_sides_services") else { return };
    let keytab = keytab(&realm);
    for library in Library::ALL {
        for is_wrapped in [false, true] {
            let mut options = options(HOST);
            options.channel_binding = Some(binding(7));
            let arguments = ["server", protocol(is_wrapped)];
            let mut peer = Peer::start(&realm, library, &arguments, Some(binding(8)));
            log_in_at(&mut peer, client(&options, is_wrapped).as_mut()).unwrap_err();
            let user = ["client", protocol(is_wrapped), "--user", ALICE, "--password", PASSWORD];
            for (theirs, policy) in [
                (Some(binding(8)), CbtPolicy::Relaxed),
                (Some(binding(8)), CbtPolicy::Strict),
                (None, CbtPolicy::Strict),
            ] {
                let mut peer = Peer::start(&realm, library, &user, theirs);
                let mut service = service(Some(binding(7)), policy, is_wrapped);
                let (_, token) = peer.step(None).unwrap();
                let mut step = service.step(Input::Token(&token));
                if let Ok(AcceptStep::Ask(question)) = step {
                    step = service.step(Input::Answer(judge(&keytab, question).0));
                }
                let words = format!("{:?}", step.unwrap_err());
                assert!(words.contains("ChannelBinding"), "{library:?} {policy:?}: {words}");
            }
        }
    }
}

#[test]
fn a_refusal_is_read_by_mit() {
    let Some(realm) = inside("a_refusal_is_read_by_mit") else { return };
    let keytab = keytab(&realm);
    realm.administer("cpw -randkey HTTP/srv.transom.test");
    for is_wrapped in [false, true] {
        let mut peer =
            Peer::start(&realm, Library::Gssapi, &["client", protocol(is_wrapped)], None);
        let mut service = service(None, CbtPolicy::Relaxed, is_wrapped);
        let error = let_in(&mut peer, service.as_mut(), &keytab).unwrap_err();
        assert_eq!(error, KerberosRefusal::NoKey.into());
    }
}

/// Each kind of key, in both roles: as the ticket's session key and as the service's key.
fn encryption_type(test: &str, kind: EncryptionType) {
    let name = kind.as_str();
    let test = format!("kerberos::peers::{test}");
    let weak = "allow_weak_crypto = true\n allow_rc4 = true";
    let Some(realm) = Realm::inside(&test, weak, |realm| {
        super::prepare(realm);
        realm.administer(&format!("cpw -randkey -e {name}:normal HTTP/srv.transom.test"));
        for service in ["HTTP/srv.transom.test", "krbtgt/TRANSOM.TEST"] {
            realm.administer(&format!("setstr {service} session_enctypes {name}"));
        }
        std::fs::remove_file(keytab_path(realm)).unwrap();
        realm.write_keytab(&keytab_path(realm), &["HTTP/srv.transom.test"]);
        // The KDC runs and knows every kind; from now on nobody else does.
        let text = std::fs::read_to_string(realm.configuration()).unwrap();
        let only = format!("[libdefaults]\n permitted_enctypes = {name}");
        std::fs::write(realm.configuration(), text.replacen("[libdefaults]", &only, 1)).unwrap();
        let cache = realm.folder().join("nobodys-tickets").display().to_string();
        realm.kinit("alice", PASSWORD, &cache, &["-f"]);
    }) else {
        return;
    };
    let keytab = keytab(&realm);
    assert_eq!(keytab.entries().unwrap()[0].encryption_type, kind.number());
    let (_, accepted) = super::log_in(&alice(false), &options(HOST), &keytab);
    assert_eq!(accepted.context.encryption_type, kind);
    for library in Library::ALL {
        for is_wrapped in [false, true] {
            let mut peer = Peer::start(&realm, library, &["server", protocol(is_wrapped)], None);
            let mut client = client(&options(HOST), is_wrapped);
            let mut sealer = log_in_at(&mut peer, client.as_mut()).unwrap();
            peer.talk(sealer.as_mut());
            let user = ["client", protocol(is_wrapped), "--user", ALICE, "--password", PASSWORD];
            let mut peer = Peer::start(&realm, library, &user, None);
            let mut service = service(None, CbtPolicy::Relaxed, is_wrapped);
            let login = let_in(&mut peer, service.as_mut(), &keytab).unwrap();
            peer.talk(login.sealer.unwrap().as_mut());
        }
    }
    report(&format!("PEER python3-gssapi: Kerberos with {name}, both halves, raw and in SPNEGO"));
}

#[test]
fn aes128_sha1() {
    encryption_type("aes128_sha1", EncryptionType::Aes128Sha1);
}

#[test]
fn aes256_sha1() {
    encryption_type("aes256_sha1", EncryptionType::Aes256Sha1);
}

#[test]
fn aes128_sha256() {
    encryption_type("aes128_sha256", EncryptionType::Aes128Sha256);
}

#[test]
fn aes256_sha384() {
    encryption_type("aes256_sha384", EncryptionType::Aes256Sha384);
}

#[test]
fn rc4() {
    encryption_type("rc4", EncryptionType::Rc4);
}
