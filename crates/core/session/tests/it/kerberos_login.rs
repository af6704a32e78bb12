//! Logins by Kerberos, as HTTP headers: one round trip, and what the first message may ride on.

use auth::kerberos::{
    self, AcceptorOptions, Context, EncryptionType, KerberosAccepted, KerberosSealer, KrbError,
    Role,
};
use auth::ntlm::{self, Protection};
use auth::spnego::{self, InitiatorMechanism, Oid};
use auth::{
    Account, Answer, CbtPolicy, Error, FileTime, Initiator, KerberosRefusal, PeerMisbehaved,
    Question, Scheme, Sealer, Step,
};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use session::client::login::{Carries, Leg, Login as ClientLogin, LoginError};
use session::http::sealed::{Dialect, Frame, open, seal};
use session::server::login::{Acceptors, Login, Refused, Turn};
use testkit::Seeded;

use crate::login::ntlm_initiator;

fn framed(tok_id: [u8; 2], body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(13 + body.len()).unwrap();
    [&[0x60, 0x81, length, 6, 9], Oid::KERBEROS.as_der_content(), &tok_id, body].concat()
}

fn ap_req() -> Vec<u8> {
    framed([1, 0], b"AP-REQ")
}

fn ap_rep() -> Vec<u8> {
    framed([2, 0], b"AP-REP")
}

/// `KRB_AP_ERR_SKEW` by `HTTP/host@R`, at noon on the first of January 2026.
fn skew() -> Vec<u8> {
    let body =
        b"\x7e\x47\x30\x45\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x1e\xa4\x11\x18\x0f20260101120000Z\
        \xa5\x03\x02\x01\x00\xa6\x03\x02\x01\x25\xa9\x03\x1b\x01R\
        \xaa\x17\x30\x15\xa0\x03\x02\x01\x01\xa1\x0e\x30\x0c\x1b\x04HTTP\x1b\x04host";
    framed([3, 0], body)
}

fn context(role: Role) -> Context {
    Context {
        role,
        encryption_type: EncryptionType::Aes128Sha256,
        key: vec![9; 16].into(),
        acceptor_subkey: true,
        sending_sequence: 5,
        receiving_sequence: 5,
    }
}

/// The client's half: its token is made, and waits for the proof.
#[derive(Debug, Default)]
struct Ticketed {
    asked: bool,
    sealer: Option<KerberosSealer>,
}

impl Initiator for Ticketed {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        match token {
            None if !self.asked => {
                self.asked = true;
                Ok(Step::Last(ap_req()))
            }
            Some(token) if token == ap_rep() => {
                let sealer =
                    KerberosSealer::new(context(Role::Initiator), true, &mut Seeded::new(1));
                self.sealer = Some(sealer);
                Ok(Step::Done)
            }
            Some(token) if KrbError::decode(token).is_ok() => {
                Err(KrbError::decode(token).unwrap().into_error(FileTime::UNIX_EPOCH))
            }
            None | Some(_) => Err(PeerMisbehaved::NotMutual.into()),
        }
    }

    fn can_seal(&self) -> bool {
        self.sealer.is_some()
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        self.context()
    }

    fn mechanism(&self) -> &'static str {
        "Kerberos"
    }
}

impl InitiatorMechanism for Ticketed {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        self.sealer.take().map(|sealer| Box::new(sealer) as Box<dyn Sealer>)
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}

fn raw() -> Box<dyn Initiator> {
    Box::<Ticketed>::default()
}

fn negotiate() -> Box<dyn Initiator> {
    let mechanisms: Vec<Box<dyn InitiatorMechanism>> =
        vec![Box::<Ticketed>::default(), Box::new(ntlm_initiator("alice", "secret"))];
    Box::new(spnego::Initiator::new(mechanisms).unwrap())
}

struct Offer;

impl Acceptors for Offer {
    fn offered(&self) -> Vec<HeaderValue> {
        vec![HeaderValue::from_static("Negotiate"), HeaderValue::from_static("Kerberos")]
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn auth::Acceptor>> {
        let options = AcceptorOptions {
            protection: Protection::Sealed,
            channel_binding: None,
            cbt_policy: CbtPolicy::Relaxed,
        };
        let kerberos = kerberos::Acceptor::new(options, &mut Seeded::new(2));
        match scheme {
            Scheme::Kerberos => Some(Box::new(kerberos)),
            Scheme::Negotiate => {
                let ntlm = ntlm::Acceptor::new(ntlm::AcceptorOptions::default());
                let mechanisms: Vec<Box<dyn spnego::AcceptorMechanism>> =
                    vec![Box::new(kerberos), Box::new(ntlm)];
                Some(Box::new(spnego::Acceptor::new(mechanisms).unwrap()))
            }
            _ => None,
        }
    }
}

fn accept() -> Answer {
    Answer::Kerberos(Box::new(KerberosAccepted {
        account: Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() },
        principal: "alice@R".to_owned(),
        reply: Some(ap_rep()),
        context: context(Role::Acceptor),
        confidential: true,
        channel_bound: false,
        delegated: None,
    }))
}

fn refuse() -> Answer {
    let refusal = KerberosRefusal::Skew.into();
    Answer::KerberosRefused { refusal, token: Some(skew()) }
}

fn request(service: &mut Login, leg: &Leg, answer: fn() -> Answer) -> Turn {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, leg.authorization.clone().unwrap());
    let turn = service.handle_request(&headers, leg.carries != Carries::Nothing, &Offer);
    match turn {
        Turn::Ask(Question::Kerberos(attempt)) => {
            assert_eq!(attempt.token, ap_req());
            service.handle_answer(answer(), &Offer)
        }
        other => other,
    }
}

fn headers_of(values: impl IntoIterator<Item = HeaderValue>) -> HeaderMap {
    values.into_iter().map(|value| (WWW_AUTHENTICATE, value)).collect()
}

#[test]
fn one_empty_request_with_the_token_and_sealed_messages_afterwards() {
    for initiator in [raw(), negotiate()] {
        let (mut client, mut service) = (ClientLogin::new(initiator), Login::default());
        let leg = client.start().unwrap();
        assert_eq!(leg.carries, Carries::Nothing, "nothing is sealed before the proof");
        assert!(client.sealer().is_none());
        let turn = request(&mut service, &leg, accept);
        assert!(matches!(turn, Turn::Proceed { fresh: true }), "{turn:?}");
        let done = service.established().unwrap();
        assert_eq!((done.mechanism, done.protocol()), ("Kerberos", client.protocol()));
        let proof = headers_of(done.last_token.take());
        assert_eq!(client.handle_response(StatusCode::OK, &proof), Ok(None));
        assert!(client.is_complete());
        assert_eq!(client.mechanism(), "Kerberos");

        let frame = Frame { protocol: client.protocol(), dialect: Dialect::Tab };
        let (mut ours, theirs) = (client.sealer().unwrap(), done.sealer.as_deref_mut().unwrap());
        let sent = seal(&mut *ours, frame, "application/soap+xml", b"<a/>".to_vec()).unwrap();
        assert_eq!(open(theirs, &sent.content_type, sent.body).unwrap().body, b"<a/>");
        let back = seal(theirs, frame, "application/soap+xml", b"<b/>".to_vec()).unwrap();
        assert_eq!(open(&mut *ours, &back.content_type, back.body).unwrap().body, b"<b/>");
    }
}

#[test]
fn inside_tls_the_message_rides_on_the_only_leg() {
    for initiator in [raw(), negotiate()] {
        let mut client = ClientLogin::new(initiator).as_they_are();
        let mut service = Login::default();
        let leg = client.start().unwrap();
        assert_eq!(leg.carries, Carries::Message);
        assert!(matches!(request(&mut service, &leg, accept), Turn::Proceed { fresh: true }));
        let proof = headers_of(service.established().unwrap().last_token.take());
        assert_eq!(client.handle_response(StatusCode::OK, &proof), Ok(None));
    }
}

#[test]
fn a_refusal_is_told_in_the_services_words() {
    for initiator in [raw(), negotiate()] {
        let (mut client, mut service) = (ClientLogin::new(initiator), Login::default());
        let leg = client.start().unwrap();
        let turn = request(&mut service, &leg, refuse);
        let Turn::Refuse { status, offered, reason } = turn else { panic!("{turn:?}") };
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(matches!(reason, Refused::Auth(Error::Refused(_))), "{reason:?}");
        let told = client.handle_response(status, &headers_of(offered)).unwrap_err();
        let shown = told.to_string();
        assert!(shown.contains("1767268800 seconds ahead"), "{shown}");
        assert_eq!(client.handle_response(StatusCode::OK, &HeaderMap::new()), Err(told));
        // And the service is where it was before.
        let turn = service.handle_request(&HeaderMap::new(), true, &Offer);
        assert!(matches!(turn, Turn::Challenge(_)));
    }
}

#[test]
fn a_service_that_does_not_prove_itself_is_refused() {
    let not_mutual = LoginError::Auth(Error::PeerMisbehaved(PeerMisbehaved::NotMutual));
    let forged =
        |scheme: &str| headers_of([HeaderValue::from_str(&format!("{scheme} YWJj")).unwrap()]);
    for status in [StatusCode::OK, StatusCode::CONTINUE, StatusCode::FOUND] {
        for (initiator, headers) in [
            (raw(), HeaderMap::new()),
            (raw(), forged("Kerberos")),
            // The token of another scheme is none of this login's.
            (raw(), forged("Negotiate")),
            (negotiate(), HeaderMap::new()),
        ] {
            let mut client = ClientLogin::new(initiator).as_they_are();
            client.start().unwrap();
            assert_eq!(client.handle_response(status, &headers), Err(not_mutual.clone()));
            assert!(!client.is_complete() && client.sealer().is_none());
        }
    }
}

#[test]
fn a_refusal_with_the_proof_is_a_refusal_all_the_same() {
    let mut client = ClientLogin::new(raw());
    client.start().unwrap();
    let token =
        session::http::authorization::Credentials { scheme: Scheme::Kerberos, token: ap_rep() };
    let headers = headers_of([token.to_value()]);
    let answer = client.handle_response(StatusCode::UNAUTHORIZED, &headers);
    assert_eq!(answer, Err(LoginError::Refused));
    assert!(!client.is_complete());
    // Without any token.
    let mut client = ClientLogin::new(raw());
    client.start().unwrap();
    let headers = headers_of(Offer.offered());
    let answer = client.handle_response(StatusCode::UNAUTHORIZED, &headers);
    assert_eq!(answer, Err(LoginError::Refused));
}

#[test]
fn trouble_of_the_host_is_not_taken_for_a_missing_proof() {
    let mut client = ClientLogin::new(raw());
    client.start().unwrap();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let answer = client.handle_response(status, &HeaderMap::new());
    assert_eq!(answer, Err(LoginError::Status(status)));
}

/// The same ticket twice: what the second request has is a login of its own, which the owner of the keytab judges.
#[test]
fn a_further_token_starts_over_and_a_refused_one_ends_the_login() {
    let mut service = Login::default();
    let leg = ClientLogin::new(raw()).start().unwrap();
    assert!(matches!(request(&mut service, &leg, accept), Turn::Proceed { fresh: true }));
    assert!(matches!(request(&mut service, &leg, refuse), Turn::Refuse { .. }));
    assert!(service.established().is_none());
}
