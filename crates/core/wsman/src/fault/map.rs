//! Which SOAP code, subcode, detail and action belong to an error code.
//!
//! The facts are those of Microsoft's own table, and the quota codes of [MS-WSMV].

use super::FaultCode;
use crate::ns;
use crate::ns::action;

/// How a fault with this error code looks.
pub(super) struct Shape {
    pub(super) code: u32,
    pub(super) soap: FaultCode,
    /// Namespace and local part; both empty for none.
    pub(super) subcode: (&'static str, &'static str),
    /// What follows [`ns::FAULT_DETAIL`]; empty for none.
    pub(super) detail: &'static str,
    pub(super) action: &'static str,
}

/// The shape of an error code. Codes without a row of their own are internal errors, as on
/// Windows.
pub(super) fn shape(code: u32) -> &'static Shape {
    let found = SHAPES.binary_search_by_key(&code, |shape| shape.code);
    found.ok().and_then(|index| SHAPES.get(index)).unwrap_or(&INTERNAL)
}

static INTERNAL: Shape = row(0, R, ns::WSMAN, "InternalError", "", WSMAN);

const S: FaultCode = FaultCode::Sender;
const R: FaultCode = FaultCode::Receiver;
const M: FaultCode = FaultCode::MustUnderstand;
const V: FaultCode = FaultCode::VersionMismatch;
const WSMAN: &str = action::WSMAN_FAULT;
const ADDRESSING: &str = action::ADDRESSING_FAULT;
const TRANSFER: &str = action::TRANSFER_FAULT;
const ENUMERATION: &str = action::ENUMERATION_FAULT;
const EVENTING: &str = action::EVENTING_FAULT;

const fn row(
    code: u32,
    soap: FaultCode,
    namespace: &'static str,
    local: &'static str,
    detail: &'static str,
    action: &'static str,
) -> Shape {
    Shape { code, soap, subcode: (namespace, local), detail, action }
}

/// Sorted by code.
#[rustfmt::skip]
static SHAPES: [Shape; 127] = [
    row(0x0000_0005, S, ns::WSMAN, "AccessDenied", "", WSMAN),
    row(0x0000_0057, S, ns::WSMAN, "InvalidParameter", "InvalidValue", WSMAN),
    row(0x0000_054F, R, ns::WSMAN, "InternalError", "", WSMAN),
    row(0x8033_8000, S, ns::ADDRESSING, "DestinationUnreachable", "InvalidResourceURI", ADDRESSING),
    row(0x8033_8001, S, ns::ADDRESSING, "ActionNotSupported", "", ADDRESSING),
    row(0x8033_800D, V, "", "", "", ADDRESSING),
    row(0x8033_800F, S, ns::ADDRESSING, "InvalidMessageInformationHeader", "", ADDRESSING),
    row(0x8033_8010, M, "", "", "", ADDRESSING),
    row(0x8033_8011, S, ns::ADDRESSING, "MessageInformationHeaderRequired", "", ADDRESSING),
    row(0x8033_8012, S, ns::ADDRESSING, "DestinationUnreachable", "", ADDRESSING),
    row(0x8033_8013, S, ns::ADDRESSING, "ActionNotSupported", "", ADDRESSING),
    row(0x8033_8014, R, ns::ADDRESSING, "EndpointUnavailable", "", ADDRESSING),
    row(0x8033_8015, S, ns::TRANSFER, "InvalidRepresentation", "", TRANSFER),
    row(0x8033_8016, S, ns::ENUMERATION, "InvalidExpirationTime", "", ENUMERATION),
    row(0x8033_8018, S, ns::ENUMERATION, "FilteringNotSupported", "", ENUMERATION),
    row(0x8033_8019, S, ns::ENUMERATION, "FilterDialectRequestedUnavailable", "", ENUMERATION),
    row(0x8033_801A, S, ns::ENUMERATION, "CannotProcessFilter", "", ENUMERATION),
    row(0x8033_801B, R, ns::ENUMERATION, "InvalidEnumerationContext", "", ENUMERATION),
    row(0x8033_801C, R, ns::ENUMERATION, "TimedOut", "", ENUMERATION),
    row(0x8033_801E, S, ns::EVENTING, "DeliveryModeRequestedUnavailable", "", EVENTING),
    row(0x8033_801F, S, ns::EVENTING, "InvalidExpirationTime", "", ENUMERATION),
    row(0x8033_8020, S, ns::EVENTING, "UnsupportedExpirationType", "", EVENTING),
    row(0x8033_8021, S, ns::EVENTING, "FilteringNotSupported", "", EVENTING),
    row(0x8033_8022, S, ns::EVENTING, "FilteringRequestedUnavailable", "", EVENTING),
    row(0x8033_8023, R, ns::EVENTING, "EventSourceUnableToProcess", "", EVENTING),
    row(0x8033_8024, R, ns::EVENTING, "UnableToRenew", "", EVENTING),
    row(0x8033_8025, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_8029, R, ns::WSMAN, "TimedOut", "", WSMAN),
    row(0x8033_802D, S, ns::WSMAN, "EncodingLimit", "URILimitExceeded", WSMAN),
    row(0x8033_8030, S, ns::WSMAN, "NoAck", "", WSMAN),
    row(0x8033_8031, S, ns::ADDRESSING, "ActionNotSupported", "ActionMismatch", ADDRESSING),
    row(0x8033_8032, S, ns::WSMAN, "Concurrency", "", WSMAN),
    row(0x8033_8033, S, ns::WSMAN, "AlreadyExists", "", WSMAN),
    row(0x8033_8034, R, ns::WSMAN, "DeliveryRefused", "", WSMAN),
    row(0x8033_8035, S, ns::WSMAN, "EncodingLimit", "", WSMAN),
    row(0x8033_8038, S, ns::WSMAN, "InvalidBookmark", "", WSMAN),
    row(0x8033_8039, S, ns::WSMAN, "InvalidOptions", "", WSMAN),
    row(0x8033_803A, S, ns::WSMAN, "InvalidParameter", "", WSMAN),
    row(0x8033_803B, S, ns::ADDRESSING, "DestinationUnreachable", "InvalidResourceURI", ADDRESSING),
    row(0x8033_803D, S, ns::WSMAN, "InvalidSelectors", "", WSMAN),
    row(0x8033_803F, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_8041, S, ns::WSMAN, "SchemaValidationError", "", WSMAN),
    row(0x8033_8042, S, ns::WSMAN, "UnsupportedFeature", "", WSMAN),
    row(0x8033_8043, S, ns::WSMAN, "InternalError", "Invalid", WSMAN),
    row(0x8033_8047, S, ns::WSMAN, "EncodingLimit", "MaxEnvelopeSize", WSMAN),
    row(0x8033_8048, S, ns::WSMAN, "EncodingLimit", "MaxEnvelopeSizeExceeded", WSMAN),
    row(0x8033_8049, S, ns::WSMAN, "EncodingLimit", "ServiceEnvelopeLimit", WSMAN),
    row(0x8033_804A, S, ns::WSMAN, "EncodingLimit", "SelectorLimit", WSMAN),
    row(0x8033_804B, S, ns::WSMAN, "EncodingLimit", "OptionLimit", WSMAN),
    row(0x8033_804C, S, ns::WSMAN, "EncodingLimit", "CharacterSet", WSMAN),
    row(0x8033_804D, S, ns::WSMAN, "EncodingLimit", "UnreportableSuccess", WSMAN),
    row(0x8033_804E, S, ns::WSMAN, "EncodingLimit", "Whitespace", WSMAN),
    row(0x8033_804F, S, ns::EVENTING, "FilteringRequestedUnavailable", "FilteringRequired", EVENTING),
    row(0x8033_8050, S, ns::WSMAN, "InvalidBookmark", "Expired", WSMAN),
    row(0x8033_8051, S, ns::WSMAN, "InvalidOptions", "NotSupported", WSMAN),
    row(0x8033_8052, S, ns::WSMAN, "InvalidOptions", "InvalidName", WSMAN),
    row(0x8033_8053, S, ns::WSMAN, "InvalidOptions", "InvalidValue", WSMAN),
    row(0x8033_8054, S, ns::WSMAN, "InvalidParameter", "TypeMismatch", WSMAN),
    row(0x8033_8055, S, ns::WSMAN, "InvalidParameter", "InvalidName", WSMAN),
    row(0x8033_8056, S, ns::TRANSFER, "InvalidRepresentation", "InvalidValues", TRANSFER),
    row(0x8033_8057, S, ns::TRANSFER, "InvalidRepresentation", "MissingValues", TRANSFER),
    row(0x8033_8058, S, ns::TRANSFER, "InvalidRepresentation", "InvalidNamespace", TRANSFER),
    row(0x8033_8059, S, ns::TRANSFER, "InvalidRepresentation", "InvalidFragment", TRANSFER),
    row(0x8033_805A, S, ns::WSMAN, "InvalidSelectors", "InsufficientSelectors", WSMAN),
    row(0x8033_805B, S, ns::WSMAN, "InvalidSelectors", "UnexpectedSelectors", WSMAN),
    row(0x8033_805C, S, ns::WSMAN, "InvalidSelectors", "TypeMismatch", WSMAN),
    row(0x8033_805D, S, ns::WSMAN, "InvalidSelectors", "InvalidValue", WSMAN),
    row(0x8033_805E, S, ns::WSMAN, "InvalidSelectors", "AmbiguousSelectors", WSMAN),
    row(0x8033_805F, S, ns::WSMAN, "InvalidSelectors", "DuplicateSelectors", WSMAN),
    row(0x8033_8064, S, ns::WSMAN, "UnsupportedFeature", "AuthorizationMode", WSMAN),
    row(0x8033_8065, S, ns::WSMAN, "UnsupportedFeature", "Ack", WSMAN),
    row(0x8033_8066, S, ns::WSMAN, "UnsupportedFeature", "OperationTimeout", WSMAN),
    row(0x8033_8067, S, ns::WSMAN, "UnsupportedFeature", "Locale", WSMAN),
    row(0x8033_8068, S, ns::WSMAN, "UnsupportedFeature", "ExpirationTime", WSMAN),
    row(0x8033_8069, S, ns::WSMAN, "UnsupportedFeature", "DeliveryRetries", WSMAN),
    row(0x8033_806A, S, ns::WSMAN, "UnsupportedFeature", "Heartbeats", WSMAN),
    row(0x8033_806B, S, ns::WSMAN, "UnsupportedFeature", "Bookmarks", WSMAN),
    row(0x8033_806D, S, ns::WSMAN, "UnsupportedFeature", "MaxTime", WSMAN),
    row(0x8033_806E, S, ns::WSMAN, "UnsupportedFeature", "MaxEnvelopeSize", WSMAN),
    row(0x8033_806F, S, ns::WSMAN, "UnsupportedFeature", "MaxEnvelopePolicy", WSMAN),
    row(0x8033_8070, S, ns::WSMAN, "UnsupportedFeature", "FilteringRequired", WSMAN),
    row(0x8033_8071, S, ns::WSMAN, "UnsupportedFeature", "InsecureAddress", WSMAN),
    row(0x8033_8072, S, ns::WSMAN, "UnsupportedFeature", "FormatMismatch", WSMAN),
    row(0x8033_8073, S, ns::WSMAN, "UnsupportedFeature", "FormatSecurityToken", WSMAN),
    row(0x8033_8076, S, ns::WSMAN, "UnsupportedFeature", "AddressingMode", WSMAN),
    row(0x8033_8077, S, ns::WSMAN, "UnsupportedFeature", "FragmentLevelAccess", WSMAN),
    row(0x8033_807E, S, ns::WSMAN, "EncodingLimit", "MinimumEnvelopeLimit", WSMAN),
    row(0x8033_8081, S, ns::ADDRESSING, "InvalidMessageInformationHeader", "InvalidTimeout", WSMAN),
    row(0x8033_8086, S, ns::WSMAN, "UnsupportedFeature", "EnumerationMode", WSMAN),
    row(0x8033_8087, S, ns::WSMAN, "UnsupportedFeature", "Locale", WSMAN),
    row(0x8033_8090, R, ns::WSMAN, "FragmentDialectNotSupported", "", WSMAN),
    row(0x8033_8093, S, ns::WSMAN, "CannotProcessFilter", "", WSMAN),
    row(0x8033_8094, S, ns::WSMAN, "UnsupportedFeature", "FormatMismatch", ADDRESSING),
    row(0x8033_8095, S, ns::EVENTING, "EventSourceUnableToProcess", "UnusableAddress", EVENTING),
    row(0x8033_8096, S, ns::WSMAN, "UnsupportedFeature", "AddressingMode", ADDRESSING),
    row(0x8033_809B, R, ns::EVENTING, "SourceShuttingDown", "", EVENTING),
    row(0x8033_809C, R, ns::EVENTING, "DeliveryFailure", "", EVENTING),
    row(0x8033_809E, R, ns::EVENTING, "SourceCancelling", "", EVENTING),
    row(0x8033_80A0, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_80A1, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_80A2, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_80A3, S, ns::WSMAN, "InvalidParameter", "Locale", WSMAN),
    row(0x8033_80A4, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_80A6, S, ns::WSMAN, "InvalidOptions", "NotSupported", WSMAN),
    row(0x8033_80A8, S, ns::EVENTING, "InvalidMessage", "", EVENTING),
    row(0x8033_80FA, S, ns::WSMAN, "InvalidSelectors", "InsufficientSelectors", WSMAN),
    row(0x8033_8114, S, ns::WSMAN, "SchemaValidationError", "", WSMAN),
    row(0x8033_8119, S, ns::WSMAN, "EncodingLimit", "EncodingType", WSMAN),
    row(0x8033_811A, R, ns::ADDRESSING, "EndpointUnavailable", "InvalidValues", ADDRESSING),
    row(0x8033_811C, S, ns::ENUMERATION, "UnsupportedExpirationType", "", ENUMERATION),
    row(0x8033_811D, S, ns::WSMAN, "UnsupportedFeature", "MaxElements", WSMAN),
    row(0x8033_8122, S, ns::WSMAN, "CannotProcessFilter", "", WSMAN),
    row(0x8033_8137, R, ns::CIM_BINDING, "PolymorphismModeNotSupported", "", WSMAN),
    row(0x8033_8138, S, ns::WSMAN, "UnsupportedFeature", "InvalidResourceURI", WSMAN),
    row(0x8033_815D, R, ns::WSMAN, "EventDeliverToUnusable", "PolicyTooComplex", WSMAN),
    row(0x8033_815E, R, ns::WSMAN, "EventDeliverToUnusable", "CannotComplyWithPolicy", WSMAN),
    row(0x8033_81A5, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81A6, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81A7, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81A8, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81AB, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E4, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E5, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E6, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E7, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E8, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
    row(0x8033_81E9, S, ns::WSMAN, "QuotaLimit", "", WSMAN),
];
