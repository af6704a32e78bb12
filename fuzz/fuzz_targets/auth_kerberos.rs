//! Kerberos's tokens, KRB-ERROR and sealed messages of anybody: no decoder panics, nobody comes in, nobody is believed,
//! and nothing opens that the key has not made.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;
#[path = "../support/ticketed.rs"]
mod ticketed;

use auth::kerberos::{
    self, AcceptorOptions, Context, EncryptionType, KerberosSealer, KrbError, Role,
};
use auth::ntlm::Protection;
use auth::spnego::{self, AcceptorMechanism, InitiatorMechanism};
use auth::{AcceptStep, Acceptor, CbtPolicy, FileTime, Initiator, Sealer as _};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(error) = KrbError::decode(bytes) {
        let shown = error.into_error(FileTime::UNIX_EPOCH).to_string();
        assert!(shown.len() < 16_000 && !shown.chars().any(char::is_control), "{shown:?}");
    }
    // One token as the first and as the next one; and two, cut at a length in front.
    let half = bytes.first().map_or(0, |length| usize::from(*length).min(bytes.len() - 1));
    let (one, other) = bytes.get(1..).unwrap_or_default().split_at(half);
    for tokens in [[bytes, bytes], [one, other]] {
        accept(&mut acceptor(), tokens);
        let mechanisms: Vec<Box<dyn AcceptorMechanism>> =
            vec![Box::new(acceptor()), Box::new(login::acceptor())];
        accept(&mut spnego::Acceptor::new(mechanisms).expect("mechanisms"), tokens);
        believe(&mut ticketed::Ticketed::default(), tokens);
        let mechanisms: Vec<Box<dyn InitiatorMechanism>> =
            vec![Box::<ticketed::Ticketed>::default(), Box::new(login::initiator())];
        believe(&mut spnego::Initiator::new(mechanisms).expect("mechanisms"), tokens);
    }
    for number in [17, 18, 19, 20, 23] {
        open(EncryptionType::from_number(number).expect("a known type"), one, other);
    }
}

fn acceptor() -> kerberos::Acceptor {
    let options = AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: None,
        cbt_policy: CbtPolicy::Relaxed,
    };
    kerberos::Acceptor::new(options, &mut login::Zeros)
}

fn accept(acceptor: &mut dyn Acceptor, tokens: [&[u8]; 2]) {
    let mut refused = false;
    for token in tokens {
        let step = login::step(acceptor, token);
        assert!(!refused || step.is_err(), "goes on after an error");
        refused = !matches!(step, Ok(AcceptStep::Reply(_)));
    }
}

fn believe(initiator: &mut dyn Initiator, tokens: [&[u8]; 2]) {
    initiator.step(None).expect("a first token");
    let mut refused = false;
    for token in tokens {
        let step = initiator.step(Some(token));
        assert!(!refused || step.is_err(), "goes on after an error");
        assert!(!matches!(step, Ok(auth::Step::Done)), "believes anybody");
        assert!(!initiator.can_seal() || step.is_ok(), "seals after an error");
        refused = step.is_err();
    }
}

fn open(encryption_type: EncryptionType, header: &[u8], data: &[u8]) {
    let sealer = |role| {
        let context = Context {
            role,
            encryption_type,
            key: vec![9; encryption_type.key_length()].into(),
            acceptor_subkey: true,
            sending_sequence: 5,
            receiving_sequence: 5,
        };
        KerberosSealer::new(context, true, &mut login::Zeros)
    };
    let (mut client, mut service) = (sealer(Role::Initiator), sealer(Role::Acceptor));
    let mut plain = data.to_vec();
    let sealed = client.seal(&mut plain).expect("a whole context");
    service.unseal(&sealed.header, &mut plain).expect("an untouched message");
    assert_eq!(plain, data);
    // Nobody else has the key.
    let mut forged = data.to_vec();
    assert!(service.unseal(header, &mut forged).is_err() && forged.is_empty());
    assert!(sealer(Role::Acceptor).check_mech_list_mic(data, header).is_err());
}
