//! Saved inputs of the fuzz target `session_sealed`.

use session::http::sealed::open;

use crate::sealed::Flip;

const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";

#[test]
fn saved_sealed_bodies_open_or_are_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fuzz/sealed");
    let mut opened = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if open(&mut Flip::default(), CONTENT_TYPE, bytes.clone()).is_ok() {
            opened.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        drop(open(&mut Flip::default(), &String::from_utf8_lossy(&bytes), bytes.clone()));
    }
    opened.sort();
    assert_eq!(opened, ["sound", "spaces_before_closing"]);
}
