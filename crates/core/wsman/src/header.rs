//! SOAP header blocks, typed; unknown ones survive.

use crate::duration::Duration;
use crate::ns;
use crate::selector::{
    EndpointReference, OptionSet, SelectorSet, attributes_except, parse_boolean,
};
use crate::xml::{Attribute, Element, Name};

/// The blocks of a SOAP header in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// One header block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `s:mustUnderstand`; absent means false. An attribute of that name without a namespace, as
    /// pywinrm writes it, has no meaning and is among [`Self::attributes`].
    pub must_understand: Option<bool>,
    /// Attributes that are not part of the value, such as `s:role` or `a:RelationshipType`.
    pub attributes: Vec<Attribute>,
    /// What the block is.
    pub value: HeaderValue,
}

/// What a header block says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderValue {
    /// `a:Action`.
    Action(String),
    /// `p:ActivityId`, at most 2,048 characters.
    ActivityId(String),
    /// `w:AckRequested`.
    AckRequested,
    /// `rsp:CompressionType`; the value is `xpress`.
    CompressionType(String),
    /// `p:DataLocale`: the language tag of `xml:lang`.
    DataLocale(String),
    /// `a:FaultTo`.
    FaultTo(EndpointReference),
    /// `w:FragmentTransfer`, as it came: its text is in a dialect.
    FragmentTransfer(Element),
    /// `a:From`.
    From(EndpointReference),
    /// `w:Locale`: the language tag of `xml:lang`.
    Locale(String),
    /// `m:MachineID`.
    MachineId(String),
    /// `w:MaxEnvelopeSize` in octets.
    MaxEnvelopeSize(u64),
    /// `a:MessageID`, byte for byte.
    MessageId(String),
    /// `s:NotUnderstood`: the name of the header that a `s:MustUnderstand` fault is about.
    NotUnderstood(Element),
    /// `p:OperationID` (or `p:OperationId`, which some messages say).
    OperationId(String),
    /// `w:OperationTimeout`.
    OperationTimeout(Duration),
    /// `w:OptionSet`.
    OptionSet(OptionSet),
    /// `a:RelatesTo`, byte for byte.
    RelatesTo(String),
    /// `a:ReplyTo`.
    ReplyTo(EndpointReference),
    /// `w:RequestEPR`.
    RequestEpr,
    /// `w:RequestTotalItemsCountEstimate`.
    RequestTotalItemsCountEstimate,
    /// `w:ResourceURI`.
    ResourceUri(String),
    /// `w:SelectorSet`.
    SelectorSet(SelectorSet),
    /// `p:SequenceId`, from 1.
    SequenceId(u64),
    /// `p:SessionId`, `uuid:` and a GUID.
    SessionId(String),
    /// `a:To`.
    To(String),
    /// `w:TotalItemsCountEstimate`; `None` where it is nil.
    TotalItemsCountEstimate(Option<u64>),
    /// A header of a known name whose content is not what that name needs.
    /// [`Header::check_request`] faults on it.
    Malformed(Element),
    /// A header that this crate does not know.
    Other(Element),
}

macro_rules! text_accessors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<&str> {
            self.blocks.iter().find_map(|block| match &block.value {
                HeaderValue::$variant(text) => Some(text.as_str()),
                _ => None,
            })
        })*
    };
}

macro_rules! value_accessors {
    ($($(#[$doc:meta])* $name:ident -> $type:ty => $variant:ident;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<&$type> {
            self.blocks.iter().find_map(|block| match &block.value {
                HeaderValue::$variant(value) => Some(value),
                _ => None,
            })
        })*
    };
}

#[expect(clippy::wildcard_enum_match_arm, reason = "each accessor looks for one variant")]
impl Header {
    text_accessors! {
        /// `a:Action`.
        action => Action;
        /// `a:To`.
        to => To;
        /// `a:MessageID`, byte for byte.
        message_id => MessageId;
        /// `a:RelatesTo`, byte for byte.
        relates_to => RelatesTo;
        /// `w:ResourceURI`.
        resource_uri => ResourceUri;
        /// The language tag of `w:Locale`.
        locale => Locale;
        /// The language tag of `p:DataLocale`.
        data_locale => DataLocale;
        /// `p:SessionId`.
        session_id => SessionId;
        /// `p:OperationID`.
        operation_id => OperationId;
        /// `p:ActivityId`.
        activity_id => ActivityId;
        /// `m:MachineID`.
        machine_id => MachineId;
        /// `rsp:CompressionType`.
        compression_type => CompressionType;
    }

    value_accessors! {
        /// `a:ReplyTo`.
        reply_to -> EndpointReference => ReplyTo;
        /// `a:FaultTo`.
        fault_to -> EndpointReference => FaultTo;
        /// `w:OperationTimeout`.
        operation_timeout -> Duration => OperationTimeout;
        /// `w:SelectorSet`.
        selectors -> SelectorSet => SelectorSet;
        /// `w:OptionSet`.
        options -> OptionSet => OptionSet;
        /// `w:FragmentTransfer`.
        fragment_transfer -> Element => FragmentTransfer;
    }

    /// `w:MaxEnvelopeSize` in octets.
    #[must_use]
    pub fn max_envelope_size(&self) -> Option<u64> {
        self.blocks.iter().find_map(|block| match block.value {
            HeaderValue::MaxEnvelopeSize(size) => Some(size),
            _ => None,
        })
    }

    /// Whether `w:RequestTotalItemsCountEstimate` asks how many items an enumeration has.
    #[must_use]
    pub fn wants_item_count(&self) -> bool {
        let asks =
            |block: &Block| matches!(block.value, HeaderValue::RequestTotalItemsCountEstimate);
        self.blocks.iter().any(asks)
    }

    /// `w:TotalItemsCountEstimate` of an answer; `None` where it is absent or not known.
    #[must_use]
    pub fn item_count(&self) -> Option<u64> {
        self.blocks.iter().find_map(|block| match block.value {
            HeaderValue::TotalItemsCountEstimate(count) => count,
            _ => None,
        })
    }

    /// `p:SequenceId`.
    #[must_use]
    pub fn sequence_id(&self) -> Option<u64> {
        self.blocks.iter().find_map(|block| match block.value {
            HeaderValue::SequenceId(number) => Some(number),
            _ => None,
        })
    }

    /// The shell that the selectors name, as it came. GUIDs are compared without regard to case,
    /// with or without `uuid:`: see [`crate::same_id`].
    #[must_use]
    pub fn shell_id(&self) -> Option<&str> {
        self.selectors().and_then(|selectors| selectors.text("ShellId"))
    }

    /// Adds a block without `s:mustUnderstand`.
    #[must_use]
    pub fn with(self, value: HeaderValue) -> Self {
        self.with_block(Block { must_understand: None, attributes: Vec::new(), value })
    }

    /// Adds a block with `s:mustUnderstand`.
    #[must_use]
    pub fn with_must_understand(self, value: HeaderValue, must_understand: bool) -> Self {
        let must_understand = Some(must_understand);
        self.with_block(Block { must_understand, attributes: Vec::new(), value })
    }

    /// Adds a block.
    #[must_use]
    pub fn with_block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

impl Block {
    /// Reads one child of `s:Header`.
    #[must_use]
    pub fn from_element(mut element: Element) -> Self {
        let must_understand =
            element.attribute_ns(ns::SOAP, "mustUnderstand").and_then(parse_boolean);
        if must_understand.is_some() {
            element.attributes.retain(|attribute| !attribute.name.is(ns::SOAP, "mustUnderstand"));
        }
        let whole = |value: fn(Element) -> HeaderValue, element| Self {
            must_understand,
            attributes: Vec::new(),
            value: value(element),
        };
        match Known::of(&element) {
            None => whole(HeaderValue::Other, element),
            Some(Known::FragmentTransfer) => whole(HeaderValue::FragmentTransfer, element),
            Some(Known::NotUnderstood) => whole(HeaderValue::NotUnderstood, element),
            Some(known) => match known.read(&element) {
                None => whole(HeaderValue::Malformed, element),
                Some(value) => Self {
                    must_understand,
                    attributes: attributes_except(&element, known.own_attributes()),
                    value,
                },
            },
        }
    }

    /// Whether the receiver must fault when it does not know the header.
    #[must_use]
    pub fn must_understand(&self) -> bool {
        self.must_understand.unwrap_or_default()
    }

    /// The element of the block.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut element = self.value.to_element();
        let attributes = std::mem::take(&mut element.attributes);
        if let Some(must_understand) = self.must_understand {
            element =
                element.with_attribute_ns(ns::SOAP, "mustUnderstand", must_understand.to_string());
        }
        element.attributes.extend(self.attributes.iter().cloned());
        element.attributes.extend(attributes);
        element
    }
}

/// The header elements with a type of their own.
#[derive(Clone, Copy)]
enum Known {
    Action,
    ActivityId,
    AckRequested,
    CompressionType,
    DataLocale,
    FaultTo,
    FragmentTransfer,
    From,
    Locale,
    MachineId,
    MaxEnvelopeSize,
    MessageId,
    NotUnderstood,
    OperationId,
    OperationTimeout,
    OptionSet,
    RelatesTo,
    ReplyTo,
    RequestEpr,
    RequestTotalItemsCountEstimate,
    ResourceUri,
    SelectorSet,
    SequenceId,
    SessionId,
    To,
    TotalItemsCountEstimate,
}

impl Known {
    fn of(element: &Element) -> Option<Self> {
        Some(match (element.name.namespace(), element.name.local()) {
            (ns::ADDRESSING, "Action") => Self::Action,
            (ns::ADDRESSING, "FaultTo") => Self::FaultTo,
            (ns::ADDRESSING, "From") => Self::From,
            (ns::ADDRESSING, "MessageID") => Self::MessageId,
            (ns::ADDRESSING, "RelatesTo") => Self::RelatesTo,
            (ns::ADDRESSING, "ReplyTo") => Self::ReplyTo,
            (ns::ADDRESSING, "To") => Self::To,
            (ns::WSMAN, "AckRequested") => Self::AckRequested,
            (ns::WSMAN, "FragmentTransfer") => Self::FragmentTransfer,
            (ns::WSMAN, "Locale") => Self::Locale,
            (ns::WSMAN, "MaxEnvelopeSize") => Self::MaxEnvelopeSize,
            (ns::WSMAN, "OperationTimeout") => Self::OperationTimeout,
            (ns::WSMAN, "OptionSet") => Self::OptionSet,
            (ns::WSMAN, "RequestEPR") => Self::RequestEpr,
            (ns::WSMAN, "RequestTotalItemsCountEstimate") => Self::RequestTotalItemsCountEstimate,
            (ns::WSMAN, "ResourceURI") => Self::ResourceUri,
            (ns::WSMAN, "SelectorSet") => Self::SelectorSet,
            (ns::WSMAN, "TotalItemsCountEstimate") => Self::TotalItemsCountEstimate,
            (ns::MICROSOFT, "ActivityId") => Self::ActivityId,
            (ns::MICROSOFT, "DataLocale") => Self::DataLocale,
            (ns::MICROSOFT, "OperationID" | "OperationId") => Self::OperationId,
            (ns::MICROSOFT, "SequenceId") => Self::SequenceId,
            (ns::MICROSOFT, "SessionId") => Self::SessionId,
            (ns::SHELL, "CompressionType") => Self::CompressionType,
            (ns::MACHINE_ID, "MachineID") => Self::MachineId,
            (ns::SOAP, "NotUnderstood") => Self::NotUnderstood,
            _ => return None,
        })
    }

    /// Attributes that [`Self::read`] takes into the value.
    const fn own_attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Locale | Self::DataLocale => &[(ns::XML, "lang")],
            Self::TotalItemsCountEstimate => &[(ns::XSI, "nil")],
            Self::Action
            | Self::ActivityId
            | Self::AckRequested
            | Self::CompressionType
            | Self::FaultTo
            | Self::FragmentTransfer
            | Self::From
            | Self::MachineId
            | Self::MaxEnvelopeSize
            | Self::MessageId
            | Self::NotUnderstood
            | Self::OperationId
            | Self::OperationTimeout
            | Self::OptionSet
            | Self::RelatesTo
            | Self::ReplyTo
            | Self::RequestEpr
            | Self::RequestTotalItemsCountEstimate
            | Self::ResourceUri
            | Self::SelectorSet
            | Self::SequenceId
            | Self::SessionId
            | Self::To => &[],
        }
    }

    /// The value of the element; `None` where it does not fit the name.
    fn read(self, element: &Element) -> Option<HeaderValue> {
        let endpoint = || EndpointReference::from_element(element);
        let text = || element.elements().next().is_none().then(|| element.trimmed_text());
        // MessageID and RelatesTo are compared byte for byte, but white space around them is the
        // layout of the document.
        Some(match self {
            Self::Action => HeaderValue::Action(text()?),
            Self::ActivityId => HeaderValue::ActivityId(text()?),
            Self::AckRequested => element.is_empty().then_some(HeaderValue::AckRequested)?,
            Self::CompressionType => HeaderValue::CompressionType(text()?),
            Self::DataLocale => HeaderValue::DataLocale(language(element)?),
            Self::FaultTo => HeaderValue::FaultTo(endpoint()?),
            Self::FragmentTransfer => HeaderValue::FragmentTransfer(element.clone()),
            Self::From => HeaderValue::From(endpoint()?),
            Self::Locale => HeaderValue::Locale(language(element)?),
            Self::MachineId => HeaderValue::MachineId(text()?),
            Self::MaxEnvelopeSize => HeaderValue::MaxEnvelopeSize(number(element)?),
            Self::MessageId => HeaderValue::MessageId(text()?),
            Self::NotUnderstood => HeaderValue::NotUnderstood(element.clone()),
            Self::OperationId => HeaderValue::OperationId(text()?),
            Self::OperationTimeout => HeaderValue::OperationTimeout(text()?.parse().ok()?),
            Self::OptionSet => HeaderValue::OptionSet(OptionSet::from_element(element)?),
            Self::RelatesTo => HeaderValue::RelatesTo(text()?),
            Self::ReplyTo => HeaderValue::ReplyTo(endpoint()?),
            Self::RequestEpr => element.is_empty().then_some(HeaderValue::RequestEpr)?,
            Self::RequestTotalItemsCountEstimate => {
                element.is_empty().then_some(HeaderValue::RequestTotalItemsCountEstimate)?
            }
            Self::ResourceUri => HeaderValue::ResourceUri(text()?),
            Self::SelectorSet => HeaderValue::SelectorSet(SelectorSet::from_element(element)?),
            Self::SequenceId => HeaderValue::SequenceId(number(element)?),
            Self::SessionId => HeaderValue::SessionId(text()?),
            Self::To => HeaderValue::To(text()?),
            Self::TotalItemsCountEstimate => {
                let nil = element.attribute_ns(ns::XSI, "nil").and_then(parse_boolean);
                let value = if nil == Some(true) { None } else { Some(number(element)?) };
                HeaderValue::TotalItemsCountEstimate(value)
            }
        })
    }
}

fn language(element: &Element) -> Option<String> {
    element.is_empty().then(|| element.attribute_ns(ns::XML, "lang").map(str::to_owned))?
}

/// A number as XML writes it, without sign.
fn number(element: &Element) -> Option<u64> {
    let text = element.trimmed_text();
    if element.elements().next().is_some() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl HeaderValue {
    fn to_element(&self) -> Element {
        let a = |local, text: &str| Element::new(ns::ADDRESSING, local).with_text(text);
        let w = |local, text: &str| Element::new(ns::WSMAN, local).with_text(text);
        let p = |local, text: &str| Element::new(ns::MICROSOFT, local).with_text(text);
        let endpoint = |local, endpoint: &EndpointReference| {
            endpoint.to_element(Element::new(ns::ADDRESSING, local))
        };
        match self {
            Self::Action(text) => a("Action", text),
            Self::ActivityId(text) => p("ActivityId", text),
            Self::AckRequested => w("AckRequested", ""),
            Self::CompressionType(text) => {
                Element::new(ns::SHELL, "CompressionType").with_text(text)
            }
            Self::DataLocale(tag) => p("DataLocale", "").with_attribute_ns(ns::XML, "lang", tag),
            Self::FaultTo(to) => endpoint("FaultTo", to),
            Self::From(from) => endpoint("From", from),
            Self::Locale(tag) => w("Locale", "").with_attribute_ns(ns::XML, "lang", tag),
            Self::MachineId(text) => Element::new(ns::MACHINE_ID, "MachineID").with_text(text),
            Self::MaxEnvelopeSize(size) => w("MaxEnvelopeSize", &size.to_string()),
            Self::MessageId(text) => a("MessageID", text),
            Self::OperationId(text) => p("OperationID", text),
            Self::OperationTimeout(duration) => w("OperationTimeout", duration.as_str()),
            Self::OptionSet(options) => options.to_element(),
            Self::RelatesTo(text) => a("RelatesTo", text),
            Self::ReplyTo(to) => endpoint("ReplyTo", to),
            Self::RequestEpr => w("RequestEPR", ""),
            Self::RequestTotalItemsCountEstimate => w("RequestTotalItemsCountEstimate", ""),
            Self::ResourceUri(text) => w("ResourceURI", text),
            Self::SelectorSet(selectors) => selectors.to_element(),
            Self::SequenceId(number) => p("SequenceId", &number.to_string()),
            Self::SessionId(text) => p("SessionId", text),
            Self::To(text) => a("To", text),
            Self::TotalItemsCountEstimate(Some(count)) => {
                w("TotalItemsCountEstimate", &count.to_string())
            }
            Self::TotalItemsCountEstimate(None) => {
                w("TotalItemsCountEstimate", "").with_attribute_ns(ns::XSI, "nil", "true")
            }
            Self::FragmentTransfer(element)
            | Self::NotUnderstood(element)
            | Self::Malformed(element)
            | Self::Other(element) => element.clone(),
        }
    }
}

/// `s:mustUnderstand` where it stands on something other than a header block.
pub(crate) fn must_understand_attribute(value: bool) -> Attribute {
    Attribute { name: Name::new(ns::SOAP, "mustUnderstand"), value: value.to_string() }
}
