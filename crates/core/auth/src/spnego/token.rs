//! [`NegTokenInit`] and [`NegTokenResp`]: what SPNEGO says (RFC 4178 4.2, [MS-SPNG] 2.2.1).

use super::{
    Oid,
    der::{APPLICATION_0, BIT_STRING, Der, ENUMERATED, OCTET_STRING, OID, SEQUENCE, context, wrap},
};
use crate::{DecodeError, DecodeErrorKind};

/// Most mechanisms that a list may name; Windows names four.
const MECH_TYPES_MAX: usize = 32;

/// The client's first token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegTokenInit {
    /// The mechanisms, best first.
    pub mech_types: Vec<Oid>,
    /// The list exactly as it stands on the wire: what `mechListMIC` protects.
    pub mech_list: Vec<u8>,
    /// The first token of the first mechanism, sent on the chance that the service agrees.
    pub mech_token: Option<Vec<u8>>,
    /// Text that a service sends when it speaks first ([MS-SPNG] 2.2.1); of no meaning.
    pub hint_name: Option<Vec<u8>>,
    /// Signature over the list; never in an honest first token.
    pub mech_list_mic: Option<Vec<u8>>,
}

impl NegTokenInit {
    const MESSAGE: &str = "NegTokenInit";

    /// A first token that offers `mech_types`.
    #[must_use]
    pub fn new(mech_types: Vec<Oid>, mech_token: Option<Vec<u8>>) -> Self {
        let list: Vec<u8> =
            mech_types.iter().flat_map(|oid| wrap(OID, oid.as_der_content())).collect();
        Self { mech_list: wrap(SEQUENCE, &list), mech_types, mech_token, ..Self::default() }
    }

    /// Reads a token with its wrapping.
    ///
    /// # Errors
    /// When the token is not well formed or names no mechanism.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Der { message: Self::MESSAGE, rest: bytes };
        let mut token = outer.enter("InitialContextToken", APPLICATION_0)?;
        outer.end("InitialContextToken")?;
        if token.content("thisMech", OID)? != Oid::SPNEGO.as_der_content() {
            return Err(token.error("thisMech", DecodeErrorKind::Invalid));
        }
        let mut choice = token.enter("innerContextToken", context(0))?;
        token.end("innerContextToken")?;
        let mut fields = choice.enter("NegTokenInit", SEQUENCE)?;
        choice.end("NegTokenInit")?;

        let mut init = Self::default();
        init.read_mech_types(fields.enter("mechTypes", context(0))?)?;
        if fields.peek() == Some(context(1)) {
            fields.enter("reqFlags", context(1))?.single("reqFlags", BIT_STRING)?;
        }
        if fields.peek() == Some(context(2)) {
            let token = fields.enter("mechToken", context(2))?.single("mechToken", OCTET_STRING)?;
            init.mech_token = Some(token.to_vec());
        }
        if fields.peek() == Some(context(3)) {
            let mut field = fields.enter("mechListMIC", context(3))?;
            // [MS-SPNG] 2.2.1 put hints in the place of the signature.
            if field.peek() == Some(SEQUENCE) {
                let mut hints = field.enter("negHints", SEQUENCE)?;
                field.end("negHints")?;
                if hints.peek() == Some(context(0)) {
                    let (_, name, _) = hints.enter("hintName", context(0))?.any("hintName")?;
                    init.hint_name = Some(name.to_vec());
                }
            } else {
                init.mech_list_mic = Some(field.single("mechListMIC", OCTET_STRING)?.to_vec());
            }
        }
        if fields.peek() == Some(context(4)) {
            let mic =
                fields.enter("mechListMIC", context(4))?.single("mechListMIC", OCTET_STRING)?;
            init.mech_list_mic = Some(mic.to_vec());
        }
        fields.end("NegTokenInit")?;
        Ok(init)
    }

    fn read_mech_types(&mut self, field: Der<'_>) -> Result<(), DecodeError> {
        let mut field = field;
        let (tag, content, whole) = field.any("mechTypes")?;
        field.end("mechTypes")?;
        if tag != SEQUENCE {
            return Err(field.error("mechTypes", DecodeErrorKind::Invalid));
        }
        self.mech_list = whole.to_vec();
        let mut list = Der { rest: content, ..field };
        while !list.rest.is_empty() {
            if self.mech_types.len() >= MECH_TYPES_MAX {
                return Err(list.error("mechTypes", DecodeErrorKind::TooLong));
            }
            self.mech_types.push(Oid::from_der_content(list.content("MechType", OID)?));
        }
        if self.mech_types.is_empty() {
            return Err(list.error("mechTypes", DecodeErrorKind::Missing));
        }
        Ok(())
    }

    /// The token with its wrapping.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = wrap(context(0), &self.mech_list);
        if let Some(token) = &self.mech_token {
            fields.extend(wrap(context(2), &wrap(OCTET_STRING, token)));
        }
        let hinted = self.hint_name.is_some();
        if let Some(name) = &self.hint_name {
            // GeneralString, inside the sequence of hints.
            fields.extend(wrap(context(3), &wrap(SEQUENCE, &wrap(context(0), &wrap(0x1B, name)))));
        }
        if let Some(mic) = &self.mech_list_mic {
            fields.extend(wrap(context(if hinted { 4 } else { 3 }), &wrap(OCTET_STRING, mic)));
        }
        let mut token = wrap(OID, Oid::SPNEGO.as_der_content());
        token.extend(wrap(context(0), &wrap(SEQUENCE, &fields)));
        wrap(APPLICATION_0, &token)
    }
}

/// How far a negotiation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4178 4.2.2 fixes the values")]
pub enum NegState {
    /// Nothing more is expected.
    AcceptCompleted,
    /// Another token is expected.
    AcceptIncomplete,
    /// No.
    Reject,
    /// Another token is expected, and `mechListMIC` with it.
    RequestMic,
}

impl NegState {
    const ALL: [Self; 4] =
        [Self::AcceptCompleted, Self::AcceptIncomplete, Self::Reject, Self::RequestMic];
}

/// Every token after the first, in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegTokenResp {
    /// How far the negotiation is.
    pub neg_state: Option<NegState>,
    /// The chosen mechanism; in the service's first token only.
    pub supported_mech: Option<Oid>,
    /// The mechanism's token.
    pub response_token: Option<Vec<u8>>,
    /// Signature over the client's list of mechanisms.
    pub mech_list_mic: Option<Vec<u8>>,
}

impl NegTokenResp {
    const MESSAGE: &str = "NegTokenResp";

    /// Reads a token.
    ///
    /// # Errors
    /// When the token is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Der { message: Self::MESSAGE, rest: bytes };
        let mut choice = outer.enter("NegTokenResp", context(1))?;
        outer.end("NegTokenResp")?;
        let mut fields = choice.enter("NegTokenResp", SEQUENCE)?;
        choice.end("NegTokenResp")?;
        let mut resp = Self::default();
        if fields.peek() == Some(context(0)) {
            let state =
                match fields.enter("negState", context(0))?.single("negState", ENUMERATED)? {
                    [number] => NegState::ALL.get(usize::from(*number)).copied(),
                    _ => None,
                };
            resp.neg_state =
                Some(state.ok_or_else(|| fields.error("negState", DecodeErrorKind::Invalid))?);
        }
        if fields.peek() == Some(context(1)) {
            let oid = fields.enter("supportedMech", context(1))?.single("supportedMech", OID)?;
            resp.supported_mech = Some(Oid::from_der_content(oid));
        }
        if fields.peek() == Some(context(2)) {
            let token =
                fields.enter("responseToken", context(2))?.single("responseToken", OCTET_STRING)?;
            resp.response_token = Some(token.to_vec());
        }
        if fields.peek() == Some(context(3)) {
            let mic =
                fields.enter("mechListMIC", context(3))?.single("mechListMIC", OCTET_STRING)?;
            resp.mech_list_mic = Some(mic.to_vec());
        }
        fields.end("NegTokenResp")?;
        Ok(resp)
    }

    /// The token.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        if let Some(state) = self.neg_state {
            let number = NegState::ALL.iter().position(|known| *known == state).unwrap_or_default();
            let number = u8::try_from(number).unwrap_or_default();
            fields.extend(wrap(context(0), &wrap(ENUMERATED, &[number])));
        }
        if let Some(oid) = &self.supported_mech {
            fields.extend(wrap(context(1), &wrap(OID, oid.as_der_content())));
        }
        if let Some(token) = &self.response_token {
            fields.extend(wrap(context(2), &wrap(OCTET_STRING, token)));
        }
        if let Some(mic) = &self.mech_list_mic {
            fields.extend(wrap(context(3), &wrap(OCTET_STRING, mic)));
        }
        wrap(context(1), &wrap(SEQUENCE, &fields))
    }
}
