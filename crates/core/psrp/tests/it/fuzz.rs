//! Replays the saved inputs of this crate's fuzz targets.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::duplicate_mod,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a target that cannot go on has found something; targets share files"
)]

#[path = "../../../../../fuzz/support/replay.rs"]
mod replay;

#[path = "../../../../../fuzz/fuzz_targets/psrp_bridge.rs"]
mod psrp_bridge;

use replay::replay;

#[test]
fn psrp_bridge_passes_its_saved_inputs() {
    replay("psrp_bridge", psrp_bridge::run);
}

#[test]
#[ignore = "temporary"]
fn random_plays() {
    let begin = std::time::Instant::now();
    let mut state = std::env::var("SEED").map_or(1_u64, |s| s.parse().unwrap());
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut runs = 0;
    let mut opened = 0;
    while begin.elapsed().as_secs() < 40 {
        let length = (next() % 600) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| (next() >> 24) as u8).collect();
        // most plays begin well
        if next() % 4 != 0 {
            let mut b = vec![0, 0, 1, 0, 5, 18];
            b.append(&mut bytes);
            bytes = b;
            opened += 1;
        }
        if std::panic::catch_unwind(|| psrp_bridge::run(&bytes)).is_err() {
            std::fs::write("/tmp/bridge_crash", &bytes).unwrap();
            panic!("crash after {runs}");
        }
        runs += 1;
    }
    eprintln!("{runs} runs, {opened} begun well");
}
