//! Replays the saved inputs of the fuzz target `wsman_envelope`.

use std::fs;
use std::path::Path;

use wsman::Envelope;
use wsman::shell::Request;
use wsman::xml::Limits;

#[test]
#[expect(clippy::disallowed_methods, reason = "tests read files")]
fn saved_inputs_do_not_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let (mut read, mut refused) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The inputs of other targets have folders of their own.
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(path).unwrap();
        match Envelope::decode(&bytes, &Limits::default()) {
            Ok(envelope) => {
                drop(envelope.header.check_request());
                drop(Request::from_envelope(&envelope));
                let written = envelope.encode();
                let again = Envelope::decode(&written, &Limits::default()).unwrap();
                assert_eq!(again.encode(), written);
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(read >= 5 && refused >= 5, "{read} read, {refused} refused");
}
