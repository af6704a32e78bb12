//! The three messages of a login ([MS-NLMP] 2.2.1).

use std::ops::Range;

use super::{
    Flags,
    wire::{Reader, Writer, encode_utf16},
};
use crate::{ApiMisuse, DecodeError, DecodeErrorKind};

/// What our messages carry as version, for the peer's logs only ([MS-NLMP] 2.2.2.10): 10.0, NTLM revision 15.
pub const VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 0x0F];

/// NEGOTIATE_MESSAGE ([MS-NLMP] 2.2.1.1). Domain and workstation are not kept: nothing depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "[MS-NLMP] fixes the fields")]
pub struct Negotiate {
    /// What the client asks for.
    pub flags: Flags,
    /// The client's version; zeros when it has none.
    pub version: [u8; 8],
}

impl Negotiate {
    const MESSAGE: &str = "NEGOTIATE_MESSAGE";

    /// Reads a message. Old clients leave out the version, and very old ones the names.
    ///
    /// # Errors
    /// When a field lies outside the message or the message is another one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = Reader::open(Self::MESSAGE, bytes, 1)?;
        let flags = Flags(reader.u32("NegotiateFlags", 12)?);
        if bytes.len() > 16 {
            reader.place("DomainNameFields", 16, 32)?;
            reader.place("WorkstationFields", 24, 32)?;
        }
        let version =
            if flags.contains(Flags::VERSION) { reader.array("Version", 32)? } else { [0; 8] };
        Ok(Self { flags, version })
    }

    /// The message with empty names.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(1, 40);
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.fixed(&[0; 16]);
        writer.fixed(&self.version);
        writer.finish()
    }
}

/// CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "[MS-NLMP] fixes the fields")]
pub struct Challenge {
    /// What the service grants.
    pub flags: Flags,
    /// Eight unpredictable bytes.
    pub server_challenge: [u8; 8],
    /// Name of the machine or its domain.
    pub target_name: String,
    /// The attribute list as it stands on the wire; [`AvPairs::decode`](super::AvPairs::decode) reads it.
    pub target_info: Vec<u8>,
    /// The service's version; zeros when it has none.
    pub version: [u8; 8],
}

impl Challenge {
    const MESSAGE: &str = "CHALLENGE_MESSAGE";

    /// Reads a message whose text is Unicode.
    ///
    /// # Errors
    /// When a field lies outside the message, the message is another one, or its text is not UTF-16.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = Reader::open(Self::MESSAGE, bytes, 2)?;
        let flags = Flags(reader.u32("NegotiateFlags", 20)?);
        let name = reader.place("TargetNameFields", 12, 48)?;
        let info = reader.place("TargetInfoFields", 40, 48)?;
        // In a code page the name is of no use to anybody: it is only shown.
        let target_name = if flags.contains(Flags::UNICODE) {
            reader.text("TargetName", name)?
        } else {
            String::new()
        };
        let version =
            if flags.contains(Flags::VERSION) { reader.array("Version", 48)? } else { [0; 8] };
        Ok(Self {
            flags,
            server_challenge: reader.array("ServerChallenge", 24)?,
            target_name,
            target_info: reader.slice(info).to_vec(),
            version,
        })
    }

    /// The message, name before target information.
    ///
    /// # Errors
    /// When name or target information are longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ApiMisuse> {
        let mut writer = Writer::new(2, 56);
        let name = writer.store("TargetName", &encode_utf16(&self.target_name))?;
        let info = writer.store("TargetInfo", &self.target_info)?;
        writer.fixed(&name);
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.fixed(&self.server_challenge);
        writer.fixed(&[0; 8]);
        writer.fixed(&info);
        writer.fixed(&self.version);
        Ok(writer.finish())
    }
}

/// Where the message integrity code stands in an AUTHENTICATE_MESSAGE.
pub(crate) const MIC: Range<usize> = 72..88;

/// AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3).
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "[MS-NLMP] fixes the fields")]
pub struct Authenticate {
    /// What the client takes on.
    pub flags: Flags,
    /// Domain of the user.
    pub domain: String,
    /// The user.
    pub user: String,
    /// Name of the client's machine.
    pub workstation: String,
    /// The LM response: ignored by us, zeros or LMv2 when we send it.
    pub lm_response: Vec<u8>,
    /// The NT response.
    pub nt_response: Vec<u8>,
    /// The session key that the client chose, encrypted.
    pub encrypted_session_key: Vec<u8>,
    /// The client's version; zeros when it has none.
    pub version: [u8; 8],
    /// The message integrity code, where the message leaves room for one.
    pub mic: Option<[u8; 16]>,
}

impl std::fmt::Debug for Authenticate {
    /// Leaves the responses out: with them a weak password can be guessed offline.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate")
            .field("flags", &self.flags)
            .field("domain", &self.domain)
            .field("user", &self.user)
            .field("workstation", &self.workstation)
            .finish_non_exhaustive()
    }
}

impl Authenticate {
    const MESSAGE: &str = "AUTHENTICATE_MESSAGE";

    /// Reads a message whose text is Unicode. Version and integrity code are there when the payload begins behind
    /// them.
    ///
    /// # Errors
    /// When a field lies outside the message, the message is another one, or its text is not UTF-16.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = Reader::open(Self::MESSAGE, bytes, 3)?;
        let flags = Flags(reader.u32("NegotiateFlags", 60)?);
        let place = |field, at| reader.place(field, at, 64);
        let lm = place("LmChallengeResponseFields", 12)?;
        let nt = place("NtChallengeResponseFields", 20)?;
        let domain = place("DomainNameFields", 28)?;
        let user = place("UserNameFields", 36)?;
        let workstation = place("WorkstationFields", 44)?;
        let key = place("EncryptedRandomSessionKeyFields", 52)?;
        let payload = [&lm, &nt, &domain, &user, &workstation, &key]
            .into_iter()
            .filter(|place| !place.is_empty())
            .map(|place| place.start)
            .min()
            .unwrap_or(bytes.len());
        let version = if payload >= MIC.start { reader.array("Version", 64)? } else { [0; 8] };
        let mic = if payload >= MIC.end { Some(reader.array("MIC", MIC.start)?) } else { None };
        let text = |field, place| {
            if flags.contains(Flags::UNICODE) {
                reader.text(field, place)
            } else {
                Err(reader.error(field, DecodeErrorKind::Invalid))
            }
        };
        Ok(Self {
            flags,
            domain: text("DomainName", domain)?,
            user: text("UserName", user)?,
            workstation: text("Workstation", workstation)?,
            lm_response: reader.slice(lm).to_vec(),
            nt_response: reader.slice(nt).to_vec(),
            encrypted_session_key: reader.slice(key).to_vec(),
            version,
            mic,
        })
    }

    /// The message in Windows's order: domain, user, workstation, LM response, NT response, key.
    ///
    /// # Errors
    /// When a field is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ApiMisuse> {
        let mut writer = Writer::new(3, if self.mic.is_some() { MIC.end } else { MIC.start });
        let domain = writer.store("DomainName", &encode_utf16(&self.domain))?;
        let user = writer.store("UserName", &encode_utf16(&self.user))?;
        let workstation = writer.store("Workstation", &encode_utf16(&self.workstation))?;
        let lm = writer.store("LmChallengeResponse", &self.lm_response)?;
        let nt = writer.store("NtChallengeResponse", &self.nt_response)?;
        let key = writer.store("EncryptedRandomSessionKey", &self.encrypted_session_key)?;
        for field in [lm, nt, domain, user, workstation, key] {
            writer.fixed(&field);
        }
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.fixed(&self.version);
        if let Some(mic) = self.mic {
            writer.fixed(&mic);
        }
        Ok(writer.finish())
    }
}
