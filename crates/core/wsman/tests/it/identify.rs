//! Identify, with and without a login.

use wsman::identify::{HIDDEN_PRODUCT_VERSION, Identify, IdentifyResponse};
use wsman::xml::{Element, Limits};
use wsman::{Envelope, Error};

fn response() -> IdentifyResponse {
    IdentifyResponse {
        protocol_versions: vec!["urn:one".to_owned(), "urn:two".to_owned()],
        product_vendor: Some("vendor".to_owned()),
        product_version: Some("OS: 10.0.20348 SP: 0.0 Stack: 3.0".to_owned()),
        security_profiles: Some(Vec::new()),
        other: vec![Element::new("urn:dash", "DASHVersion").with_text("1.0")],
    }
}

#[test]
fn both_directions_survive_encoding() {
    let sent = response().to_envelope();
    let read = Envelope::decode(&sent.encode(), &Limits::default()).unwrap();
    assert_eq!(IdentifyResponse::from_envelope(&read), Ok(response()));
    let identify = Identify { other: vec![Element::new("urn:x", "More")] };
    let read = Envelope::decode(&identify.to_envelope().encode(), &Limits::default()).unwrap();
    assert_eq!(Identify::from_envelope(&read), Some(identify));
    assert_eq!(Identify::from_envelope(&sent), None);
}

#[test]
fn answer_without_a_login_hides_the_system() {
    let hidden = response().unauthenticated();
    assert_eq!(hidden.product_version.as_deref(), Some(HIDDEN_PRODUCT_VERSION));
    assert_eq!(hidden.security_profiles, None);
    assert_eq!(hidden.product_vendor, response().product_vendor);
}

#[test]
fn answer_without_a_protocol_version_is_refused() {
    let mut empty = response();
    empty.protocol_versions.clear();
    let error = IdentifyResponse::from_envelope(&empty.to_envelope()).unwrap_err();
    assert!(matches!(error, Error::Missing { name: "wsmid:ProtocolVersion", .. }));
    let request = Identify::default().to_envelope();
    let error = IdentifyResponse::from_envelope(&request).unwrap_err();
    assert!(matches!(error, Error::UnexpectedElement(_)));
}

/// OMI 1.0.8 answers so: the outer element is SOAP's.
#[test]
fn answer_of_omi_is_read() {
    let text = "<soap:Envelope xmlns:soap='http://www.w3.org/2003/05/soap-envelope' \
         xmlns:i='http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd'><soap:Header/><soap:Body>\
         <soap:IdentifyResponse><i:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</i:ProtocolVersion>\
         <i:ProductVendor>V</i:ProductVendor></soap:IdentifyResponse></soap:Body></soap:Envelope>";
    let read = |text: &str| {
        let envelope = Envelope::decode(text.as_bytes(), &Limits::default()).unwrap();
        IdentifyResponse::from_envelope(&envelope)
    };
    let answer = read(text).unwrap();
    assert_eq!(answer.product_vendor.as_deref(), Some("V"));
    assert_eq!(answer.protocol_versions.len(), 1);
    assert!(read(&text.replace("soap:IdentifyResponse", "soap:Response")).is_err());
}
