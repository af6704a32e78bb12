//! Sealing with the key of a Kerberos login: against ciphertext of MIT's library, and what happens to messages that were
//! changed, repeated or lost.

use auth::{
    Error, SealError, Sealer,
    kerberos::{Context, EncryptionType, KerberosSealer, Role},
};

use crate::support::{Fixed, corpus, hex};

const SEQUENCE: u64 = 0x1234;
const TYPES: [EncryptionType; 5] = [
    EncryptionType::Aes128Sha1,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha256,
    EncryptionType::Aes256Sha384,
    EncryptionType::Rc4,
];

fn context(encryption_type: EncryptionType, role: Role, acceptor_subkey: bool) -> Context {
    let length = u8::try_from(encryption_type.key_length()).unwrap();
    let (sending_sequence, receiving_sequence) = match role {
        Role::Initiator => (SEQUENCE, 77),
        Role::Acceptor => (77, SEQUENCE),
    };
    Context {
        role,
        encryption_type,
        key: (1..=length).collect::<Vec<u8>>().into(),
        acceptor_subkey,
        sending_sequence,
        receiving_sequence,
    }
}

fn sealer(encryption_type: EncryptionType, role: Role) -> KerberosSealer {
    KerberosSealer::new(context(encryption_type, role, true), true, &mut Fixed(7))
}

fn contexts(encryption_type: EncryptionType) -> (KerberosSealer, KerberosSealer) {
    (sealer(encryption_type, Role::Initiator), sealer(encryption_type, Role::Acceptor))
}

fn refused(service: &mut KerberosSealer, header: &[u8], data: &[u8], errors: &[SealError]) {
    let mut data = data.to_vec();
    match service.unseal(header, &mut data) {
        Err(Error::Seal(error)) if errors.contains(&error) => {}
        other => panic!("{other:?} instead of {errors:?}"),
    }
    assert!(data.is_empty(), "half-opened data is handed out");
    assert_eq!(service.unseal(header, &mut data), Err(Error::Seal(SealError::Poisoned)));
    assert_eq!(service.seal(&mut data), Err(Error::Seal(SealError::Poisoned)));
    assert_eq!(service.mech_list_mic(b"list"), Err(Error::Seal(SealError::Poisoned)));
}

/// A line of the table of vectors.
struct Vector {
    kind: &'static str,
    encryption_type: EncryptionType,
    data: Vec<u8>,
    filler: usize,
    bytes: Vec<u8>,
}

fn vectors() -> impl Iterator<Item = Vector> {
    let lines = include_str!("kerberos_vectors.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [kind, encryption_type, data, filler, bytes] = fields[..] else { panic!("{line}") };
        let length: usize = data.parse().unwrap();
        Vector {
            kind,
            encryption_type: EncryptionType::from_number(encryption_type.parse().unwrap()).unwrap(),
            data: (0..length).map(|at| u8::try_from(at * 7 % 256).unwrap()).collect(),
            filler: filler.parse().unwrap(),
            bytes: hex(bytes),
        }
    })
}

/// The whole token of a vector, turned right by `rrc`.
fn token(vector: &Vector, rrc: usize, turned: usize) -> Vec<u8> {
    let mut token = vec![5, 4, 6, 0xFF];
    token.extend(u16::try_from(vector.filler).unwrap().to_be_bytes());
    token.extend(u16::try_from(rrc).unwrap().to_be_bytes());
    token.extend(SEQUENCE.to_be_bytes());
    let mut rest = vector.bytes.clone();
    let length = rest.len();
    rest.rotate_right(turned % length);
    token.extend(rest);
    token
}

#[test]
fn ciphertext_of_mit_opens_with_each_rotation_and_filler() {
    let mut count = 0;
    for vector in vectors().filter(|vector| vector.kind == "seal") {
        for rrc in 0..vector.bytes.len() + 4 {
            for split in [16, 20, 60, 16 + vector.bytes.len()] {
                let token = token(&vector, rrc, rrc);
                let (header, data) = token.split_at(split.min(token.len()));
                let mut data = data.to_vec();
                let mut service = sealer(vector.encryption_type, Role::Acceptor);
                let name = (vector.encryption_type, vector.data.len(), vector.filler, rrc, split);
                assert_eq!(service.unseal(header, &mut data), Ok(()), "{name:?}");
                assert_eq!(data, vector.data, "{name:?}");
                count += 1;
            }
        }
    }
    assert!(count > 3000, "{count}");
}

/// [MS-KILE] 3.4.5.4.1: EC 16 with a header of 76 bytes, turned by RRC and EC.
#[test]
fn filler_as_windows_turns_it_opens() {
    for vector in vectors().filter(|vector| vector.kind == "seal" && vector.filler == 16) {
        let rrc = match vector.encryption_type {
            EncryptionType::Aes128Sha256 => 32,
            EncryptionType::Aes256Sha384 => 40,
            _ => 28,
        };
        let token = token(&vector, rrc, rrc + 16);
        let (header, data) = token.split_at(16 + rrc + 16 + 16);
        assert_eq!(data.len(), vector.data.len());
        let mut data = data.to_vec();
        sealer(vector.encryption_type, Role::Acceptor).unseal(header, &mut data).unwrap();
        assert_eq!(data, vector.data);
    }
}

#[test]
fn signatures_of_mit_are_ours() {
    let mut count = 0;
    for vector in vectors().filter(|vector| vector.kind == "mic") {
        let mic = sealer(vector.encryption_type, Role::Initiator).mech_list_mic(b"mechTypes");
        let mut expected = vec![4, 4, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        expected.extend(SEQUENCE.to_be_bytes());
        expected.extend(&vector.bytes);
        assert_eq!(mic, Ok(expected.clone()), "{:?}", vector.encryption_type);
        let mut service = sealer(vector.encryption_type, Role::Acceptor);
        service.check_mech_list_mic(b"mechTypes", &expected).unwrap();
        count += 1;
    }
    assert_eq!(count, 4);
}

/// [MS-KILE] 4.5.
#[test]
fn the_published_message_with_rc4_opens() {
    let Some(text) = corpus("the_published_message_with_rc4_opens", "ms-kile/vectors.txt") else {
        return;
    };
    let text = String::from_utf8(text).unwrap();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        hex(line.split_once('=').unwrap().1)
    };
    let sequence = value("seq_be").iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let context = Context {
        key: value("session_key").into(),
        receiving_sequence: sequence,
        ..context(EncryptionType::Rc4, Role::Acceptor, false)
    };
    let mut data = value("out_data");
    KerberosSealer::new(context, true, &mut Fixed(7))
        .unseal(&value("out_signature"), &mut data)
        .unwrap();
    assert_eq!(data, value("plaintext"));
}

#[test]
fn messages_of_each_length_go_both_ways_and_keep_it() {
    let shapes = [(60, 0), (60, 0), (64, 0), (72, 0), (45, 1)];
    for (encryption_type, (header, padding)) in TYPES.into_iter().zip(shapes) {
        let (mut client, mut service) = contexts(encryption_type);
        for length in (0..70).chain([8191, 8192, 8193, 16_384, 100_001]) {
            let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            for _ in 0..2 {
                let mut data = plain.clone();
                let sealed = client.seal(&mut data).unwrap();
                assert_eq!(data.len(), length + padding, "{encryption_type:?}");
                assert_eq!(sealed.padding, padding);
                if length < 70 {
                    assert_eq!(sealed.header.len(), header, "{encryption_type:?}");
                }
                assert!(length < 16 || data[..16] != plain[..16]);
                service.unseal(&sealed.header, &mut data).unwrap();
                assert_eq!(data, plain, "{encryption_type:?}, {length} bytes");
                let mut data = plain.clone();
                let sealed = service.seal(&mut data).unwrap();
                client.unseal(&sealed.header, &mut data).unwrap();
                assert_eq!(data, plain, "{encryption_type:?}, {length} bytes back");
            }
        }
    }
}

/// RFC 4121 4.2.6.2, and [MS-WSMV]'s split of the token: the header's fields.
#[test]
fn the_header_says_what_the_specification_asks_for() {
    for (encryption_type, rrc) in TYPES.into_iter().zip([28, 28, 32, 40]) {
        let (mut client, mut service) = contexts(encryption_type);
        let header = client.seal(&mut b"data".to_vec()).unwrap().header;
        assert_eq!(header[..16], [5, 4, 6, 0xFF, 0, 0, 0, rrc, 0, 0, 0, 0, 0, 0, 0x12, 0x34]);
        let header = service.seal(&mut b"data".to_vec()).unwrap().header;
        assert_eq!(header[..16], [5, 4, 7, 0xFF, 0, 0, 0, rrc, 0, 0, 0, 0, 0, 0, 0, 77]);
        let header = service.seal(&mut b"data".to_vec()).unwrap().header;
        assert_eq!(header[15], 78);
    }
    let context = context(EncryptionType::Aes256Sha1, Role::Initiator, false);
    let mut client = KerberosSealer::new(context, true, &mut Fixed(7));
    assert_eq!(client.seal(&mut b"data".to_vec()).unwrap().header[2], 2);
}

#[test]
fn the_same_message_never_looks_the_same() {
    for encryption_type in TYPES {
        let (mut client, _) = contexts(encryption_type);
        let (mut first, mut second) = (vec![5; 64], vec![5; 64]);
        let one = client.seal(&mut first).unwrap();
        let two = client.seal(&mut second).unwrap();
        assert_ne!(first, second);
        assert_ne!(one.header, two.header);
    }
}

#[test]
fn every_changed_bit_of_a_sealed_message_is_noticed() {
    for encryption_type in TYPES {
        let plain = b"<s:Envelope>some text</s:Envelope>";
        let (mut client, _) = contexts(encryption_type);
        let mut sealed = plain.to_vec();
        let header = client.seal(&mut sealed).unwrap().header;
        for bit in 0..(header.len() + sealed.len()) * 8 {
            let (mut header, mut data) = (header.clone(), sealed.clone());
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            match byte.checked_sub(header.len()) {
                None => header[byte] ^= mask,
                Some(at) => data[at] ^= mask,
            }
            // The length in the framing of RC4's token is nobody's business.
            let is_length = encryption_type == EncryptionType::Rc4 && byte == 1 && mask < 0x80;
            let mut service = sealer(encryption_type, Role::Acceptor);
            if is_length {
                service.unseal(&header, &mut data).unwrap();
                assert_eq!(data, plain);
            } else {
                let errors = [SealError::MalformedSignature, SealError::Tampered];
                refused(&mut service, &header, &data, &errors);
            }
        }
    }
}

#[test]
fn repeated_lost_and_swapped_messages_are_noticed() {
    for encryption_type in TYPES {
        let (mut client, mut service) = contexts(encryption_type);
        let mut first = b"one".to_vec();
        let header = client.seal(&mut first).unwrap().header;
        let sealed = first.clone();
        service.unseal(&header, &mut first).unwrap();
        refused(&mut service, &header, &sealed, &[SealError::Tampered]);

        let (mut client, mut service) = contexts(encryption_type);
        client.seal(&mut b"lost".to_vec()).unwrap();
        let mut second = b"two".to_vec();
        let header = client.seal(&mut second).unwrap().header;
        refused(&mut service, &header, &second, &[SealError::Tampered]);
    }
}

#[test]
fn a_message_opens_neither_in_its_own_direction_nor_by_another_context() {
    for encryption_type in TYPES {
        let errors = [SealError::MalformedSignature, SealError::Tampered];
        let mut data = b"echo".to_vec();
        let header = sealer(encryption_type, Role::Initiator).seal(&mut data).unwrap().header;
        refused(&mut sealer(encryption_type, Role::Initiator), &header, &data, &errors);
        let mut other = context(encryption_type, Role::Acceptor, true);
        other.key[0] ^= 1;
        let mut other = KerberosSealer::new(other, true, &mut Fixed(7));
        refused(&mut other, &header, &data, &errors);
    }
}

#[test]
fn tokens_that_are_cut_short_are_refused() {
    for encryption_type in TYPES {
        let mut data = b"some text of a message".to_vec();
        let header = sealer(encryption_type, Role::Initiator).seal(&mut data).unwrap().header;
        let errors = [SealError::MalformedSignature, SealError::Tampered];
        for cut in 0..header.len() {
            refused(&mut sealer(encryption_type, Role::Acceptor), &header[..cut], &data, &errors);
            refused(&mut sealer(encryption_type, Role::Acceptor), &header[..cut], &[], &errors);
        }
        refused(&mut sealer(encryption_type, Role::Acceptor), &header, &[], &errors);
    }
}

#[test]
fn a_signature_counts_as_a_message_and_a_wrong_one_breaks_the_context() {
    for encryption_type in TYPES {
        let (mut client, mut service) = contexts(encryption_type);
        assert_eq!(client.expect_mech_list_mic(b"list"), None);
        let mic = client.mech_list_mic(b"list").unwrap();
        service.check_mech_list_mic(b"list", &mic).unwrap();
        let mut data = b"data".to_vec();
        let header = client.seal(&mut data).unwrap().header;
        service.unseal(&header, &mut data).unwrap();
        let mic = service.mech_list_mic(b"list").unwrap();
        assert_eq!(
            client.check_mech_list_mic(b"tsil", &mic),
            Err(Error::Seal(SealError::Tampered))
        );
        assert_eq!(client.seal(&mut data), Err(Error::Seal(SealError::Poisoned)));
    }
}

#[test]
fn a_login_without_confidentiality_signs_but_seals_nothing() {
    let context = context(EncryptionType::Aes256Sha1, Role::Initiator, true);
    let mut client = KerberosSealer::new(context, false, &mut Fixed(7));
    assert!(!client.can_seal());
    let mut data = b"data".to_vec();
    assert_eq!(client.seal(&mut data), Err(Error::Seal(SealError::NotNegotiated)));
    assert_eq!(data, b"data");
    client.mech_list_mic(b"list").unwrap();
}

#[test]
fn a_key_of_a_wrong_length_makes_nothing() {
    for encryption_type in TYPES {
        let mut context = context(encryption_type, Role::Initiator, true);
        context.key.push(1);
        let mut client = KerberosSealer::new(context, true, &mut Fixed(7));
        assert!(!client.can_seal());
        let mut data = b"data".to_vec();
        assert_eq!(client.seal(&mut data), Err(Error::Seal(SealError::Poisoned)));
        assert_eq!(data, b"data");
        assert_eq!(client.mech_list_mic(b"list"), Err(Error::Seal(SealError::Poisoned)));
    }
}

#[test]
fn keys_are_in_no_debug_output() {
    let context = context(EncryptionType::Aes256Sha1, Role::Initiator, true);
    let shown =
        format!("{context:?} {:?}", KerberosSealer::new(context.clone(), true, &mut Fixed(7)));
    assert!(!shown.contains("[1, 2, 3"), "{shown}");
}
