//! What `pubKeyAuth` says of the service's key ([MS-CSSP] 3.1.5, step 3 and 4).

use sha2::{Digest as _, Sha256};

use super::SAFE_VERSION;

const TO_SERVER: &[u8] = b"CredSSP Client-To-Server Binding Hash\0";
const TO_CLIENT: &[u8] = b"CredSSP Server-To-Client Binding Hash\0";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Client,
    Service,
}

/// What this side says of the key; `None` where the version wants a nonce and there is none.
pub(super) fn proof(
    version: u32,
    speaker: Speaker,
    nonce: Option<&[u8; 32]>,
    key: &[u8],
) -> Option<Vec<u8>> {
    if version < SAFE_VERSION {
        let mut proof = key.to_vec();
        if let (Speaker::Service, Some(first)) = (speaker, proof.first_mut()) {
            *first = first.wrapping_add(1);
        }
        return Some(proof);
    }
    let words = match speaker {
        Speaker::Client => TO_SERVER,
        Speaker::Service => TO_CLIENT,
    };
    let hash = Sha256::new().chain_update(words).chain_update(nonce?).chain_update(key);
    Some(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_say_something_else_and_new_versions_need_the_nonce() {
        let key = [0xFF, 2, 3];
        assert_eq!(proof(4, Speaker::Client, None, &key), Some(vec![0xFF, 2, 3]));
        assert_eq!(proof(2, Speaker::Service, None, &key), Some(vec![0, 2, 3]));
        assert_eq!(proof(5, Speaker::Client, None, &key), None);
        let nonce = [9; 32];
        let client = proof(6, Speaker::Client, Some(&nonce), &key).unwrap();
        assert_eq!(client.len(), 32);
        assert_ne!(Some(client), proof(6, Speaker::Service, Some(&nonce), &key));
    }
}
