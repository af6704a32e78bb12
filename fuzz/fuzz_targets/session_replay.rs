//! Operations that name themselves, in any order: an answer goes to its own account only, nothing is done twice while it is known, and
//! the bounds hold.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use std::time::{Duration, Instant};

use script::Script;
use session::server::replay::{Begun, Replays, Rules, Sender};
use wsman::{Header, HeaderValue};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let rules = Rules {
        retention: Duration::from_secs(195),
        octets: 300,
        operations: 4,
        octets_in_all: 500,
    };
    let mut replays = Replays::new(rules.clone());
    let mut now = Instant::now();
    let mut under_way = Vec::new();
    let mut count = 0_u32;
    while !script.is_over() {
        let account = [script.byte() % 3; 16];
        let sender = Sender { account, connection: [script.byte() % 4; 16] };
        let id = format!("uuid:{}", script.below(6));
        match script.below(6) {
            0 => now += Duration::from_secs(script.byte().into()),
            1 => replays.acknowledge(account, &id, script.byte().into()),
            2 if !under_way.is_empty() => {
                let ticket = under_way.swap_remove(script.below(under_way.len()));
                replays.finish(ticket, usize::from(script.byte()), now);
            }
            3 if !under_way.is_empty() => {
                replays.forget(under_way.swap_remove(script.below(under_way.len())));
            }
            _ => {
                count += 1;
                let header = Header::default()
                    .with(HeaderValue::MessageId(id.clone()))
                    .with_must_understand(HeaderValue::OperationId(id.clone()), script.flag());
                match replays.begin(sender, &header, (account, id.clone(), count), now) {
                    Ok(Begun::New(ticket)) => under_way.push(ticket),
                    Ok(Begun::Again((owner, known, _))) => {
                        assert_eq!((owner, known), (account, id));
                    }
                    Ok(Begun::Unnamed) => panic!("it has a name"),
                    Err(fault) => assert!(fault.reason.ends_with(". ")),
                }
            }
        }
        assert!(replays.len() <= 3 * rules.operations);
        replays.handle_timeout(now);
        assert!(replays.poll_timeout().is_none_or(|at| at > now));
    }
    for ticket in under_way {
        replays.finish(ticket, 0, now);
    }
    replays.handle_timeout(now + rules.retention);
    assert!(replays.is_empty());
}
