//! A login by the certificate that the client showed in TLS ([MS-WSMV] 2.2.9.1, DSP0226 13.1), the client's half: nothing
//! but the scheme, with each request. What proves it is the connection.

use crate::{Error, Scheme, Sealer, Step};

/// The client's half: one empty token, no answer.
#[derive(Debug, Default)]
pub struct Initiator {
    is_sent: bool,
}

impl Initiator {
    /// A login that has not begun, for a connection whose TLS has a certificate to show.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Certificate
    }

    fn step(&mut self, _token: Option<&[u8]>) -> Result<Step, Error> {
        if std::mem::replace(&mut self.is_sent, true) {
            return Ok(Step::Done);
        }
        Ok(Step::Last(Vec::new()))
    }

    fn can_seal(&self) -> bool {
        false
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        None
    }

    fn mechanism(&self) -> &'static str {
        "Certificate"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Initiator as _;

    #[test]
    fn says_nothing_but_its_name() {
        let mut login = Initiator::new();
        assert_eq!((login.scheme(), login.mechanism()), (Scheme::Certificate, "Certificate"));
        assert_eq!(login.step(None), Ok(Step::Last(Vec::new())));
        assert_eq!(login.step(None), Ok(Step::Done));
        assert!(!login.can_seal() && login.sealer().is_none());
    }
}
