//! Selectors, options and endpoint references: how a message names what it is about.

use crate::ns;
use crate::xml::{Attribute, Binding, Element, Node};

/// `w:SelectorSet`: which instance of a resource, DSP0226 5.1.2.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectorSet {
    /// The selectors in the order they came.
    pub selectors: Vec<Selector>,
}

/// One `w:Selector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The name. Windows compares names without regard to case.
    pub name: String,
    /// The value.
    pub value: SelectorValue,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
}

/// What a selector selects by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the schema of DSP0226 allows these two")]
pub enum SelectorValue {
    /// Text, without white space around it.
    Text(String),
    /// A reference to another resource (CIM references).
    Endpoint(Box<EndpointReference>),
}

impl SelectorSet {
    /// The set that names one shell.
    #[must_use]
    pub fn shell(shell_id: &str) -> Self {
        Self::default().with("ShellId", shell_id)
    }

    /// Adds a selector.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.selectors.push(Selector {
            name: name.to_owned(),
            value: SelectorValue::Text(value.into()),
            attributes: Vec::new(),
        });
        self
    }

    /// The text of the selector of that name, in any case.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.selectors.iter().find(|selector| selector.name.eq_ignore_ascii_case(name)).and_then(
            |selector| match &selector.value {
                SelectorValue::Text(text) => Some(text.as_str()),
                SelectorValue::Endpoint(_) => None,
            },
        )
    }

    /// Whether there is no selector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.selectors.is_empty()
    }

    /// Whether an instance with these keys is among those that this set selects: every selector of the set is one of
    /// its keys and has the same value. Neither names nor texts have a case.
    #[must_use]
    pub fn selects(&self, keys: &Self) -> bool {
        let same = |one: &SelectorValue, other: &SelectorValue| match (one, other) {
            (SelectorValue::Text(one), SelectorValue::Text(other)) => {
                one.eq_ignore_ascii_case(other)
            }
            (one, other) => one == other,
        };
        self.selectors.iter().all(|wanted| {
            keys.selectors.iter().any(|key| {
                key.name.eq_ignore_ascii_case(&wanted.name) && same(&key.value, &wanted.value)
            })
        })
    }

    /// The first name that stands twice, without regard to case.
    #[must_use]
    pub fn duplicate(&self) -> Option<&str> {
        duplicate(self.selectors.iter().map(|selector| selector.name.as_str()))
    }

    /// Reads the children of a `w:SelectorSet`.
    pub(crate) fn from_element(element: &Element) -> Option<Self> {
        let selectors: Option<Vec<_>> = element.elements().map(Selector::from_element).collect();
        Some(Self { selectors: selectors? })
    }

    /// The element `w:SelectorSet`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut set = Element::new(ns::WSMAN, "SelectorSet");
        for selector in &self.selectors {
            set.push(selector.to_element());
        }
        set
    }
}

impl Selector {
    fn from_element(element: &Element) -> Option<Self> {
        if !element.is(ns::WSMAN, "Selector") {
            return None;
        }
        let name = element.attribute("Name")?.to_owned();
        let attributes = attributes_except(element, &[("", "Name")]);
        let value = match element.elements().next() {
            Some(child) if child.is(ns::ADDRESSING, "EndpointReference") => {
                SelectorValue::Endpoint(Box::new(EndpointReference::from_element(child)?))
            }
            Some(_) => return None,
            None => SelectorValue::Text(element.trimmed_text()),
        };
        Some(Self { name, value, attributes })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::new(ns::WSMAN, "Selector").with_attribute("Name", &self.name);
        element.attributes.extend(self.attributes.iter().cloned());
        match &self.value {
            SelectorValue::Text(text) => element.with_text(text),
            SelectorValue::Endpoint(endpoint) => element
                .with_child(endpoint.to_element(Element::new(ns::ADDRESSING, "EndpointReference"))),
        }
    }
}

/// `w:OptionSet`: hints and switches for the resource, DSP0226 6.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionSet {
    /// The options in the order they came; a name may repeat (it is an array then).
    pub options: Vec<OptionItem>,
}

/// One `w:Option`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionItem {
    /// The name. Windows compares names without regard to case.
    pub name: String,
    /// The value as it came; `None` for `xsi:nil`.
    pub value: Option<String>,
    /// `MustComply`; absent means false.
    pub must_comply: Option<bool>,
    /// `Type`, a QName as it came (its prefix need not be bound: PowerShell's is not).
    pub type_: Option<String>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// What prefixes in the value or the type are bound to.
    pub bindings: Vec<Binding>,
}

impl OptionSet {
    /// Adds an option without `MustComply`.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.with_item(OptionItem {
            name: name.to_owned(),
            value: Some(value.into()),
            ..OptionItem::default()
        })
    }

    /// Adds an option.
    #[must_use]
    pub fn with_item(mut self, item: OptionItem) -> Self {
        self.options.push(item);
        self
    }

    /// The first option of that name, in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&OptionItem> {
        self.options.iter().find(|option| option.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first option of that name, in any case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(|option| option.value.as_deref())
    }

    /// The value as a boolean: `true`, `1`, `false`, `0`, in any case. `None` for another text.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.value(name).and_then(parse_boolean)
    }

    /// Whether there is no option.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    pub(crate) fn from_element(element: &Element) -> Option<Self> {
        let options: Option<Vec<_>> = element.elements().map(OptionItem::from_element).collect();
        Some(Self { options: options? })
    }

    /// The element `w:OptionSet`, which declares `xsi` as Windows's does.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut set = Element::new(ns::WSMAN, "OptionSet");
        set.bindings.push(Binding::constant("xsi", ns::XSI));
        for option in &self.options {
            set.push(option.to_element());
        }
        set
    }
}

impl OptionItem {
    /// An option that the service must comply with.
    #[must_use]
    pub fn required(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value.into()),
            must_comply: Some(true),
            ..Self::default()
        }
    }

    /// Whether the service must refuse the request when it does not know the option.
    #[must_use]
    pub fn must_comply(&self) -> bool {
        self.must_comply.unwrap_or_default()
    }

    fn from_element(element: &Element) -> Option<Self> {
        if !element.is(ns::WSMAN, "Option") || element.elements().next().is_some() {
            return None;
        }
        let name = element.attribute("Name")?.to_owned();
        let must_comply = match element.attribute("MustComply") {
            Some(text) => Some(parse_boolean(text)?),
            None => None,
        };
        let nil = element.attribute_ns(ns::XSI, "nil").and_then(parse_boolean).unwrap_or_default();
        let value = if nil { None } else { Some(element.text().into_owned()) };
        let mut known = vec![("", "Name"), ("", "MustComply"), ("", "Type")];
        if nil {
            known.push((ns::XSI, "nil"));
        }
        Some(Self {
            name,
            value,
            must_comply,
            type_: element.attribute("Type").map(str::to_owned),
            attributes: attributes_except(element, &known),
            bindings: element.bindings.clone(),
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::new(ns::WSMAN, "Option").with_attribute("Name", &self.name);
        if let Some(must_comply) = self.must_comply {
            element = element.with_attribute("MustComply", must_comply.to_string());
        }
        if let Some(type_) = &self.type_ {
            element = element.with_attribute("Type", type_);
        }
        element.attributes.extend(self.attributes.iter().cloned());
        element.bindings.clone_from(&self.bindings);
        match &self.value {
            Some(value) => element.with_text(value),
            None => element.with_attribute_ns(ns::XSI, "nil", "true"),
        }
    }
}

/// A WS-Addressing endpoint reference, with WS-Management's parts taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointReference {
    /// `a:Address`.
    pub address: String,
    /// Attributes of `a:Address` (Windows's clients put `s:mustUnderstand` there).
    pub address_attributes: Vec<Attribute>,
    /// `w:ResourceURI` of the reference parameters.
    pub resource_uri: Option<String>,
    /// `w:SelectorSet` of the reference parameters.
    pub selectors: Option<SelectorSet>,
    /// The other reference parameters.
    pub parameters: Vec<Element>,
    /// Whether `a:ReferenceParameters` stands there, which may be empty.
    pub has_parameters: bool,
    /// Everything else inside the reference, such as `a:ReferenceProperties`.
    pub other: Vec<Element>,
}

impl EndpointReference {
    /// A reference that is only an address.
    #[must_use]
    pub fn address(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// A reference to an instance of a resource.
    #[must_use]
    pub fn resource(
        address: impl Into<String>,
        resource_uri: impl Into<String>,
        selectors: SelectorSet,
    ) -> Self {
        Self {
            address: address.into(),
            resource_uri: Some(resource_uri.into()),
            selectors: Some(selectors),
            has_parameters: true,
            ..Self::default()
        }
    }

    /// Whether replies go back on the same connection.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.address == ns::ANONYMOUS
    }

    /// Reads the children of an element of the type `a:EndpointReferenceType`; `None` without an
    /// address or with a part that is not what its name says.
    #[must_use]
    pub fn from_element(element: &Element) -> Option<Self> {
        let mut endpoint = Self::default();
        let mut has_address = false;
        for child in element.elements() {
            if child.is(ns::ADDRESSING, "Address") && !has_address {
                has_address = true;
                endpoint.address = child.trimmed_text();
                endpoint.address_attributes.clone_from(&child.attributes);
            } else if child.is(ns::ADDRESSING, "ReferenceParameters") && !endpoint.has_parameters {
                endpoint.has_parameters = true;
                endpoint.take_parameters(child)?;
            } else {
                endpoint.other.push(child.clone());
            }
        }
        has_address.then_some(endpoint)
    }

    fn take_parameters(&mut self, element: &Element) -> Option<()> {
        for child in element.elements() {
            if child.is(ns::WSMAN, "ResourceURI") && self.resource_uri.is_none() {
                self.resource_uri = Some(child.trimmed_text());
            } else if child.is(ns::WSMAN, "SelectorSet") && self.selectors.is_none() {
                self.selectors = Some(SelectorSet::from_element(child)?);
            } else {
                self.parameters.push(child.clone());
            }
        }
        Some(())
    }

    /// Fills `element` with the reference.
    #[must_use]
    pub fn to_element(&self, mut element: Element) -> Element {
        let mut address = Element::new(ns::ADDRESSING, "Address").with_text(&self.address);
        address.attributes.clone_from(&self.address_attributes);
        element.push(address);
        let uri = self.resource_uri.as_ref();
        if self.has_parameters || uri.is_some() || self.selectors.is_some() {
            let mut parameters = Element::new(ns::ADDRESSING, "ReferenceParameters");
            if let Some(uri) = uri {
                parameters.push(Element::new(ns::WSMAN, "ResourceURI").with_text(uri));
            }
            if let Some(selectors) = &self.selectors {
                parameters.push(selectors.to_element());
            }
            parameters.children.extend(self.parameters.iter().cloned().map(Node::Element));
            element.push(parameters);
        }
        element.children.extend(self.other.iter().cloned().map(Node::Element));
        element
    }
}

/// `true`, `1`, `false`, `0`; Windows takes the words in any case.
#[must_use]
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim_matches(crate::xml::is_space);
    if text.eq_ignore_ascii_case("true") || text == "1" {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") || text == "0" {
        Some(false)
    } else {
        None
    }
}

/// The attributes of an element without those that its type holds itself.
pub(crate) fn attributes_except(element: &Element, known: &[(&str, &str)]) -> Vec<Attribute> {
    element
        .attributes
        .iter()
        .filter(|attribute| {
            !known.iter().any(|(namespace, local)| attribute.name.is(namespace, local))
        })
        .cloned()
        .collect()
}

pub(crate) fn duplicate<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<_> = names.map(|name| (name.to_ascii_lowercase(), name)).collect();
    names.sort();
    names.windows(2).find_map(|pair| match pair {
        [(first, _), (second, name)] if first == second => Some(*name),
        _ => None,
    })
}
