//! The lines of an out-of-process engine: they bring the same however they are cut, a packet that
//! is read is written so that it reads the same again, and no line takes more memory than allowed.
#![cfg_attr(not(test), no_main)]

use psrp::out_of_process::{Lines, Piece};

const MOST: usize = 5_000;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let whole = pieces(bytes, bytes.len().max(1));
    let cut = pieces(bytes, usize::from(size).max(1));
    if whole.1.is_ok() && cut.1.is_ok() {
        assert_eq!(whole.0, cut.0);
    }
    for piece in whole.0 {
        if let Piece::Packet(packet) = piece {
            let again = pieces(format!("{packet}\n").as_bytes(), usize::MAX);
            assert_eq!(again.0, [Piece::Packet(packet)]);
        }
    }
}

fn pieces(bytes: &[u8], size: usize) -> (Vec<Piece>, Result<(), psrp::out_of_process::Error>) {
    let mut found = Vec::new();
    let mut lines = Lines::new(MOST);
    for chunk in bytes.chunks(size) {
        if let Err(error) = lines.handle_bytes(chunk, |piece| found.push(piece)) {
            return (found, Err(error));
        }
    }
    (found, Ok(()))
}
