//! Fragments: what a peer sends is put together within the bound or refused, and what we cut comes
//! together again however it is cut.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use psrp::fragment::{Assembler, Fragmenter, HEADER};
use script::Script;

const MOST: usize = 5_000;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut assembler = Assembler::new(MOST);
    for piece in bytes.chunks(997) {
        let taken = assembler.handle_fragments(piece, |message| assert!(message.len() <= MOST));
        assert!(assembler.pending() <= MOST);
        if taken.is_err() {
            break;
        }
    }
    let mut script = Script(bytes);
    let mut fragmenter = Fragmenter::new();
    let (mut sent, mut came) = (Vec::new(), Vec::new());
    let mut object = 1 + u64::from(script.byte());
    let mut assembler = Assembler::new(usize::MAX);
    let mut take = |data: &[u8]| {
        assembler.handle_fragments(data, |message| came.push(message)).expect("our own fragments");
    };
    while !script.is_over() {
        let message = script.bytes().to_vec();
        if !message.is_empty() {
            fragmenter.push(message.clone());
            sent.push(message);
        }
        let size = HEADER + script.below(200);
        let data = fragmenter.poll_fragments(size, &mut object);
        assert!(data.len() <= size);
        take(&data);
    }
    loop {
        let data = fragmenter.poll_fragments(1_000, &mut object);
        if data.is_empty() {
            break;
        }
        take(&data);
    }
    assert!(fragmenter.is_empty());
    assert!(sent == came, "{} messages became {}", sent.len(), came.len());
}
