//! A verifier, fixed randomness, and a wire between two halves on which a test can change tokens.

use std::path::PathBuf;

use auth::{
    AcceptStep, Acceptor, Account, Answer, CbtPolicy, ChannelBinding, Entropy, Error, FileTime,
    Initiator, Input, KerberosRefusal, Login, Question, Sealer, Secret, Step, UserName,
    ntlm::{
        self, AcceptorOptions, Credential, InitiatorOptions, MicPolicy, NtHash, Protection,
        TargetNames,
    },
    spnego,
};

use crate::kerberos_support;

pub(crate) const NOW: FileTime = FileTime(133_000_000_000_000_000);
pub(crate) const PASSWORD: &str = "Pässwörd: 1";

/// The same byte, over and over.
pub(crate) struct Fixed(pub(crate) u8);

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Owner of the accounts `alice` and `Jörg`, both with [`PASSWORD`].
pub(crate) struct Verifier {
    pub(crate) server_challenge: [u8; 8],
    pub(crate) now: FileTime,
    pub(crate) names: TargetNames,
}

impl Default for Verifier {
    fn default() -> Self {
        let names = TargetNames::standalone("TESTHOST", "testhost.example");
        Self { server_challenge: [1, 2, 3, 4, 5, 6, 7, 8], now: NOW, names }
    }
}

impl Verifier {
    fn account(name: &str) -> Option<Account> {
        let bare = name.split('@').next().unwrap_or(name);
        ["alice", "Jörg", "User"]
            .into_iter()
            .find(|known| known.to_lowercase() == bare.to_lowercase())
            .map(|known| Account {
                id: [7; 16],
                name: known.to_owned(),
                groups: vec!["operators".to_owned()],
            })
    }

    fn hash(name: &str) -> NtHash {
        ntlm::nt_hash(&Secret::from(if name == "User" { "Password" } else { PASSWORD }))
    }

    pub(crate) fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Challenge => Answer::Challenge {
                server_challenge: self.server_challenge,
                names: self.names.clone(),
                now: self.now,
            },
            Question::Ntlm(attempt) => match Self::account(&attempt.user) {
                Some(account) => match ntlm::verify(&Self::hash(&account.name), &attempt) {
                    Some(key) => Answer::Accepted { account, session_key: Some(key) },
                    None => Answer::Refused,
                },
                None => {
                    ntlm::verify_unknown(&attempt);
                    Answer::Refused
                }
            },
            Question::Password { user, password } => {
                match Self::account(&UserName::parse(&user).user) {
                    Some(account) if ntlm::nt_hash(&password) == Self::hash(&account.name) => {
                        Answer::Accepted { account, session_key: None }
                    }
                    _ => Answer::Refused,
                }
            }
            Question::Kerberos(attempt) if attempt.token == kerberos_support::ap_req() => {
                Answer::Kerberos(Box::new(kerberos_support::accepted()))
            }
            Question::Kerberos(_) => Answer::KerberosRefused {
                refusal: KerberosRefusal::Replayed.into(),
                token: Some(hex(kerberos_support::REPEAT)),
            },
            _ => panic!("unknown question"),
        }
    }

    /// Gives a token to the acceptor and answers its questions.
    pub(crate) fn token(
        &self,
        acceptor: &mut dyn Acceptor,
        token: &[u8],
    ) -> Result<AcceptStep, Error> {
        let mut step = acceptor.step(Input::Token(token))?;
        while let AcceptStep::Ask(question) = step {
            step = acceptor.step(Input::Answer(self.answer(question)))?;
        }
        Ok(step)
    }
}

/// How a login between two halves ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    In { client: Option<Box<dyn Sealer>>, login: Login, legs: usize },
    ClientRefused(Error),
    ServiceRefused(Error),
}

impl Outcome {
    pub(crate) fn unwrap(self) -> (Option<Box<dyn Sealer>>, Login) {
        match self {
            Self::In { client, login, .. } => (client, login),
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a login; `wire` may change each token on its way, counted from 0.
pub(crate) fn run(
    initiator: &mut dyn Initiator,
    acceptor: &mut dyn Acceptor,
    verifier: &Verifier,
    wire: &mut dyn FnMut(usize, &mut Vec<u8>),
) -> Outcome {
    let mut reply: Option<Vec<u8>> = None;
    let mut legs = 0;
    let mut done: Option<Login> = None;
    loop {
        let step = match initiator.step(reply.as_deref()) {
            Ok(step) => step,
            Err(error) => return Outcome::ClientRefused(error),
        };
        let (Step::Send(mut token) | Step::Last(mut token)) = step else {
            let login = done.expect("the client is done before the service");
            return Outcome::In { client: initiator.sealer(), login, legs };
        };
        wire(legs, &mut token);
        legs += 1;
        match verifier.token(acceptor, &token) {
            Ok(AcceptStep::Reply(token)) => reply = Some(token),
            Ok(AcceptStep::Done { token, login }) => {
                done = Some(login);
                reply = token;
            }
            Ok(AcceptStep::Refused { .. } | AcceptStep::Ask(_)) => unreachable!("not by NTLM"),
            Err(error) => return Outcome::ServiceRefused(error),
        }
        if let Some(token) = &mut reply {
            wire(legs, token);
            legs += 1;
        }
        assert!(legs < 20, "the login does not end");
    }
}

/// Both halves with their options; tests change what they need.
pub(crate) struct Setup {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    pub(crate) by_hash: bool,
    pub(crate) spnego: bool,
    pub(crate) client_binding: Option<ChannelBinding>,
    pub(crate) service_binding: Option<ChannelBinding>,
    pub(crate) cbt_policy: CbtPolicy,
    pub(crate) mic_policy: MicPolicy,
    pub(crate) protection: Protection,
    pub(crate) unsealed: bool,
    pub(crate) verifier: Verifier,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            user: "alice",
            password: PASSWORD,
            by_hash: false,
            spnego: false,
            client_binding: None,
            service_binding: None,
            cbt_policy: CbtPolicy::Relaxed,
            mic_policy: MicPolicy::WhenPromised,
            protection: Protection::Sealed,
            unsealed: false,
            verifier: Verifier::default(),
        }
    }
}

impl Setup {
    pub(crate) fn ntlm_initiator(&self) -> ntlm::Initiator {
        let user = UserName::parse(self.user);
        let password = Secret::from(self.password);
        let credential = if self.by_hash {
            Credential::from_hash(user, ntlm::nt_hash(&password))
        } else {
            Credential::from_password(user, &password)
        };
        let options = InitiatorOptions {
            target: Some("HTTP/testhost.example".to_owned()),
            channel_binding: self.client_binding,
            protection: self.protection,
            unsealed: self.unsealed,
            workstation: "CLIENT".to_owned(),
        };
        ntlm::Initiator::new(credential, options, &mut Fixed(0x55), NOW).unwrap()
    }

    pub(crate) fn initiator(&self) -> Box<dyn Initiator> {
        let ntlm = self.ntlm_initiator();
        if self.spnego {
            Box::new(spnego::Initiator::new(vec![Box::new(ntlm)]).unwrap())
        } else {
            Box::new(ntlm)
        }
    }

    pub(crate) fn ntlm_acceptor(&self) -> ntlm::Acceptor {
        ntlm::Acceptor::new(AcceptorOptions {
            protection: self.protection,
            channel_binding: self.service_binding,
            cbt_policy: self.cbt_policy,
            mic_policy: self.mic_policy,
        })
    }

    /// What the service uses for `Negotiate`: it takes raw NTLM too.
    pub(crate) fn acceptor(&self) -> spnego::Acceptor {
        spnego::Acceptor::new(vec![Box::new(self.ntlm_acceptor())]).unwrap()
    }

    pub(crate) fn run(&self) -> Outcome {
        self.run_over(&mut |_, _| {})
    }

    pub(crate) fn run_over(&self, wire: &mut dyn FnMut(usize, &mut Vec<u8>)) -> Outcome {
        run(self.initiator().as_mut(), &mut self.acceptor(), &self.verifier, wire)
    }
}

/// A file of the corpora; `None`, with a word about it, where they are absent.
pub(crate) fn corpus(test: &str, path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("TRANSOM_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpora"),
        PathBuf::from,
    );
    let bytes = std::fs::read(root.join(path)).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED {test}: corpora absent");
    }
    bytes
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
