//! Tokens cut short at each byte and changed in each bit: never a panic, never a login.

use auth::{
    AcceptStep, Error, Refusal,
    ntlm::{Authenticate, AvPairs, Challenge, MicPolicy, Negotiate},
    spnego::{NegTokenInit, NegTokenResp},
};
use proptest::prelude::*;

use crate::support::{Outcome, Setup};

fn lengths(setup: &Setup) -> Vec<usize> {
    let mut lengths = Vec::new();
    setup.run_over(&mut |_, token| lengths.push(token.len())).unwrap();
    lengths
}

/// A login whose token of this leg is changed.
fn with_leg(setup: &Setup, leg: usize, change: &dyn Fn(&mut Vec<u8>)) -> Outcome {
    setup.run_over(&mut |at, token| {
        if at == leg {
            change(token);
        }
    })
}

#[test]
fn tokens_cut_short_anywhere_are_refused() {
    for spnego in [false, true] {
        let setup = Setup { spnego, ..Setup::default() };
        for (leg, length) in lengths(&setup).into_iter().enumerate() {
            for cut in 0..length {
                let outcome = with_leg(&setup, leg, &|token| token.truncate(cut));
                assert!(
                    !matches!(outcome, Outcome::In { .. }),
                    "leg {leg} cut at {cut}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn negotiate_message_cut_short_is_malformed() {
    let setup = Setup::default();
    for cut in 8..40 {
        let outcome = with_leg(&setup, 0, &|token| token.truncate(cut));
        assert!(
            matches!(outcome, Outcome::ServiceRefused(Error::Refused(Refusal::Malformed(_)))),
            "{cut}: {outcome:?}"
        );
    }
}

#[test]
fn every_changed_bit_of_an_ntlm_login_is_noticed() {
    for mic_policy in [MicPolicy::WhenPromised, MicPolicy::Required] {
        let setup = Setup { mic_policy, ..Setup::default() };
        for (leg, length) in lengths(&setup).into_iter().enumerate() {
            for bit in 0..length * 8 {
                let outcome = with_leg(&setup, leg, &|token| token[bit / 8] ^= 1 << (bit % 8));
                assert!(!matches!(outcome, Outcome::In { .. }), "leg {leg} bit {bit}: {outcome:?}");
            }
        }
    }
}

#[test]
fn changed_bits_of_a_negotiation_change_no_account_and_no_key() {
    let setup = Setup { spnego: true, ..Setup::default() };
    for (leg, length) in lengths(&setup).into_iter().enumerate() {
        for bit in 0..length * 8 {
            let outcome = with_leg(&setup, leg, &|token| token[bit / 8] ^= 1 << (bit % 8));
            // `negState` is protected by nothing; everything else is.
            if let Outcome::In { client, login, .. } = outcome {
                let (mut client, mut service) = (client.unwrap(), login.sealer.unwrap());
                let mut data = b"data".to_vec();
                let sealed = client.seal(&mut data).unwrap();
                assert_eq!(
                    service.unseal(&sealed.header, &mut data),
                    Ok(()),
                    "leg {leg} bit {bit}"
                );
                assert_eq!(login.account.name, "alice");
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_make_no_decoder_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        prefix in 0_usize..6,
    ) {
        let prefixes: [&[u8]; 6] =
            [b"", b"NTLMSSP\0\x01\0\0\0", b"NTLMSSP\0\x02\0\0\0", b"NTLMSSP\0\x03\0\0\0", b"\x60\x40", b"\xA1\x40\x30\x3E"];
        let token = [prefixes[prefix], &bytes].concat();
        if let Ok(message) = Negotiate::decode(&token) {
            prop_assert_eq!(Negotiate::decode(&message.encode()), Ok(message));
        }
        if let Ok(message) = Challenge::decode(&token) {
            prop_assert!(message.encode().is_ok());
        }
        if let Ok(message) = Authenticate::decode(&token) {
            prop_assert!(message.encode().is_ok());
        }
        if let Ok((pairs, _)) = AvPairs::decode(&token) {
            prop_assert_eq!(AvPairs::decode(&pairs.encode().unwrap()).map(|(pairs, _)| pairs), Ok(pairs));
        }
        if let Ok(message) = NegTokenInit::decode(&token) {
            prop_assert_eq!(NegTokenInit::decode(&message.encode()), Ok(message));
        }
        if let Ok(message) = NegTokenResp::decode(&token) {
            prop_assert_eq!(NegTokenResp::decode(&message.encode()), Ok(message));
        }
        let setup = Setup::default();
        let step = setup.verifier.token(&mut setup.acceptor(), &token);
        let done = matches!(step, Ok(AcceptStep::Done { .. }));
        prop_assert!(!done);
    }
}
