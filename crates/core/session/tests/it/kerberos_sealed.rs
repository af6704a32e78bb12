//! Bodies that are sealed by Kerberos: how long they say they are, and where a sender leaves the token's end.

use auth::kerberos::{Context, EncryptionType, KerberosSealer, Role};
use session::http::sealed::{Dialect, Frame, Protocol, open, seal};
use testkit::Seeded;

const MEDIA: &str = "application/soap+xml;charset=UTF-8";
const FRAME: Frame = Frame { protocol: Protocol::Kerberos, dialect: Dialect::Tab };
const TEXT: &[u8] = b"<s:Envelope>text</s:Envelope>";

fn sealer(encryption_type: EncryptionType, role: Role) -> KerberosSealer {
    let context = Context {
        role,
        encryption_type,
        key: vec![9; encryption_type.key_length()].into(),
        acceptor_subkey: true,
        sending_sequence: 5,
        receiving_sequence: 5,
    };
    KerberosSealer::new(context, true, &mut Seeded::new(3))
}

fn position(body: &[u8], part: &[u8]) -> usize {
    body.windows(part.len()).position(|window| window == part).unwrap()
}

/// The byte of padding counts in what we write; clients leave it out, too.
#[test]
fn rc4_counts_its_padding_or_not() {
    let written = TEXT.len() + 1;
    for told in [written, TEXT.len()] {
        let mut client = sealer(EncryptionType::Rc4, Role::Initiator);
        let mut sent = seal(&mut client, FRAME, MEDIA, TEXT.to_vec()).unwrap();
        let length = format!("Length={written}");
        let at = position(&sent.body, length.as_bytes());
        sent.body.splice(at..at + length.len(), format!("Length={told}").into_bytes());
        let mut service = sealer(EncryptionType::Rc4, Role::Acceptor);
        let opened = open(&mut service, &sent.content_type, sent.body).unwrap();
        assert_eq!(opened.body, TEXT);
    }
}

#[test]
fn aes_leaves_the_length_as_it_is() {
    for (encryption_type, header) in
        [(EncryptionType::Aes256Sha1, 60), (EncryptionType::Aes256Sha384, 72)]
    {
        let mut client = sealer(encryption_type, Role::Initiator);
        let sent = seal(&mut client, FRAME, MEDIA, TEXT.to_vec()).unwrap();
        position(&sent.body, format!("Length={}\r\n", TEXT.len()).as_bytes());
        let token = position(&sent.body, b"octet-stream\r\n") + 14;
        assert_eq!(sent.body[token..token + 4], u32::to_le_bytes(header));
    }
}

/// RFC 4121 4.2.5 leaves the rotation to the sender: here the header is as short as can be.
#[test]
fn a_token_that_is_not_rotated_opens() {
    for encryption_type in [EncryptionType::Aes128Sha1, EncryptionType::Aes256Sha384] {
        let mut client = sealer(encryption_type, Role::Initiator);
        let mut data = TEXT.to_vec();
        let header = auth::Sealer::seal(&mut client, &mut data).unwrap().header;
        let mut token = [header.as_slice(), &data].concat();
        let turned = usize::from(token[7]);
        token[7] = 0;
        token[16..].rotate_left(turned);
        let length = TEXT.len();
        let mut body = format!(
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-Kerberos-session-encrypted\r\n\
             \tOriginalContent: type={MEDIA};Length={length}\r\n--Encrypted Boundary\r\n\
             \tContent-Type: application/octet-stream\r\n"
        )
        .into_bytes();
        body.extend(16_u32.to_le_bytes());
        body.extend(token);
        body.extend(b"--Encrypted Boundary--\r\n");
        let content_type = "multipart/encrypted;\
            protocol=\"application/HTTP-Kerberos-session-encrypted\";boundary=\"Encrypted Boundary\"";
        let mut service = sealer(encryption_type, Role::Acceptor);
        assert_eq!(open(&mut service, content_type, body).unwrap().body, TEXT);
    }
}
