//! Channel bindings between our halves and those of pyspnego and gss-ntlmssp: equal, unequal and absent ones, at each
//! level of `CbtHardeningLevel`.

use auth::{AcceptStep, CbtPolicy, ChannelBinding, Error, Refusal, Step};

use crate::peer_pyspnego::{Half, PASSWORD, Peer, now, protocol, verify};
use crate::support::Setup;

const OURS: [u8; 32] = [0x42; 32];
const OTHER: [u8; 32] = [0x17; 32];
const HALVES: [Half; 2] = [Half::Pyspnego, Half::GssNtlmssp];

/// The hash of a certificate that a login is bound to, if it is.
type Bound = Option<[u8; 32]>;

/// What the client binds its login to, and what comes of it at the levels None, Relaxed and Strict.
const CASES: [(Bound, [Result<(), Refusal>; 3]); 3] = [
    (Some(OURS), [Ok(()), Ok(()), Ok(())]),
    (Some(OTHER), [Ok(()), Err(Refusal::ChannelBindingWrong), Err(Refusal::ChannelBindingWrong)]),
    (None, [Ok(()), Ok(()), Err(Refusal::ChannelBindingMissing)]),
];
const LEVELS: [CbtPolicy; 3] = [CbtPolicy::None, CbtPolicy::Relaxed, CbtPolicy::Strict];

fn setup(spnego: bool) -> Setup {
    let mut setup = Setup { user: r"DOM\alice", password: PASSWORD, spnego, ..Setup::default() };
    setup.verifier.now = now();
    setup
}

/// A login of a peer to our acceptor; both talk sealed when it is in.
fn log_in(half: Half, setup: &Setup, sent: Bound) -> Result<(), Error> {
    let protocol = protocol(setup.spnego);
    let mut peer = Peer::start_as(half, "bound_client", "client", protocol, setup.user, sent);
    let mut acceptor = setup.acceptor();
    let (_, token) = peer.step(None).unwrap();
    let AcceptStep::Reply(token) = verify(setup, &mut acceptor, &token)? else { panic!() };
    let (_, token) = peer.step(Some(&token)).unwrap();
    let AcceptStep::Done { token, login } = verify(setup, &mut acceptor, &token)? else { panic!() };
    if let Some(token) = token {
        assert!(peer.step(Some(&token)).unwrap().0);
    }
    peer.talk(login.sealer.unwrap().as_mut());
    Ok(())
}

#[test]
fn logins_of_others_are_judged_by_their_bindings_and_the_level() {
    for half in HALVES {
        for spnego in [false, true] {
            for (sent, outcomes) in CASES {
                for (level, outcome) in LEVELS.into_iter().zip(outcomes) {
                    let mut setup = setup(spnego);
                    setup.cbt_policy = level;
                    setup.service_binding = Some(ChannelBinding::from_tls_server_end_point(&OURS));
                    let found = log_in(half, &setup, sent);
                    let expected = outcome.map_err(Error::Refused);
                    assert_eq!(found, expected, "{half:?} {spnego} {level:?} {sent:?}");
                }
            }
        }
    }
}

/// Whether our login, bound so, is taken by a peer whose connection has this binding.
fn is_taken(half: Half, spnego: bool, sent: Bound, own: Bound) -> bool {
    let mut setup = setup(spnego);
    setup.client_binding = sent.map(|hash| ChannelBinding::from_tls_server_end_point(&hash));
    let mut peer =
        Peer::start_as(half, "bound_server", "server", protocol(spnego), setup.user, own);
    let mut client = setup.initiator();
    let Ok(Step::Send(token)) = client.step(None) else { panic!() };
    let (_, token) = peer.step(Some(&token)).unwrap();
    let Ok(Step::Last(token)) = client.step(Some(&token)) else { panic!() };
    let Ok((is_done, token)) = peer.step(Some(&token)) else { return false };
    assert!(is_done);
    assert_eq!(client.step((!token.is_empty()).then_some(&token)), Ok(Step::Done));
    peer.talk(client.sealer().unwrap().as_mut());
    true
}

#[test]
fn our_logins_carry_bindings_that_others_know() {
    for half in HALVES {
        for spnego in [false, true] {
            for (sent, own, taken) in [
                (Some(OURS), Some(OURS), true),
                (Some(OTHER), Some(OURS), false),
                (Some(OURS), None, true),
                (None, None, true),
                // Both are relaxed.
                (None, Some(OURS), true),
            ] {
                let found = is_taken(half, spnego, sent, own);
                assert_eq!(found, taken, "{half:?} {spnego} {sent:?} {own:?}");
            }
        }
    }
}
