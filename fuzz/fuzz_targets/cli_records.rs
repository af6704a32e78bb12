//! `--json`: however the output of both streams is cut, the records are lines of JSON that bring
//! every byte back in order.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use script::Script;

#[cfg(not(test))]
#[path = "../../crates/app/cli/src/command_error.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod command_error;
#[cfg(not(test))]
#[path = "../../crates/app/cli/src/switches.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod switches;
#[cfg(not(test))]
#[path = "../support/winrs.rs"]
mod winrs;

#[cfg(not(test))]
use winrs::{records::Records, stdio::Handle};

#[cfg(test)]
use crate::winrs::{records::Records, stdio::Handle};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut records = Records::default();
    let (mut lines, mut written) = (Vec::new(), [Vec::new(), Vec::new()]);
    while !script.is_over() {
        let is_stderr = script.flag();
        let data = script.bytes();
        let handle = if is_stderr { Handle::Stderr } else { Handle::Stdout };
        lines.extend(records.chunk(handle, data));
        written[usize::from(is_stderr)].extend_from_slice(data);
    }
    lines.extend(records.rest());
    assert!(records.rest().is_empty());

    let mut read = [Vec::new(), Vec::new()];
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let value: serde_json::Value = serde_json::from_slice(line).expect("a line is JSON");
        let data = value["data"].as_str().expect("a record has data");
        assert!(!data.is_empty() && line.ends_with(b"\n"));
        let stream = &mut read[usize::from(value["stream"] == "stderr")];
        if value["base64"] == true {
            let bytes = STANDARD.decode(data).expect("it is base64");
            assert!(std::str::from_utf8(&bytes).is_err(), "text in base64");
            stream.extend(bytes);
        } else {
            stream.extend(data.bytes());
        }
    }
    assert_eq!(read, written);
}
