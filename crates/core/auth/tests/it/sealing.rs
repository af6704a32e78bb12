//! Sealed messages that were changed, repeated or lost.

use auth::{Error, SealError, Sealer};

use crate::support::Setup;

fn contexts(spnego: bool) -> (Box<dyn Sealer>, Box<dyn Sealer>) {
    let (client, login) = Setup { spnego, ..Setup::default() }.run().unwrap();
    (client.unwrap(), login.sealer.unwrap())
}

fn refused(service: &mut dyn Sealer, header: &[u8], data: &[u8], error: SealError) {
    let mut data = data.to_vec();
    assert_eq!(service.unseal(header, &mut data), Err(Error::Seal(error)));
    assert!(data.is_empty(), "half-opened data is handed out");
    // Nothing works any more, in either direction.
    assert_eq!(service.unseal(header, &mut data), Err(Error::Seal(SealError::Poisoned)));
    assert_eq!(service.seal(&mut data), Err(Error::Seal(SealError::Poisoned)));
}

#[test]
fn every_changed_bit_of_a_sealed_message_is_noticed() {
    let plain = b"<s:Envelope/>";
    for bit in 0..(16 + plain.len()) * 8 {
        let (mut client, mut service) = contexts(false);
        let mut data = plain.to_vec();
        let mut header = client.seal(&mut data).unwrap().header;
        let (byte, mask) = (bit / 8, 1 << (bit % 8));
        if byte < 16 {
            header[byte] ^= mask;
        } else {
            data[byte - 16] ^= mask;
        }
        let error = if byte < 4 { SealError::MalformedSignature } else { SealError::Tampered };
        refused(service.as_mut(), &header, &data, error);
    }
}

#[test]
fn repeated_lost_and_swapped_messages_are_noticed() {
    let (mut client, mut service) = contexts(true);
    let mut first = b"one".to_vec();
    let header = client.seal(&mut first).unwrap().header;
    let sealed = first.clone();
    service.unseal(&header, &mut first).unwrap();
    refused(service.as_mut(), &header, &sealed, SealError::Tampered);

    let (mut client, mut service) = contexts(true);
    client.seal(&mut b"lost".to_vec()).unwrap();
    let mut second = b"two".to_vec();
    let header = client.seal(&mut second).unwrap().header;
    refused(service.as_mut(), &header, &second, SealError::Tampered);
}

#[test]
fn signatures_of_a_wrong_length_are_refused() {
    for length in [0, 3, 15, 17] {
        let (mut client, mut service) = contexts(false);
        let mut data = b"one".to_vec();
        let mut header = client.seal(&mut data).unwrap().header;
        header.resize(length, 0);
        refused(service.as_mut(), &header, &data, SealError::MalformedSignature);
    }
}

#[test]
fn a_message_does_not_open_in_its_own_direction() {
    let (mut client, _) = contexts(false);
    let mut data = b"echo".to_vec();
    let header = client.seal(&mut data).unwrap().header;
    refused(client.as_mut(), &header, &data, SealError::Tampered);
}
