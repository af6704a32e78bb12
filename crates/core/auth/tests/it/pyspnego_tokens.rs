//! Tokens recorded by pyspnego, read from the corpora.

use auth::{
    ntlm::{Authenticate, AvPairs, Challenge, Flags, Negotiate},
    spnego::{NegState, NegTokenInit, NegTokenResp, Oid},
};

use crate::support::corpus;

#[test]
fn ntlm_messages_decode() {
    let test = "ntlm_messages_decode";
    let Some(bytes) = corpus(test, "pyspnego/ntlm_negotiate") else { return };
    let negotiate = Negotiate::decode(&bytes).unwrap();
    assert!(negotiate.flags.contains(Flags::UNICODE | Flags::SEAL | Flags::KEY_128));
    assert_eq!(negotiate.encode(), bytes);

    let bytes = corpus(test, "pyspnego/ntlm_challenge").unwrap();
    let challenge = Challenge::decode(&bytes).unwrap();
    assert_eq!(challenge.target_name, "DOMAIN");
    let (pairs, _) = AvPairs::decode(&challenge.target_info).unwrap();
    assert!(pairs.timestamp().unwrap().is_some());
    assert_eq!(challenge.encode().unwrap(), bytes);

    let authenticate =
        Authenticate::decode(&corpus(test, "pyspnego/ntlm_authenticate").unwrap()).unwrap();
    assert_eq!(authenticate.user, "vagrant-domain@DOMAIN.LOCAL");
    assert_eq!((authenticate.workstation.as_str(), authenticate.mic), ("JBOREAN-LINUX", None));
    assert_eq!(authenticate.encrypted_session_key.len(), 16);

    let plain =
        Authenticate::decode(&corpus(test, "pyspnego/ntlm_authenticate_no_sign_seal").unwrap())
            .unwrap();
    assert!(!plain.flags.contains(Flags::SEAL));
    assert!(plain.mic.is_some());
}

#[test]
fn negotiation_tokens_decode_and_encode_to_the_same_bytes() {
    let test = "negotiation_tokens_decode";
    let Some(bytes) = corpus(test, "pyspnego/initial_context_token_neg_token_init") else { return };
    let init = NegTokenInit::decode(&bytes).unwrap();
    assert_eq!(init.mech_types, [Oid::KERBEROS, Oid::NTLMSSP]);
    assert!(init.mech_token.as_ref().is_some_and(|token| token.starts_with(&[0x60])));
    assert_eq!(init.encode(), bytes);

    let bytes = corpus(test, "pyspnego/initial_context_token_neg_token_init2").unwrap();
    let hint = NegTokenInit::decode(&bytes).unwrap();
    assert_eq!(hint.mech_types.first(), Some(&Oid::NEGOEX));
    assert_eq!(hint.mech_types.len(), 5);
    assert_eq!(hint.hint_name.as_deref(), Some(&b"not_defined_in_RFC4178@please_ignore"[..]));
    assert_eq!(hint.encode(), bytes);

    let bytes = corpus(test, "pyspnego/neg_token_resp").unwrap();
    let resp = NegTokenResp::decode(&bytes).unwrap();
    assert_eq!(resp.neg_state, Some(NegState::AcceptCompleted));
    assert_eq!(resp.supported_mech, Some(Oid::KERBEROS));
    assert_eq!(resp.encode(), bytes);
}
