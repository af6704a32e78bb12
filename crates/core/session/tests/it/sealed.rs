//! The frame around sealed messages, ours and recorded ones.

use std::fs;

use auth::{Error, Sealed, Sealer};
use session::http::sealed::{Dialect, Frame, Protocol, SealedError, is_sealed, open, seal};

const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// Flips bits instead of sealing, and keeps what it was given.
#[derive(Debug, Default)]
pub(crate) struct Flip {
    pub(crate) seen: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sealer for Flip {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error> {
        data.iter_mut().for_each(|byte| *byte = !*byte);
        Ok(Sealed::new(vec![7; 16], 0))
    }

    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error> {
        self.seen.push((header.to_vec(), data.clone()));
        data.iter_mut().for_each(|byte| *byte = !*byte);
        Ok(())
    }

    fn mech_list_mic(&mut self, _: &[u8]) -> Result<Vec<u8>, Error> {
        unreachable!("only logins sign lists")
    }

    fn check_mech_list_mic(&mut self, _: &[u8], _: &[u8]) -> Result<(), Error> {
        unreachable!("only logins sign lists")
    }

    fn expect_mech_list_mic(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn frame(dialect: Dialect) -> Frame {
    Frame { protocol: Protocol::Spnego, dialect }
}

#[test]
fn sealed_body_has_the_bytes_that_pywinrm_and_windows_expect() {
    let sealed = seal(&mut Flip::default(), frame(Dialect::Tab), SOAP, vec![0xff; 3]).unwrap();
    assert_eq!(
        sealed.content_type,
        "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\""
    );
    let mut expected = b"--Encrypted Boundary\r\n\
        \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
        \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=3\r\n\
        --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        .to_vec();
    expected.extend_from_slice(&16_u32.to_le_bytes());
    expected.extend_from_slice(&[7; 16]);
    expected.extend_from_slice(&[0; 3]);
    expected.extend_from_slice(b"--Encrypted Boundary--\r\n");
    assert_eq!(sealed.body, expected);
}

#[test]
fn both_dialects_open_and_are_told_apart() {
    for dialect in [Dialect::Bare, Dialect::Tab] {
        let sealed = seal(&mut Flip::default(), frame(dialect), SOAP, b"<a/>".to_vec()).unwrap();
        let opened = open(&mut Flip::default(), &sealed.content_type, sealed.body).unwrap();
        assert_eq!(opened.frame, frame(dialect));
        assert_eq!((opened.content_type.as_str(), opened.body.as_slice()), (SOAP, &b"<a/>"[..]));
    }
}

#[test]
fn any_payload_survives_even_one_that_looks_like_a_delimiter() {
    let payloads: [&[u8]; 5] =
        [b"", b"x", b"--Encrypted Boundary\r\n", b"  --", b"a--Encrypted Boundary--\r\n"];
    for payload in payloads {
        // Sealed by flipping, so flip first: the ciphertext is then the payload itself.
        let plain: Vec<u8> = payload.iter().map(|byte| !byte).collect();
        let sealed = seal(&mut Flip::default(), frame(Dialect::Tab), SOAP, plain.clone()).unwrap();
        let opened = open(&mut Flip::default(), &sealed.content_type, sealed.body).unwrap();
        assert_eq!(opened.body, plain);
    }
}

#[test]
fn space_before_the_boundary_and_a_second_line_end_are_accepted() {
    let sealed = seal(&mut Flip::default(), frame(Dialect::Bare), SOAP, b"<a/>".to_vec()).unwrap();
    let mut body = Vec::new();
    let mut rest = sealed.body.as_slice();
    while let Some(at) = rest.windows(4).position(|four| four == b"--En") {
        body.extend_from_slice(&rest[..at]);
        body.extend_from_slice(b"-- ");
        rest = &rest[at + 2..];
    }
    body.extend_from_slice(rest);
    body.extend_from_slice(b"\r\n");
    let opened = open(&mut Flip::default(), &sealed.content_type, body).unwrap();
    assert_eq!(opened.body, b"<a/>");
}

#[test]
fn nul_padding_of_omi_is_taken_off() {
    let sealed =
        seal(&mut Flip::default(), frame(Dialect::Bare), SOAP, b"<a/>\0\0\0".to_vec()).unwrap();
    let opened = open(&mut Flip::default(), &sealed.content_type, sealed.body).unwrap();
    assert_eq!(opened.body, b"<a/>");
}

#[test]
fn last_letter_of_utf_16_is_no_padding() {
    let soap = wsman::Charset::Utf16.content_type();
    let marked = wsman::Charset::Utf16.encode("<a/>".to_owned());
    for text in [marked, b"<\0a\0/\0>\0".to_vec(), b"\0<\0a\0/\0>".to_vec()] {
        for padding in [0, 1, 2] {
            let padded = [text.clone(), vec![0; padding]].concat();
            let sealed = seal(&mut Flip::default(), frame(Dialect::Tab), soap, padded).unwrap();
            let opened = open(&mut Flip::default(), &sealed.content_type, sealed.body).unwrap();
            assert_eq!((opened.body, opened.content_type.as_str()), (text.clone(), soap));
        }
    }
}

#[test]
fn every_truncation_and_every_changed_byte_is_an_error_or_opens_without_panic() {
    let sealed = seal(&mut Flip::default(), frame(Dialect::Tab), SOAP, b"<abc/>".to_vec()).unwrap();
    for end in 0..sealed.body.len() {
        let result = open(&mut Flip::default(), &sealed.content_type, sealed.body[..end].to_vec());
        // Without its last line end the frame is still whole.
        assert!(result.is_err() || end + 2 >= sealed.body.len(), "cut at {end}");
    }
    for at in 0..sealed.body.len() {
        for value in [0, b'-', b'\n', 0xff] {
            let mut body = sealed.body.clone();
            body[at] = value;
            drop(open(&mut Flip::default(), &sealed.content_type, body));
        }
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_unsealed() {
    let sealed = seal(&mut Flip::default(), frame(Dialect::Tab), SOAP, b"<abc/>".to_vec()).unwrap();
    let text = String::from_utf8_lossy(&sealed.body).into_owned();
    for length in ["Length=5000000000", "Length=7", "Length=-1", "Length=99999999999999999999"] {
        let mut flip = Flip::default();
        let head = text.split("Length=6").next().unwrap().len();
        let mut body = sealed.body[..head].to_vec();
        body.extend_from_slice(length.as_bytes());
        body.extend_from_slice(&sealed.body[head + "Length=6".len()..]);
        let error = open(&mut flip, &sealed.content_type, body).unwrap_err();
        assert!(matches!(error, SealedError::Frame(_)), "{length}: {error}");
        assert!(flip.seen.is_empty());
    }
    let mut body = sealed.body.clone();
    let at = body.windows(16).position(|bytes| bytes == [7; 16]).unwrap() - 4;
    body[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(open(&mut Flip::default(), &sealed.content_type, body).is_err());
}

#[test]
fn announcement_needs_protocol_and_boundary() {
    let body =
        seal(&mut Flip::default(), frame(Dialect::Tab), SOAP, b"<a/>".to_vec()).unwrap().body;
    for content_type in [
        "application/soap+xml",
        "multipart/encrypted",
        "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\"",
        "multipart/encrypted;boundary=\"Encrypted Boundary\"",
        "multipart/encrypted;protocol=\"application/other\";boundary=\"Encrypted Boundary\"",
        "multipart/encrypted;protocol=\"application/HTTP-Kerberos-session-encrypted\";boundary=\"Encrypted Boundary\"",
        "multipart/x-multi-encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"",
    ] {
        assert!(open(&mut Flip::default(), content_type, body.clone()).is_err(), "{content_type}");
    }
}

/// The bodies that released clients sealed with NTLM, as recorded.
#[test]
fn recorded_sealed_requests_have_the_frame_that_is_read_here() {
    let Some(corpora) =
        testkit::corpora("recorded_sealed_requests_have_the_frame_that_is_read_here")
    else {
        return;
    };
    let mut count = 0;
    for client in
        ["pywinrm-ntlm", "pypsrp-negotiate", "ansible-winrm-wntlm", "pwsh-wsman-Negotiate"]
    {
        for entry in fs::read_dir(corpora.join("requests").join(client)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".raw.bin") {
                continue;
            }
            let head =
                fs::read_to_string(path.with_extension("").with_extension("head.txt")).unwrap();
            let content_type = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .starts_with("content-type:")
                        .then(|| line[13..].trim())
                })
                .unwrap();
            assert!(is_sealed(content_type), "{}", path.display());
            let mut flip = Flip::default();
            let raw = fs::read(&path).unwrap();
            open(&mut flip, content_type, raw)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let plain = fs::read(path.with_extension("").with_extension("body.xml")).unwrap();
            let (header, data) = &flip.seen[0];
            assert_eq!(header.len(), 16, "an NTLM signature in {}", path.display());
            assert!(
                data.len() >= plain.len() && data.len() < plain.len() + 16,
                "{}",
                path.display()
            );
            count += 1;
        }
    }
    assert!(count > 20, "only {count} recorded bodies");
}
