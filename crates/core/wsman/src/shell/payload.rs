//! What a plug-in and its client say to each other inside WS-Management's messages: base64 in an
//! element of PowerShell's namespace ([MS-PSRP] 3.1.5.3), or in the first argument of a Command.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::stream::decode_base64;
use crate::error::Error;
use crate::ns;
use crate::xml::Element;

/// The bytes of an element whose content is base64.
pub(super) fn read(element: &Element, name: &'static str) -> Result<Vec<u8>, Error> {
    if element.elements().next().is_some() {
        return Err(Error::Value(name));
    }
    decode_base64(&element.text()).ok_or(Error::Value(name))
}

/// The element `local` of PowerShell's namespace with the bytes in it.
pub(super) fn write(local: &'static str, data: &[u8]) -> Element {
    Element::new(ns::POWERSHELL, local).with_text(STANDARD.encode(data))
}
