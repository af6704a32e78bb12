//! The decoders: saved inputs of the fuzzers, and every small change of a good input.

use std::fs;
use std::path::Path;

use spawner::frames::{keeper, root};
use spawner::users::Users;

use crate::runner::{Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "saved_frames_decode_or_are_refused",
        needs: Needs::Nothing,
        run: |_| saved("spawner_frames", frames),
    },
    Test {
        name: "saved_users_files_decode_or_are_refused",
        needs: Needs::Nothing,
        run: |_| saved("spawner_users", users),
    },
    Test {
        name: "changed_frames_keep_their_one_spelling",
        needs: Needs::Nothing,
        run: |_| changed(),
    },
];

/// Whatever decodes encodes to the same bytes again: a meaning has one spelling.
fn frames(bytes: &[u8]) {
    if let Ok((sequence, request)) = root::Request::decode(bytes) {
        assert_eq!(request.encode(sequence), bytes);
    }
    if let Ok((sequence, event)) = root::Event::decode(bytes) {
        assert_eq!(event.encode(sequence), bytes);
    }
    if let Ok(request) = keeper::Request::decode(bytes) {
        assert_eq!(request.encode().unwrap(), bytes);
    }
    if let Ok(event) = keeper::Event::decode(bytes) {
        assert_eq!(event.encode(), bytes);
    }
}

fn users(bytes: &[u8]) {
    if let Ok(users) = Users::parse(bytes) {
        assert_eq!(users.to_bytes(), bytes);
    }
}

fn saved(folder: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(folder);
    let mut inputs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "no saved inputs");
}

fn changed() {
    let start = keeper::Start {
        argv: vec!["a".into(), "b c".into()],
        environment: vec![("N".into(), "v".into())],
        expand: true,
        directory: Some("/d".into()),
    };
    let good: Vec<Vec<u8>> = vec![
        root::Request::Open { account: [7; 16], login: [8; 16] }.encode(3).into(),
        root::Request::KillSession { shell: 4, session: 500 }.encode(3).into(),
        root::Request::Bind { address: "192.0.2.1:443".parse().unwrap() }.encode(3).into(),
        root::Event::Refused { reason: root::Reason::Resources, errno: 24 }.encode(3).into(),
        keeper::Request::Start { command: 1, start }.encode().unwrap(),
        keeper::Request::Signal { command: 1, signal: keeper::Signal::Terminate }.encode().unwrap(),
        keeper::Request::Ticket(vec![1, 2, 3]).encode().unwrap(),
        keeper::Event::Failed { command: 1, stage: keeper::Stage::Pipes, errno: 24 }.encode(),
    ];
    for frame in good {
        for at in 0..frame.len() {
            for value in 0..=255 {
                let mut other = frame.clone();
                other[at] = value;
                frames(&other);
            }
            frames(&frame[..at]);
        }
    }
}
