//! Digest (RFC 7616, RFC 2617), the client's side: the password stays here, but messages are neither sealed nor bound
//! to anything.
//!
//! ```text
//!  Start ──challenge──► Ready ──authorize──► Tried ──accepted──► Standing ──authorize──► Tried …
//!                         ▲                    │
//!                         └─ stale, once ──────┤
//!                                              └─ anything else ──► refused
//! ```
//!
//! Windows's service does not offer it; what does stands in front of one. Algorithms are MD5 and SHA-256, each also
//! with a session key (`-sess`); the quality of protection is `auth`, or none as in RFC 2069. Bodies are not protected
//! (`auth-int`): whoever wants that takes TLS.

mod challenge;
mod response;

use sha2::{Digest as _, Sha256};

pub use challenge::{Algorithm, Challenge};

use crate::{ApiMisuse, Entropy, Error, SealError, Secret};
use response::Hashed;

/// A login by user name and password, which proves each request anew.
#[derive(Debug)]
pub struct Initiator {
    user: String,
    password: Secret,
    /// What the client's nonces are made of.
    seed: Secret,
    state: State,
    /// How many challenges were taken up.
    taken: u64,
}

#[derive(Debug)]
enum State {
    Start,
    /// With a challenge; whether its nonce is the second for the same request, and whether it was tried.
    Challenged {
        session: Session,
        is_second: bool,
        is_tried: bool,
    },
}

/// What requests are proved with until the service wants another nonce.
#[derive(Debug)]
struct Session {
    challenge: Challenge,
    hashed: Hashed,
    client_nonce: String,
    count: u32,
}

impl Initiator {
    /// A login as `user`, which may carry a domain (`DOM\user`).
    ///
    /// # Errors
    /// When the user name is empty or contains a colon, which would end it too early, or when either text contains a
    /// control character.
    pub fn new(
        user: &str,
        password: &Secret,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, ApiMisuse> {
        if user.is_empty() {
            return Err(ApiMisuse::UserNameEmpty);
        }
        if user.contains(':') {
            return Err(ApiMisuse::UserNameHasColon);
        }
        if user.chars().chain(password.expose().chars()).any(char::is_control) {
            return Err(ApiMisuse::ControlCharacter);
        }
        let mut seed = [0; 16];
        entropy.fill(&mut seed);
        Ok(Self {
            user: user.to_owned(),
            password: password.clone(),
            seed: Secret::new(response::hex(&seed)),
            state: State::Start,
            taken: 0,
        })
    }

    /// Takes up the best of the challenges of an answer: SHA-256 before MD5. False means that the service refuses the
    /// login: its nonce was not stale, or this request had its second one already.
    pub fn challenge(&mut self, offered: Vec<Challenge>) -> bool {
        let is_second = match &self.state {
            State::Start => false,
            State::Challenged { is_second: false, is_tried: true, .. } => {
                if !offered.iter().any(Challenge::is_stale) {
                    return false;
                }
                true
            }
            State::Challenged { .. } => return false,
        };
        let Some(challenge) = offered.into_iter().max_by_key(|offered| offered.algorithm()) else {
            return false;
        };
        self.taken = self.taken.wrapping_add(1);
        let drawn = Sha256::new()
            .chain_update(self.seed.expose())
            .chain_update(self.taken.to_be_bytes())
            .finalize();
        let client_nonce: String = response::hex(&drawn).chars().take(32).collect();
        let hashed = Hashed::new(&challenge, &self.user, &self.password, &client_nonce);
        let session = Session { challenge, hashed, client_nonce, count: 0 };
        self.state = State::Challenged { session, is_second, is_tried: false };
        true
    }

    /// The parameters of the header `Authorization` for a request of this method and target, the latter as the request
    /// line has it. They are bytes: names may be written in any charset.
    ///
    /// # Errors
    /// [`ApiMisuse::TokenDue`] before a challenge; [`SealError::Exhausted`] after 2^32 requests with one nonce.
    pub fn authorize(&mut self, method: &str, uri: &str) -> Result<Vec<u8>, Error> {
        let State::Challenged { session, is_tried, .. } = &mut self.state else {
            return Err(ApiMisuse::TokenDue.into());
        };
        session.count = session.count.checked_add(1).ok_or(SealError::Exhausted)?;
        *is_tried = true;
        Ok(response::parameters(session, &self.user, method, uri))
    }

    /// The service took the last request; its header `Authentication-Info` may name the next nonce.
    pub fn accepted(&mut self, info: Option<&[u8]>) {
        let State::Challenged { session, is_second, .. } = &mut self.state else { return };
        *is_second = false;
        if let Some(nonce) = info.and_then(challenge::next_nonce) {
            session.challenge.set_nonce(nonce);
            session.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn parsed(parameters: &str) -> Challenge {
        Challenge::parse(parameters.as_bytes()).unwrap()
    }

    /// A login that has the challenge, with the client's nonce of a vector.
    fn with_nonce(user: &str, password: &str, parameters: &str, client_nonce: &str) -> Initiator {
        let secret = Secret::from(password);
        let mut login = Initiator::new(user, &secret, &mut Fixed).unwrap();
        assert!(login.challenge(vec![parsed(parameters)]));
        if let State::Challenged { session, .. } = &mut login.state {
            session.hashed = Hashed::new(&session.challenge, user, &secret, client_nonce);
            client_nonce.clone_into(&mut session.client_nonce);
        }
        login
    }

    #[test]
    fn examples_of_rfc_7616_have_their_responses() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let opaque = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = format!(
                "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"{nonce}\", opaque=\"{opaque}\""
            );
            let mut login = with_nonce("Mufasa", "Circle of Life", &challenge, client_nonce);
            let found = text(login.authorize("GET", "/dir/index.html").unwrap());
            assert_eq!(
                found,
                format!(
                    "username=\"Mufasa\", realm=\"http-auth@example.org\", nonce=\"{nonce}\", uri=\"/dir/index.html\", \
                     response=\"{response}\", algorithm={algorithm}, opaque=\"{opaque}\", qop=auth, nc=00000001, cnonce=\"{client_nonce}\""
                )
            );
        }
    }

    #[test]
    fn example_of_rfc_2617_has_its_response_with_and_without_protection() {
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let challenge =
            format!("realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"{nonce}\"");
        let mut login = with_nonce("Mufasa", "Circle Of Life", &challenge, "0a4f113b");
        let found = text(login.authorize("GET", "/dir/index.html").unwrap());
        assert!(found.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{found}");
        assert!(!found.contains("algorithm"), "{found}");
        // RFC 2069's answer to the same challenge, by hand: MD5(HA1:nonce:HA2).
        let challenge = format!("realm=\"testrealm@host.com\", nonce=\"{nonce}\"");
        let mut login = with_nonce("Mufasa", "Circle Of Life", &challenge, "0a4f113b");
        let found = text(login.authorize("GET", "/dir/index.html").unwrap());
        assert!(found.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{found}");
        assert!(!found.contains("qop") && !found.contains("nonce=\"0a4f"), "{found}");
    }

    #[test]
    fn hashed_user_name_of_rfc_7616_is_sent_instead_of_the_name() {
        // RFC 7616 3.9.2, but for the algorithm SHA-512-256, which nobody has.
        let challenge = "realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-256, nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
                         charset=UTF-8, userhash=true";
        let mut login = with_nonce(
            "Jäsøn Doe",
            "Secret, or not?",
            challenge,
            "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
        );
        let found = text(login.authorize("GET", "/doe.json").unwrap());
        let hash = Sha256::digest("Jäsøn Doe:api@example.org");
        assert!(found.starts_with(&format!("username=\"{}\", ", response::hex(&hash))), "{found}");
        assert!(found.ends_with("userhash=true"), "{found}");
    }

    #[test]
    fn each_request_counts_on_and_a_next_nonce_counts_anew() {
        let mut login = with_nonce("u", "p", "realm=r, nonce=n, qop=auth", "c");
        for count in 1..=3 {
            let found = text(login.authorize("POST", "/wsman").unwrap());
            assert!(found.contains(&format!("nc=0000000{count}")), "{found}");
            login.accepted(None);
        }
        login.accepted(Some(b"rspauth=\"00\", nextnonce=\"n,2\""));
        let found = text(login.authorize("POST", "/wsman").unwrap());
        assert!(found.contains("nonce=\"n,2\"") && found.contains("nc=00000001"), "{found}");
    }

    #[test]
    fn stale_nonce_gets_one_new_try_and_anything_else_none() {
        let fresh = || vec![parsed("realm=r, nonce=n")];
        let stale = || vec![parsed("realm=r, nonce=n2, stale=TRUE")];
        let mut login = Initiator::new("u", &Secret::from("p"), &mut Fixed).unwrap();
        assert!(login.authorize("POST", "/").is_err());
        assert!(login.challenge(stale()), "what the first one says of age means nothing");
        assert!(!login.challenge(stale()), "nothing was tried yet");
        login.authorize("POST", "/").unwrap();
        assert!(!login.challenge(fresh()), "the password is wrong");
        assert!(login.challenge(stale()));
        login.authorize("POST", "/").unwrap();
        assert!(!login.challenge(stale()), "never more than once");
        login.accepted(None);
        login.authorize("POST", "/").unwrap();
        assert!(login.challenge(stale()), "but for each request");
        assert!(!login.challenge(Vec::new()));
    }

    #[test]
    fn strongest_algorithm_is_taken() {
        let mut login = Initiator::new("u", &Secret::from("p"), &mut Fixed).unwrap();
        let offered = ["MD5", "SHA-256", "MD5-sess"]
            .map(|name| parsed(&format!("realm=r, nonce=n, qop=auth, algorithm={name}")));
        assert!(login.challenge(offered.into()));
        let found = text(login.authorize("POST", "/").unwrap());
        assert!(found.contains("algorithm=SHA-256,"), "{found}");
    }

    #[test]
    fn client_nonces_differ_between_challenges() {
        let mut login = Initiator::new("u", &Secret::from("p"), &mut Fixed).unwrap();
        assert!(login.challenge(vec![parsed("realm=r, nonce=n, qop=auth")]));
        let first = text(login.authorize("POST", "/").unwrap());
        assert!(login.challenge(vec![parsed("realm=r, nonce=n, qop=auth, stale=true")]));
        assert_ne!(first, text(login.authorize("POST", "/").unwrap()));
    }

    #[test]
    fn users_that_cannot_be_sent_are_refused() {
        let new = |user, password: &str| {
            Initiator::new(user, &Secret::from(password), &mut Fixed).unwrap_err()
        };
        assert_eq!(new("", "p"), ApiMisuse::UserNameEmpty);
        assert_eq!(new("a:b", "p"), ApiMisuse::UserNameHasColon);
        assert_eq!(new("a", "p\n"), ApiMisuse::ControlCharacter);
    }
}
