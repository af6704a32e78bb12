//! The frame around CredSSP's bodies: pieces of 16 KiB, ours and recorded ones.

use std::fs;

use auth::{Error, SealError, Sealed, Sealer};
use session::http::HeaderError;
use session::http::sealed::{Dialect, Frame, Protocol, SealedError, open, overhead, seal};

use crate::sealed::Flip;

const SOAP: &str = "application/soap+xml;charset=UTF-8";
const MULTI: &str = "multipart/x-multi-encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"Encrypted Boundary\"";
const SINGLE: &str = "multipart/encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"Encrypted Boundary\"";

/// Records of TLS 1.3 without encryption: five bytes in front of the data, seventeen behind.
#[derive(Debug, Default)]
struct Records(usize);

const TRAILER: usize = 17;

impl Sealer for Records {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error> {
        let length = u16::try_from(data.len() + TRAILER).unwrap().to_be_bytes();
        let mut record = vec![23, 3, 3, length[0], length[1]];
        record.append(data);
        record.extend([0xAA; TRAILER]);
        *data = record.split_off(TRAILER);
        self.0 += 1;
        Ok(Sealed::new(record, 0))
    }

    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error> {
        let record = [header, data].concat();
        let [23, 3, 3, high, low, rest @ ..] = record.as_slice() else {
            return Err(SealError::MalformedSignature.into());
        };
        if usize::from(u16::from_be_bytes([*high, *low])) != rest.len() {
            return Err(SealError::Tampered.into());
        }
        *data = rest[..rest.len() - TRAILER].to_vec();
        self.0 += 1;
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

fn text(length: usize) -> Vec<u8> {
    b"<a>--Encrypted Boundary</a>".iter().copied().cycle().take(length).collect()
}

fn sealed(length: usize, dialect: Dialect) -> session::http::sealed::Sealed {
    let frame = Frame { protocol: Protocol::CredSsp, dialect };
    seal(&mut Records::default(), frame, SOAP, text(length)).unwrap()
}

#[test]
fn up_to_16_kib_there_is_one_piece_and_then_several() {
    for dialect in [Dialect::Bare, Dialect::Tab] {
        for (length, pieces) in [(1, 1), (16_384, 1), (16_385, 2), (32_768, 2), (100_000, 7)] {
            let sealed = sealed(length, dialect);
            assert_eq!(sealed.content_type, if pieces == 1 { SINGLE } else { MULTI });
            assert!(sealed.body.len() <= length + overhead(length));
            let mut records = Records::default();
            let opened = open(&mut records, &sealed.content_type, sealed.body).unwrap();
            assert_eq!((opened.frame.protocol, opened.frame.dialect), (Protocol::CredSsp, dialect));
            assert_eq!((opened.content_type.as_str(), records.0), (SOAP, pieces));
            assert_eq!(opened.body, text(length));
        }
    }
}

#[test]
fn pieces_have_the_bytes_that_pypsrp_expects() {
    let sealed = sealed(16_386, Dialect::Tab);
    let front = |length: usize| {
        let mut front = format!(
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n\
             \tOriginalContent: type={SOAP};Length={length}\r\n\
             --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        )
        .into_bytes();
        front.extend(17_u32.to_le_bytes());
        front
    };
    let record = |data: &[u8]| {
        let length = u16::try_from(data.len() + TRAILER).unwrap().to_be_bytes();
        [&[23, 3, 3, length[0], length[1]], data, &[0xAA; TRAILER]].concat()
    };
    let text = text(16_386);
    let expected = [
        front(16_384),
        record(&text[..16_384]),
        front(2),
        record(&text[16_384..]),
        b"--Encrypted Boundary--\r\n".to_vec(),
    ];
    assert_eq!(sealed.body, expected.concat());
}

#[test]
fn the_number_in_front_of_the_records_moves_nothing() {
    let sealed = sealed(40, Dialect::Tab);
    let at = sealed.body.windows(4).position(|four| four == 17_u32.to_le_bytes()).unwrap();
    for number in [0_u32, 2, 60] {
        let mut body = sealed.body.clone();
        body[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert_eq!(open(&mut Records::default(), SINGLE, body).unwrap().body, text(40));
    }
    for number in [70_u32, 2000, u32::MAX] {
        let mut body = sealed.body.clone();
        body[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert!(open(&mut Records::default(), SINGLE, body).is_err(), "{number}");
    }
}

#[test]
fn bodies_that_lie_about_their_pieces_are_refused() {
    let several = sealed(20_000, Dialect::Tab).body;
    let one = sealed(20, Dialect::Tab).body;
    let refused = |content_type: &str, body: Vec<u8>| {
        open(&mut Records::default(), content_type, body).unwrap_err().to_string()
    };
    assert!(refused(SINGLE, several.clone()).contains("several pieces"));
    assert!(open(&mut Records::default(), MULTI, one.clone()).is_ok());
    let spnego = MULTI.replace("CredSSP", "SPNEGO");
    let error = open(&mut Flip::default(), &spnego, one.clone()).unwrap_err();
    assert!(matches!(error, SealedError::ContentType(HeaderError::Unsupported(_))), "{error}");

    let changed = |from: &str, to: &str| {
        let text: Vec<u8> = several.clone();
        let at = text.windows(from.len()).rposition(|part| part == from.as_bytes()).unwrap();
        [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat()
    };
    // The second piece with a length, a type and a protocol of its own, and no end.
    for (from, to) in [
        ("Length=3616", "Length=3615"),
        ("Length=3616", "Length=99999999999"),
        ("Length=3616", "Length=18446744073709551615"),
        ("charset=UTF-8", "charset=UTF-16"),
        ("CredSSP", "SPNEGO"),
        ("Boundary--\r\n", "Boundary\r\n"),
        ("Boundary--\r\n", "Boundary--\r\nmore"),
        ("--Encrypted Boundary--\r\n", ""),
    ] {
        assert!(open(&mut Records::default(), MULTI, changed(from, to)).is_err(), "{to}");
    }
}

/// The bodies that pywinrm and pypsrp sealed by CredSSP, as recorded: TLS 1.3, whose trailer pywinrm takes for two bytes.
#[test]
fn recorded_bodies_by_credssp_are_records_of_tls() {
    let test = "recorded_bodies_by_credssp_are_records_of_tls";
    let Some(corpora) = testkit::corpora(test) else { return };
    let mut count = 0;
    for client in ["pywinrm-credssp", "pypsrp-credssp"] {
        for entry in fs::read_dir(corpora.join("requests").join(client)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".raw.bin") {
                continue;
            }
            let plain = fs::read(path.with_extension("").with_extension("body.xml")).unwrap();
            let opened = open(&mut Records::default(), SINGLE, fs::read(&path).unwrap());
            let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Still encrypted, so that the last byte may be taken for padding.
            assert!(plain.len() - opened.body.len() < 4, "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 30, "{count} bodies");
}
