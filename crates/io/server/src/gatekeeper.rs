//! Where logins are judged: the verifier's word, and before and after it the memory of failed ones.
//!
//! A login that must wait holds its own connection only, and of these there are `MaxConnections`.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::{Answer, Question};
use session::server::throttle::{Attempt, Rules, Start, Throttle, Verdict};
use tokio::time::sleep;
use tracing::error;

use crate::accounts::Verifier;

/// Judges logins.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    throttle: Mutex<Throttle>,
}

/// A verdict, and what the log is told besides.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) answer: Answer,
    /// Why the login was slowed or refused, whatever the password.
    pub(crate) note: Option<String>,
    /// Set where a lockout begins with this login.
    pub(crate) lockout: Option<Duration>,
}

impl Gatekeeper {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { throttle: Mutex::new(Throttle::new(rules)) }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a question of a login from `address`. A wait that is cut short, since the client
    /// has gone, is no failure.
    pub(crate) async fn judge(
        &self,
        verifier: &Verifier,
        question: Question,
        address: IpAddr,
    ) -> Judged {
        let Some(name) = verifier.name_of(&question) else {
            let answer = ask(verifier, question).await.unwrap_or(Answer::Refused);
            return Judged { answer, note: None, lockout: None };
        };
        let attempt = Attempt::new(&name, address);
        let start = self.throttle().begin(attempt, Instant::now());
        let waited = match start {
            Start::Now => None,
            Start::After(wait) => {
                sleep(wait).await;
                Some(wait)
            }
            Start::Never => {
                let note = "too many logins wait after failed ones".to_owned();
                return Judged { answer: Answer::Refused, note: Some(note), lockout: None };
            }
        };
        // During a lockout too: the answer takes the same time.
        let Some(answer) = ask(verifier, question).await else {
            return Judged { answer: Answer::Refused, note: None, lockout: None };
        };
        let right = matches!(answer, Answer::Accepted { .. });
        let slowed = waited.map(|wait| format!("slowed by {wait:.1?} after failed logins"));
        match self.throttle().finish(attempt, right, Instant::now()) {
            Verdict::Accepted => Judged { answer, note: None, lockout: None },
            Verdict::Failed => Judged { answer: Answer::Refused, note: slowed, lockout: None },
            Verdict::FailedAndLocked(time) => {
                Judged { answer: Answer::Refused, note: slowed, lockout: Some(time) }
            }
            Verdict::LockedOut(left) => {
                let note = format!("locked out after failed logins, for {} s yet", left.as_secs());
                Judged { answer: Answer::Refused, note: Some(note), lockout: None }
            }
        }
    }
}

/// The verifier's word; `None` where it has none, which is no failure of the client's.
async fn ask(verifier: &Verifier, question: Question) -> Option<Answer> {
    verifier
        .answer(question)
        .await
        .inspect_err(|error| error!(%error, "no verdict over a login"))
        .ok()
}
