//! The decoders: saved inputs of the fuzzers, and every small change of a good input.

#[path = "../../../../../fuzz/support/replay.rs"]
mod replay;
#[path = "../../../../../fuzz/fuzz_targets/spawner_frames.rs"]
mod spawner_frames;
#[path = "../../../../../fuzz/fuzz_targets/spawner_users.rs"]
mod spawner_users;

use replay::replay;
use spawner::frames::{keeper, root};

use crate::runner::{Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "saved_frames_decode_or_are_refused",
        needs: Needs::Nothing,
        run: |_| replay("spawner_frames", spawner_frames::run),
    },
    Test {
        name: "saved_users_files_decode_or_are_refused",
        needs: Needs::Nothing,
        run: |_| replay("spawner_users", spawner_users::run),
    },
    Test {
        name: "changed_frames_keep_their_one_spelling",
        needs: Needs::Nothing,
        run: |_| changed(),
    },
];

fn changed() {
    let start = keeper::Start {
        argv: vec!["a".into(), "b c".into()],
        environment: vec![("N".into(), "v".into())],
        expand: true,
        directory: Some("/d".into()),
    };
    let memory = std::num::NonZeroU64::new(64 * 1024 * 1024);
    let open = root::Request::Open { account: [7; 16], login: [8; 16], ticket: false, memory };
    let good: Vec<Vec<u8>> = vec![
        open.encode(3).into(),
        root::Request::Members { account: [7; 16] }.encode(3).into(),
        root::Event::MemberOf { groups: 5 }.encode(3).into(),
        root::Request::KillSession { shell: 4, session: 500 }.encode(3).into(),
        root::Request::Bind { address: "192.0.2.1:443".parse().unwrap() }.encode(3).into(),
        root::Event::Refused { reason: root::Reason::Resources, errno: 24 }.encode(3).into(),
        keeper::Request::Start { command: 1, start }.encode().unwrap(),
        keeper::Request::Signal { command: 1, signal: keeper::Signal::Terminate }.encode().unwrap(),
        keeper::Request::Ticket(keeper::Ticket::new(&[1, 2, 3])).encode().unwrap(),
        keeper::Event::Failed { command: 1, stage: keeper::Stage::Pipes, errno: 24 }.encode(),
    ];
    for frame in good {
        for at in 0..frame.len() {
            for value in 0..=255 {
                let mut other = frame.clone();
                other[at] = value;
                spawner_frames::run(&other);
            }
            spawner_frames::run(&frame[..at]);
        }
    }
}
