//! The verdict over a Kerberos token: the Kerberos process's, then root's file of principals.

use auth::kerberos::{KerberosAccepted, KerberosAttempt};
use auth::{Answer, KerberosRefusal, Refusal};
use tracing::error;
use transport::kerberos::{Accepted, NotAccepted};

use super::KeyHolder;
use crate::accounts::Verifier;
use crate::principals::Judge;

/// A verdict, and what the log is told.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) answer: Answer,
    /// Whose ticket it is, where that is proven.
    pub(crate) principal: Option<String>,
    /// Why there is no login.
    pub(crate) note: Option<String>,
}

/// Judges a token. Nothing of it slows later logins down: a ticket cannot be guessed, and nobody shall lock an account by
/// sending wrong ones.
pub(crate) async fn judge(
    holder: &KeyHolder,
    principals: &Judge,
    verifier: &Verifier,
    attempt: KerberosAttempt,
) -> Judged {
    let refused = |refusal: KerberosRefusal, token, principal, note: String| {
        let answer = Answer::KerberosRefused { refusal: Refusal::Kerberos(refusal), token };
        Judged { answer, principal, note: Some(note) }
    };
    let accepted = match holder.accept(attempt).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(NotAccepted { refusal, text, token })) => {
            return refused(refusal, token, None, text);
        }
        Err(error) => {
            error!(%error, "no verdict over a login");
            return Judged {
                answer: Answer::Refused,
                principal: None,
                note: Some(error.to_string()),
            };
        }
    };
    let Accepted { principal, reply, context, confidential, channel_bound, delegated } = accepted;
    let account = match principals.judge(&principal, verifier).await {
        Ok(Ok(account)) => account,
        Ok(Err(reason)) => {
            let note = reason.to_string();
            return refused(KerberosRefusal::Unmapped, None, Some(principal), note);
        }
        Err(error) => {
            error!(%error, "no verdict over a login");
            let note = Some(error.to_string());
            return Judged { answer: Answer::Refused, principal: Some(principal), note };
        }
    };
    let told = Some(principal.clone());
    let answer = Answer::Kerberos(Box::new(KerberosAccepted {
        account,
        principal,
        reply,
        context,
        confidential,
        channel_bound,
        delegated,
    }));
    Judged { answer, principal: told, note: None }
}
