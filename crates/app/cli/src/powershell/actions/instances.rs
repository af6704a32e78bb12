//! `Get-`, `Set-`, `New-` and `Remove-WSManInstance`, `Invoke-WSManAction`.

use wsman::enumeration::{Enumerate, Filter, Item, Mode};
use wsman::ns;
use wsman::transfer::{Fragment, Locator};
use wsman::xml::{Element, Name};
use wsman::{EndpointReference, OptionItem, SelectorSet};

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::show::Sink;
use super::super::value::{Object, Value};
use super::super::wsman::{hosts, uri, xml};
use super::new_item::read;
use crate::command_error::CommandError;

/// Short names of dialects.
const DIALECTS: &[(&str, &str)] = &[
    ("wql", "http://schemas.microsoft.com/wbem/wsman/1/WQL"),
    ("selector", ns::SELECTOR_FILTER),
    ("association", "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"),
];
/// What PowerShell's options of an enumeration are called in the message, DSP0227 8.1.
const POLYMORPHISM: &str = "PolymorphismMode";

/// `Get-WSManInstance`.
///
/// # Errors
/// Parameters that cannot be, or the host says no.
pub(super) fn get(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let locator = locator(bound)?;
    if bound.set != "Enumerate" {
        let (_, client) = hosts::asked(bound, context)?;
        let element = context.waiter.wait(async { Ok(client.get(&locator).await?) })?;
        return sink.put(xml::object(&element));
    }
    let enumerate = enumerate(bound)?;
    let (_, client) = hosts::asked(bound, context)?;
    let mut enumeration = client.enumeration(&locator, enumerate);
    // Items are shown as they come.
    while let Some(items) = context.waiter.wait(async { Ok(enumeration.next().await?) })? {
        items.iter().try_for_each(|item| sink.put(shown(item)))?;
    }
    Ok(())
}

fn shown(item: &Item) -> Value {
    let reference = |item: &Item| {
        let name = Name::new(ns::ADDRESSING, "EndpointReference");
        item.reference().map(|reference| xml::reference(reference, name))
    };
    match (item.object().map(xml::object), reference(item)) {
        (Some(object), None) => object,
        (None, Some(reference)) => reference,
        (object, reference) => {
            let properties = [object, reference].into_iter().flatten().map(|value| {
                let last = value.type_name().rsplit('#').next().unwrap_or_default();
                let name = last.to_owned();
                (name, value)
            });
            let type_name = format!("System.Xml.XmlElement#{}#Item", ns::WSMAN);
            Value::Object(Object { type_name, properties: properties.collect() })
        }
    }
}

fn enumerate(bound: &Bound) -> Result<Enumerate, CommandError> {
    let mut enumerate = Enumerate::optimized();
    enumerate.mode = match bound.text("ReturnType") {
        Some("epr") => Mode::Reference,
        Some("objectandepr") => Mode::ObjectAndReference,
        _ => Mode::Object,
    };
    let polymorphism = match (bound.is_set("Shallow"), bound.is_set("BasePropertiesOnly")) {
        (true, true) => {
            return Err(CommandError::usage(
                "-Shallow and -BasePropertiesOnly cannot be used together",
            ));
        }
        (true, false) => Some("None"),
        (false, true) => Some("ExcludeSubClassProperties"),
        (false, false) => None,
    };
    if let Some(mode) = polymorphism {
        enumerate.other.push(Element::new(ns::CIM_BINDING, POLYMORPHISM).with_text(mode));
    }
    let dialect = bound.text("Dialect").unwrap_or("wql");
    let known = DIALECTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(dialect));
    let dialect = known.map_or(dialect, |(_, uri)| uri);
    let is_association = dialect == DIALECTS.last().map_or("", |(_, uri)| uri);
    if bound.is_set("Associations") && !(is_association && bound.text("Filter").is_some()) {
        return Err(CommandError::usage("-Associations needs -Dialect association and a -Filter"));
    }
    if let Some(filter) = bound.text("Filter") {
        let filter = match dialect {
            ns::SELECTOR_FILTER => Filter::selectors(&selected(filter)?),
            _ if is_association => associated(dialect, filter, bound.is_set("Associations"))?,
            dialect => Filter::text(dialect, filter),
        };
        enumerate = enumerate.with_filter(filter);
    } else if bound.text("Dialect").is_some() {
        return Err(CommandError::usage("-Dialect needs a -Filter or a -Fragment"));
    }
    Ok(enumerate)
}

/// A filter by selectors: `{Name=value;…}`, with or without `@` and quotes.
fn selected(filter: &str) -> Result<SelectorSet, CommandError> {
    let wrong = || {
        CommandError::usage(format!("-Filter {filter}: no selectors"))
            .hint("write @{Name=\"value\";Other=\"value\"}")
    };
    let inner = filter.trim().trim_start_matches('@').trim();
    let inner = inner.strip_prefix('{').map_or(Some(inner), |inner| inner.strip_suffix('}'));
    let mut set = SelectorSet::default();
    for pair in inner.ok_or_else(wrong)?.split(';').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        set = set.with(name.trim(), value.trim().trim_matches(['"', '\'']));
    }
    if set.is_empty() { Err(wrong()) } else { Ok(set) }
}

/// A filter by associations, DSP0227 8.2: `{Object=URI?NAME=VALUE;ResultClassName=…;…}`.
fn associated(dialect: &str, filter: &str, is_association: bool) -> Result<Filter, CommandError> {
    const NAMES: [&str; 4] = ["AssociationClassName", "Role", "ResultClassName", "ResultRole"];
    let set = selected(filter)?;
    let object = set.text("Object").ok_or_else(|| {
        CommandError::usage("-Filter of associations: Object is missing")
            .hint("write @{Object=wmicimv2/Win32_Service?Name=winrm}")
    })?;
    let object = uri::locator(object)?;
    let reference =
        EndpointReference::resource(ns::ANONYMOUS, &object.resource_uri, object.selectors);
    let kind = if is_association { "AssociationInstances" } else { "AssociatedInstances" };
    let mut element = Element::new(ns::CIM_BINDING, kind)
        .with_child(reference.to_element(Element::new(ns::CIM_BINDING, "Object")));
    for selector in &set.selectors {
        let known = NAMES.iter().find(|name| name.eq_ignore_ascii_case(&selector.name));
        match (known, set.text(&selector.name)) {
            (Some(name), Some(text)) => {
                element.push(Element::new(ns::CIM_BINDING, name).with_text(text));
            }
            _ if selector.name.eq_ignore_ascii_case("Object") => {}
            _ => {
                return Err(CommandError::usage(format!(
                    "-Filter of associations: there is no {}",
                    selector.name
                ))
                .hint(format!("there are Object, {}", NAMES.join(", "))));
            }
        }
    }
    let mut filter = Filter::text(dialect, "");
    filter.0.push(element);
    Ok(filter)
}

/// Which resource a cmdlet means, and how.
fn locator(bound: &Bound) -> Result<Locator, CommandError> {
    let mut locator = uri::locator(bound.text("ResourceURI").unwrap_or_default())?;
    locator.selectors = xml::selectors(locator.selectors, bound.value("SelectorSet"))?;
    if let Some(Value::Object(options)) = bound.value("OptionSet") {
        for (name, value) in &options.properties {
            let is_null = matches!(value, Value::Null);
            let value = if is_null { None } else { Some(xml::text(name, value)?) };
            let item = OptionItem { name: name.clone(), value, ..OptionItem::default() };
            locator.options = std::mem::take(&mut locator.options).with_item(item);
        }
    }
    if let Some(expression) = bound.text("Fragment") {
        let dialect = bound.text("Dialect").map(str::to_owned);
        locator.fragment = Some(Fragment { dialect, ..Fragment::xpath(expression) });
    } else if bound.set != "Enumerate" && bound.text("Dialect").is_some() {
        return Err(CommandError::usage("-Dialect needs a -Fragment"));
    }
    Ok(locator)
}

/// What a resource or an action is given: a file's XML, or an element of this name with the values.
fn input(bound: &Bound, locator: &Locator, name: &str) -> Result<Element, CommandError> {
    match (bound.text("FilePath"), bound.value("ValueSet")) {
        (Some(_), Some(_)) => {
            Err(CommandError::usage("-FilePath and -ValueSet cannot be used together"))
        }
        (Some(file), None) => read(file),
        (None, values) => xml::made(&locator.resource_uri, name, values),
    }
}

/// `Set-WSManInstance`.
///
/// # Errors
/// Parameters that cannot be, or the host says no.
pub(super) fn set(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let locator = locator(bound)?;
    let values = bound.value("ValueSet");
    let file = bound.text("FilePath").map(read).transpose()?;
    if file.is_some() && values.is_some() {
        return Err(CommandError::usage("-FilePath and -ValueSet cannot be used together"));
    }
    if file.is_none() && values.is_none() {
        return Err(CommandError::usage("nothing to set: -ValueSet and -FilePath are missing"));
    }
    let (_, client) = hosts::asked(bound, context)?;
    let answer = context.waiter.wait(async {
        match file {
            Some(element) => Ok(client.put(&locator, fragment_of(&locator, element)).await?),
            None => client.update(&locator, |element| change(element, &locator, values)).await,
        }
    })?;
    // A service that says nothing is asked.
    let now = match answer {
        Some(element) => element,
        None => context.waiter.wait(async { Ok(client.get(&locator).await?) })?,
    };
    sink.put(xml::object(&now))
}

/// A part of a resource travels in `w:XmlFragment`.
fn fragment_of(locator: &Locator, element: Element) -> Element {
    if locator.fragment.is_none() || element.is(ns::WSMAN, "XmlFragment") {
        return element;
    }
    Element::new(ns::WSMAN, "XmlFragment").with_child(element)
}

/// Gives a resource other values; of a fragment the part that the expression means.
fn change(
    element: &mut Element,
    locator: &Locator,
    values: Option<&Value>,
) -> Result<(), CommandError> {
    if locator.fragment.is_some() {
        // The part itself, or what is in it.
        let has = |name: &str| {
            element.elements().any(|child| child.name.local().eq_ignore_ascii_case(name))
        };
        let is_itself = matches!(
            values,
            Some(Value::Object(object)) if object.properties.iter().all(|(name, _)| has(name))
        );
        if !is_itself {
            for node in &mut element.children {
                if let wsman::xml::Node::Element(part) = node {
                    xml::change(part, values)?;
                }
            }
            return Ok(());
        }
    }
    xml::change(element, values)
}

/// `New-WSManInstance`.
///
/// # Errors
/// Parameters that cannot be, or the host says no.
pub(super) fn new(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let locator = locator(bound)?;
    let element = input(bound, &locator, uri::last(&locator.resource_uri))?;
    let (_, client) = hosts::asked(bound, context)?;
    let made = context.waiter.wait(async { Ok(client.create(&locator, element).await?) })?;
    sink.put(xml::reference(&made, Name::new(ns::TRANSFER, "ResourceCreated")))
}

/// `Remove-WSManInstance`.
///
/// # Errors
/// Parameters that cannot be, or the host says no.
pub(super) fn remove(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    let locator = locator(bound)?;
    let (_, client) = hosts::asked(bound, context)?;
    context.waiter.wait(async { Ok(client.delete(&locator).await?) })
}

/// `Invoke-WSManAction`.
///
/// # Errors
/// Parameters that cannot be, or the host says no.
pub(super) fn invoke(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let locator = locator(bound)?;
    let method = bound.text("Action").unwrap_or_default();
    // A whole action URI ends with the method's name.
    let name = method.rsplit('/').next().unwrap_or(method);
    let input = input(bound, &locator, &format!("{name}_INPUT"))?;
    let (_, client) = hosts::asked(bound, context)?;
    let answer =
        context.waiter.wait(async { Ok(client.invoke(&locator, method, Some(input)).await?) })?;
    answer.map_or(Ok(()), |answer| sink.put(xml::object(&answer)))
}
