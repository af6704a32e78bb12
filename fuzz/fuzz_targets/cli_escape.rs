//! Output on its way to a terminal: cut anywhere it is the same, nothing is added, text passes, and
//! no sequence gets through that makes a terminal answer or act.
#![cfg_attr(not(test), no_main)]

#[cfg(not(test))]
#[path = "../../crates/app/cli/src/winrs/escape.rs"]
mod escape;

#[cfg(not(test))]
use escape::Filter;

#[cfg(test)]
use crate::winrs::escape::Filter;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// The length of pieces, and what a host writes.
pub(crate) fn run(bytes: &[u8]) {
    let [piece, output @ ..] = bytes else { return };
    let whole = Filter::default().pass(output);
    let mut filter = Filter::default();
    let cut: Vec<u8> =
        output.chunks(usize::from(*piece).max(1)).flat_map(|part| filter.pass(part)).collect();
    assert_eq!(cut, whole);
    let mut rest = output.iter();
    assert!(whole.iter().all(|shown| rest.any(|byte| byte == shown)), "something is added");
    assert_eq!(Filter::default().pass(&whole), whole, "what was shown is shown again");
    check(&whole);

    let is_text = |text: &str| !text.chars().any(|c| c.is_control() && !"\t\r\n\x08".contains(c));
    if std::str::from_utf8(output).is_ok_and(is_text) {
        assert_eq!(whole, output, "text passes");
    }
}

/// Reads what is shown as a terminal does that knows 7-bit controls, and C1 as bytes or as UTF-8.
fn check(shown: &[u8]) {
    let text = String::from_utf8_lossy(shown);
    assert!(!text.contains('\u{5}'), "ENQ is shown");
    assert!(!text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')), "a C1 control is shown");
    let mut rest = shown;
    while let Some(at) = rest.iter().position(|&byte| byte == 0x1b) {
        rest = rest.get(at + 1..).unwrap_or_default();
        match rest {
            [b'[', sequence @ ..] => {
                let end = sequence.iter().position(|byte| matches!(byte, 0x40..=0x7e));
                let end = end.expect("sequences are shown whole");
                assert!(
                    end <= 64 && !matches!(sequence[end], b'c' | b'n' | b't' | b'q' | b'x' | b'p')
                );
                let quiet = |byte: &u8| byte.is_ascii_digit() || b";:".contains(byte);
                assert!(sequence[..end].iter().all(quiet) || matches!(sequence[end], b'h' | b'l'));
            }
            [b'(' | b')' | b'*' | b'+', set, ..] => assert!(set.is_ascii_alphanumeric()),
            [byte, ..] => assert!(b"78DEHM=>".contains(byte), "ESC {byte:x} is shown"),
            [] => panic!("half a sequence is shown"),
        }
    }
}
