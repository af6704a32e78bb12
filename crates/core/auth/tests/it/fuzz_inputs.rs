//! Replays the inputs that the fuzz targets `auth_ntlm` and `auth_spnego` start from or once failed on.

use auth::{
    AcceptStep,
    ntlm::{Authenticate, AvPairs, Challenge, Negotiate},
    spnego::{NegTokenInit, NegTokenResp},
};

use crate::support::Setup;

#[test]
fn saved_inputs_are_taken_without_panic_and_let_nobody_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let mut seen = 0;
    for target in ["auth_ntlm", "auth_spnego"] {
        for entry in std::fs::read_dir(folder.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            seen += 1;
            drop((
                Negotiate::decode(&bytes),
                Challenge::decode(&bytes),
                Authenticate::decode(&bytes),
            ));
            drop((
                AvPairs::decode(&bytes),
                NegTokenInit::decode(&bytes),
                NegTokenResp::decode(&bytes),
            ));
            let setup = Setup::default();
            let mut acceptor = setup.acceptor();
            for _ in 0..2 {
                let step = setup.verifier.token(&mut acceptor, &bytes);
                assert!(!matches!(step, Ok(AcceptStep::Done { .. })), "{}", path.display());
            }
            for spnego in [false, true] {
                let mut client = Setup { spnego, ..Setup::default() }.initiator();
                client.step(None).unwrap();
                drop(client.step(Some(&bytes)));
            }
        }
    }
    assert!(seen >= 10, "only {seen} saved inputs");
}
