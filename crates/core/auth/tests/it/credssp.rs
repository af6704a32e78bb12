//! CredSSP with somebody in between: the TLS session here hides nothing, so that a test can change what is said inside.

use auth::{
    AcceptStep, Acceptor as _, ApiMisuse, DecodeErrorKind, Delegated, Error, Initiator as _, Input,
    Login, PeerMisbehaved, Refusal, Secret, Step, UserName,
    credssp::{
        Acceptor, AcceptorOptions, Channel, ChannelError, Initiator, InitiatorOptions, NtStatus,
        TsCredentials, TsRequest,
    },
};

use crate::support::{Fixed, PASSWORD, Setup, corpus};

/// What both sides believe the service's key to be.
const KEY: [u8; 5] = [0x30, 3, 2, 1, 17];
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// Records without encryption: the service's first one shows its key, as a certificate would.
#[derive(Debug)]
struct Clear {
    is_client: bool,
    key: Vec<u8>,
    /// Flights that are still to come from the peer.
    left: u8,
    outgoing: Vec<u8>,
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3, length[0], length[1]], content].concat()
}

impl Clear {
    fn client() -> Box<dyn Channel> {
        let outgoing = record(HANDSHAKE, b"hello");
        Box::new(Self { is_client: true, key: Vec::new(), left: 2, outgoing })
    }

    fn service(key: &[u8]) -> Box<dyn Channel> {
        Box::new(Self { is_client: false, key: key.to_vec(), left: 2, outgoing: Vec::new() })
    }
}

impl Channel for Clear {
    fn receive(&mut self, records: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let (mut rest, mut data) = (records, Vec::new());
        while let [kind, _, _, high, low, after @ ..] = rest {
            let (content, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            rest = after;
            if *kind == DATA {
                data.extend_from_slice(content);
                continue;
            }
            self.left = self.left.checked_sub(1).ok_or(ChannelError::Malformed)?;
            match (self.is_client, self.left) {
                (true, 1) => {
                    self.key = content.to_vec();
                    self.outgoing.extend(record(HANDSHAKE, b"finished"));
                }
                (true, _) => {}
                (false, 1) => self.outgoing.extend(record(HANDSHAKE, &self.key)),
                (false, _) => self.outgoing.extend(record(HANDSHAKE, b"finished")),
            }
        }
        Ok(data)
    }

    fn send(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        self.outgoing.extend(record(DATA, data));
        Ok(())
    }

    fn take_records(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    fn is_handshaking(&self) -> bool {
        self.left != 0
    }

    fn server_key(&self) -> Option<Vec<u8>> {
        Some(self.key.clone())
    }

    fn trailer(&self, _length: usize) -> usize {
        2
    }
}

/// How a login ended.
#[derive(Debug)]
enum Outcome {
    In { client: Box<Initiator>, login: Box<Login> },
    Refused { refusal: Refusal, client: Option<Error> },
    Stopped(Error),
}

/// What happens between both halves.
struct Between<'a> {
    setup: Setup,
    client_minimum: u32,
    service_minimum: u32,
    /// The key that the client is shown, where it is not the service's.
    shown: Option<&'a [u8]>,
    /// May change each message; tells whether it is the client's.
    wire: &'a mut dyn FnMut(bool, &mut TsRequest),
}

fn between(wire: &mut dyn FnMut(bool, &mut TsRequest)) -> Between<'_> {
    Between { setup: Setup::default(), client_minimum: 5, service_minimum: 5, shown: None, wire }
}

impl Between<'_> {
    fn initiator(&self) -> Initiator {
        let credentials =
            TsCredentials::new(UserName::parse(r"DOM\alice"), Secret::from(self.setup.password));
        let options = InitiatorOptions { minimum_version: self.client_minimum };
        let mechanisms: Vec<Box<dyn auth::spnego::InitiatorMechanism>> =
            vec![Box::new(self.setup.ntlm_initiator())];
        Initiator::new(Clear::client(), mechanisms, credentials, options, &mut Fixed(9)).unwrap()
    }

    fn acceptor(&self) -> Acceptor {
        let options = AcceptorOptions { minimum_version: self.service_minimum };
        let mechanisms: Vec<Box<dyn auth::spnego::AcceptorMechanism>> =
            vec![Box::new(self.setup.ntlm_acceptor())];
        Acceptor::new(Clear::service(&KEY), mechanisms, options).unwrap()
    }

    fn change(&mut self, is_client: bool, token: &mut Vec<u8>) {
        let at = if token.first() == Some(&HANDSHAKE) { token.len() } else { 0 };
        if let (Some(shown), false) = (self.shown, is_client)
            && token.ends_with(&KEY)
        {
            *token = record(HANDSHAKE, shown);
        } else if at == 0 {
            let mut request = TsRequest::decode(&token[5..]).unwrap();
            (self.wire)(is_client, &mut request);
            *token = record(DATA, &request.encode());
        }
    }

    fn run(mut self) -> Outcome {
        let (mut client, mut service) = (self.initiator(), self.acceptor());
        let mut reply: Option<Vec<u8>> = None;
        for _ in 0..12 {
            let mut token = match client.step(reply.as_deref()) {
                Ok(Step::Send(token) | Step::Last(token)) => token,
                Ok(Step::Done) => panic!("too early"),
                Err(error) => {
                    assert_eq!(client.step(None), Err(error.clone()), "an error is final");
                    assert!(client.sealer().is_none());
                    return Outcome::Stopped(error);
                }
            };
            self.change(true, &mut token);
            let mut token = match self.setup.verifier.token(&mut service, &token) {
                Ok(AcceptStep::Reply(token)) => token,
                Ok(AcceptStep::Done { token, login }) => {
                    assert_eq!((token, client.step(None)), (None, Ok(Step::Done)));
                    return Outcome::In { client: Box::new(client), login: Box::new(login) };
                }
                Ok(AcceptStep::Refused { token, refusal }) => {
                    let again = service.step(Input::Token(&[]));
                    assert_eq!(again.unwrap_err(), Error::Refused(refusal), "final");
                    return Outcome::Refused { refusal, client: client.step(Some(&token)).err() };
                }
                Ok(AcceptStep::Ask(_)) => unreachable!("the verifier answers"),
                Err(Error::Refused(refusal)) => return Outcome::Refused { refusal, client: None },
                Err(error) => panic!("{error}"),
            };
            self.change(false, &mut token);
            reply = Some(token);
        }
        panic!("the login does not end")
    }
}

/// Counts the messages with credentials.
fn handed_over(count: &mut u32, is_client: bool, request: &TsRequest) {
    *count += u32::from(is_client && request.auth_info.is_some());
}

#[test]
fn a_login_hands_the_password_over_once_and_at_its_end() {
    let (mut messages, mut handed) = (0, 0);
    let mut wire = |is_client: bool, request: &mut TsRequest| {
        messages += 1;
        assert_eq!(request.version, 6);
        assert_eq!(request.client_nonce.is_some(), is_client && request.pub_key_auth.is_some());
        handed_over(&mut handed, is_client, request);
    };
    let Outcome::In { mut client, login } = between(&mut wire).run() else { panic!() };
    assert_eq!((messages, handed), (5, 1));
    assert_eq!((client.mechanism(), login.mechanism), ("CredSSP/NTLM", "CredSSP/NTLM"));
    let Some(Delegated::Password { domain, user, password }) = login.delegated else { panic!() };
    assert_eq!((domain.as_str(), user.as_str(), password.expose()), ("DOM", "alice", PASSWORD));
    let (mut ours, mut theirs) = (client.sealer().unwrap(), login.sealer.unwrap());
    assert!(client.sealer().is_none(), "only once");
    let mut data = b"text".to_vec();
    let header = ours.seal(&mut data).unwrap().header;
    assert_eq!(header.len(), 2);
    theirs.unseal(&header, &mut data).unwrap();
    assert_eq!(data, b"text");
}

#[test]
fn somebody_with_a_key_of_his_own_gets_no_password() {
    for version in [2, 4, 6] {
        let mut handed = 0;
        let mut wire = |is_client: bool, request: &mut TsRequest| {
            request.version = version;
            handed_over(&mut handed, is_client, request);
        };
        let mut between = between(&mut wire);
        (between.client_minimum, between.service_minimum) = (2, 2);
        between.shown = Some(b"other");
        let Outcome::Refused { refusal, client } = between.run() else { panic!() };
        assert_eq!((refusal, handed), (Refusal::ServerKeyWrong, 0));
        let told = PeerMisbehaved::Status(NtStatus::ACCESS_DENIED);
        assert_eq!(client, (version != 2).then_some(told.into()));
    }
}

#[test]
fn the_password_stays_here_unless_the_service_proves_its_key() {
    type Change = fn(&mut TsRequest);
    let changes: [Change; 3] = [
        |request| request.pub_key_auth = None,
        |request| *request.pub_key_auth.as_mut().unwrap().last_mut().unwrap() ^= 1,
        |request| request.pub_key_auth = Some(vec![7]),
    ];
    for change in changes {
        let mut handed = 0;
        let mut wire = |is_client: bool, request: &mut TsRequest| {
            if !is_client && request.pub_key_auth.is_some() {
                change(request);
            }
            handed_over(&mut handed, is_client, request);
        };
        let Outcome::Stopped(error) = between(&mut wire).run() else { panic!() };
        assert_eq!((error, handed), (PeerMisbehaved::ServerKeyWrong.into(), 0));
    }
}

#[test]
fn a_client_proof_that_is_sent_back_proves_nothing() {
    let (mut sent, mut handed) = (None, 0);
    let mut wire = |is_client: bool, request: &mut TsRequest| {
        match (is_client, &mut request.pub_key_auth) {
            (true, Some(proof)) => sent = Some(proof.clone()),
            (false, Some(proof)) => *proof = sent.clone().unwrap(),
            (_, None) => {}
        }
        handed_over(&mut handed, is_client, request);
    };
    let Outcome::Stopped(error) = between(&mut wire).run() else { panic!() };
    assert_eq!((error, handed), (PeerMisbehaved::ServerKeyWrong.into(), 0));
}

#[test]
fn versions_that_are_too_old_end_the_login_on_both_sides() {
    let mut wire = |_: bool, request: &mut TsRequest| request.version = 4;
    let mut old_client = between(&mut wire);
    old_client.client_minimum = 2;
    let Outcome::Refused { refusal, client } = old_client.run() else { panic!() };
    assert_eq!(refusal, Refusal::CredSspVersion(4));
    assert_eq!(client, Some(PeerMisbehaved::Status(NtStatus::NOT_SUPPORTED).into()));

    let mut old_service = between(&mut wire);
    old_service.service_minimum = 2;
    let Outcome::Stopped(error) = old_service.run() else { panic!() };
    assert_eq!(error, PeerMisbehaved::CredSspVersion(4).into());

    // What does not exist, and what does not exist yet.
    let mut wire = |is_client: bool, request: &mut TsRequest| {
        request.version = if is_client { 1 } else { 6 };
    };
    let mut older = between(&mut wire);
    older.service_minimum = 2;
    let Outcome::Refused { refusal, client: None } = older.run() else { panic!() };
    assert_eq!(refusal, Refusal::CredSspVersion(1));
    let mut wire = |_: bool, request: &mut TsRequest| request.version = 70_000;
    let Outcome::In { .. } = between(&mut wire).run() else { panic!() };
}

#[test]
fn a_message_without_what_is_due_ends_the_login() {
    type Change = fn(&mut TsRequest);
    let changes: [(Change, Refusal); 2] = [
        (|request| request.client_nonce = None, Refusal::NonceMissing),
        (|request| request.pub_key_auth = None, Refusal::ServerKeyWrong),
    ];
    for (change, expected) in changes {
        let mut wire = |is_client: bool, request: &mut TsRequest| {
            if is_client && request.pub_key_auth.is_some() {
                change(request);
            }
        };
        match between(&mut wire).run() {
            Outcome::Refused { refusal, .. } => assert_eq!(refusal, expected),
            // Without the proof the service only answers the negotiation.
            Outcome::Stopped(error) => assert_eq!(error, PeerMisbehaved::ServerKeyWrong.into()),
            Outcome::In { .. } => panic!("{expected}"),
        }
    }
    for field in ["negoTokens", "authInfo"] {
        let mut wire = |is_client: bool, request: &mut TsRequest| {
            if is_client {
                request.nego_token = request.nego_token.take().filter(|_| field != "negoTokens");
                request.auth_info = request.auth_info.take().filter(|_| field != "authInfo");
            }
        };
        let Outcome::Refused { refusal: Refusal::Malformed(error), client } =
            between(&mut wire).run()
        else {
            panic!()
        };
        assert_eq!((error.field, error.kind), (field, DecodeErrorKind::Missing));
        assert_eq!(client, Some(PeerMisbehaved::Status(NtStatus::INVALID_PARAMETER).into()));
    }
}

#[test]
fn wrong_passwords_are_told_where_the_version_has_words_for_it() {
    for (version, is_told) in [(2, false), (3, true), (4, true), (5, false), (6, true)] {
        let mut wire = |_: bool, request: &mut TsRequest| request.version = version;
        let mut between = between(&mut wire);
        between.setup.password = "wrong";
        (between.client_minimum, between.service_minimum) = (2, 2);
        let Outcome::Refused { refusal, client } = between.run() else { panic!() };
        assert_eq!(refusal, Refusal::WrongCredentials);
        let told = PeerMisbehaved::Status(NtStatus::LOGON_FAILURE);
        assert_eq!(client, is_told.then_some(told.into()), "{version}");
    }
}

#[test]
fn wrong_use_changes_nothing_and_bytes_that_are_no_records_end_the_login() {
    let mut wire = |_: bool, _: &mut TsRequest| {};
    let between = between(&mut wire);
    let mut client = between.initiator();
    assert_eq!(client.step(Some(&[])), Err(ApiMisuse::TokenTooEarly.into()));
    let Ok(Step::Send(hello)) = client.step(None) else { panic!() };
    assert_eq!(client.step(None), Err(ApiMisuse::TokenDue.into()));
    assert!(matches!(client.step(Some(b"NTLMSSP")), Err(Error::Decode(_))));
    assert!(matches!(client.step(None), Err(Error::Decode(_))));

    let mut service = between.acceptor();
    let misuse = service.step(Input::Answer(auth::Answer::Refused));
    assert_eq!(misuse.unwrap_err(), ApiMisuse::AnswerUnasked.into());
    assert!(matches!(service.step(Input::Token(&hello)), Ok(AcceptStep::Reply(_))));
    let refused = service.step(Input::Token(&record(DATA, b"no TSRequest")));
    assert!(matches!(refused, Err(Error::Refused(Refusal::Malformed(_)))), "{refused:?}");
}

#[test]
fn recorded_messages_and_credentials_are_read() {
    let test = "recorded_messages_and_credentials_are_read";
    let Some(bytes) = corpus(test, "pyspnego/credssp_ts_request") else { return };
    // Its nonce has 12 bytes, and must have 32.
    let error = TsRequest::decode(&bytes).unwrap_err();
    assert_eq!((error.field, error.kind), ("clientNonce", DecodeErrorKind::Invalid));
    let mut without = bytes[..bytes.len() - 16].to_vec();
    without[1] -= 16;
    let request = TsRequest::decode(&without).unwrap();
    assert_eq!((request.version, request.error_code), (6, Some(NtStatus(10))));
    assert_eq!(request.nego_token.as_deref(), Some(&b"123"[..]));
    assert_eq!(request.auth_info.as_deref(), Some(&b"auth info"[..]));
    assert_eq!(request.pub_key_auth.as_deref(), Some(&b"pub key auth"[..]));

    let bytes = corpus(test, "pyspnego/credssp_ts_credential_password").unwrap();
    let read = TsCredentials::decode(&bytes).unwrap();
    assert_eq!((read.domain.as_str(), read.user.as_str()), ("domain name", "username"));
    assert_eq!(read.password.expose(), "password");
    assert_eq!(*read.encode(), bytes);

    for (name, kind) in [
        ("smart_card", "a smart card"),
        ("smart_card_full", "a smart card"),
        ("remote_guard_multiple", "Remote Credential Guard"),
        ("remote_guard_no_supplemental", "Remote Credential Guard"),
    ] {
        let bytes = corpus(test, &format!("pyspnego/credssp_ts_credential_{name}")).unwrap();
        assert_eq!(TsCredentials::decode(&bytes).unwrap_err(), Refusal::CredentialsKind(kind));
    }
}

/// The example of [MS-CSSP] 4: a smart card, in the specification's own dump.
#[test]
fn the_credentials_of_the_specification_are_read_as_a_smart_card() {
    let test = "the_credentials_of_the_specification";
    let Some(text) = corpus(test, "ms-cssp/4.txt") else { return };
    let text = String::from_utf8(text).unwrap();
    let is_hex = |word: &&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines =
        text.lines().filter(|line| line.split([' ', '-']).take(2).all(|word| is_hex(&word)));
    let bytes: Vec<u8> = lines
        .flat_map(|line| {
            line.get(..47).unwrap_or(line).split([' ', '-']).take_while(is_hex).take(16)
        })
        .map(|word| u8::from_str_radix(word, 16).unwrap())
        .collect();
    assert_eq!(bytes.len(), 275);
    let refusal = TsCredentials::decode(&bytes).unwrap_err();
    assert_eq!(refusal, Refusal::CredentialsKind("a smart card"));
}
