//! Parts of a resource: what a `w:FragmentTransfer` names is cut from a representation, or changed in it.
//!
//! DSP0226 7.7 to 7.11. The dialect is XPath Level 1, annex D.1, as Windows takes it ([MS-WSMV] 3.1.4.1.18): a relative
//! path from the root element of the representation, such as `Auth/Basic`, `ListeningOn[2]`, `@Name` or `Port/text()`. A
//! service answers Get and Put with the part in `w:XmlFragment`, and repeats the header.

mod path;

use crate::fault::{ErrorCode, Fault};
use crate::ns;
use crate::selector::parse_boolean;
use crate::transfer::Fragment;
use crate::xml::{Attribute, Binding, Element, Name, Node};

use path::{Leaf, Path, Step};

/// The part of `whole` that the fragment names, in `w:XmlFragment`: elements with their tags, the values of attributes and
/// texts without. Where there is nothing of it the answer is nil.
///
/// # Errors
///
/// The fault to answer with: the dialect is not XPath, or the expression is none of Level 1.
pub fn select(whole: &Element, fragment: &Fragment) -> Result<Element, Box<Fault>> {
    let path = Path::parse(fragment)?;
    let mut found = vec![whole];
    for step in &path.steps {
        found = found.into_iter().flat_map(|element| chosen(element, step)).collect();
    }
    let mut part = Element::new(ns::WSMAN, "XmlFragment");
    let nodes = found.len();
    match &path.leaf {
        None => part.children.extend(found.into_iter().cloned().map(Node::Element)),
        Some(Leaf::Text) => {
            for element in found {
                part = part.with_text(element.text());
                bind(&mut part, &element.bindings);
            }
        }
        Some(Leaf::Attribute(name)) => {
            let named = |element: &&Element| name.find(&element.attributes).is_some();
            let values: Vec<_> = found.into_iter().filter(named).collect();
            for element in &values {
                let value = name.find(&element.attributes).map_or("", |found| &*found.value);
                part = part.with_text(value);
            }
            if values.is_empty() {
                return Ok(nil(part));
            }
        }
    }
    Ok(if nodes == 0 { nil(part) } else { part })
}

/// Writes the part that the fragment names anew, DSP0226 7.9: elements by the elements of `part`, which must have the same name,
/// texts and attributes by its text. Where `part` is nil, what it stands for becomes so.
///
/// # Errors
///
/// The fault to answer with: as for [`select`], there is no such part, or `part` is nothing that can stand there. Nothing has
/// changed then.
pub fn replace(whole: &mut Element, fragment: &Fragment, part: &Element) -> Result<(), Box<Fault>> {
    check_part(part)?;
    let path = Path::parse(fragment)?;
    match &path.leaf {
        None => replace_elements(whole, fragment, &path, part),
        Some(Leaf::Text) => {
            let text = text_of(part)?;
            let element = the_one(whole, fragment, &path)?;
            if element.elements().next().is_some() {
                return Err(misfit("The text stands among elements. "));
            }
            set_text(element, text, part);
            Ok(())
        }
        Some(Leaf::Attribute(name)) => {
            let text = text_of(part)?;
            let element = the_one(whole, fragment, &path)?;
            let found = element.attributes.iter_mut().find(|found| name.fits(&found.name));
            found.ok_or_else(|| nothing(fragment))?.value = text;
            Ok(())
        }
    }
}

/// Adds a part, DSP0226 7.10: elements of `part` behind those of the same name, or before the one that an index names; a text or
/// an attribute where there is none.
///
/// # Errors
///
/// The fault to answer with: as for [`replace`]; a text or attribute is there already. Nothing has changed then.
pub fn insert(whole: &mut Element, fragment: &Fragment, part: &Element) -> Result<(), Box<Fault>> {
    check_part(part)?;
    let path = Path::parse(fragment)?;
    match &path.leaf {
        None => insert_elements(whole, fragment, &path, part),
        Some(Leaf::Text) => {
            let text = text_of(part)?;
            let element = the_one(whole, fragment, &path)?;
            if !element.is_empty() {
                return Err(exists(fragment));
            }
            set_text(element, text, part);
            Ok(())
        }
        Some(Leaf::Attribute(name)) => {
            let text = text_of(part)?;
            let element = the_one(whole, fragment, &path)?;
            if name.find(&element.attributes).is_some() {
                return Err(exists(fragment));
            }
            let name =
                name.to_name().ok_or_else(|| path::refused(fragment, "names no attribute"))?;
            element.attributes.push(Attribute { name, value: text });
            Ok(())
        }
    }
}

/// Takes a part away, DSP0226 7.11.
///
/// # Errors
///
/// The fault to answer with: as for [`select`]; there is no such part. Nothing has changed then.
pub fn remove(whole: &mut Element, fragment: &Fragment) -> Result<(), Box<Fault>> {
    let path = Path::parse(fragment)?;
    match &path.leaf {
        None => {
            let (parents, last) = split(&path, fragment)?;
            let mut is_gone = false;
            for place in places(whole, parents) {
                let Some(parent) = at(whole, &place) else { continue };
                let gone = positions(parent, last);
                is_gone |= !gone.is_empty();
                take(parent, &gone);
            }
            if is_gone { Ok(()) } else { Err(nothing(fragment)) }
        }
        Some(Leaf::Text) => {
            let mut is_gone = false;
            for place in places(whole, &path.steps) {
                let Some(element) = at(whole, &place) else { continue };
                let before = element.children.len();
                element.children.retain(|node| matches!(node, Node::Element(_)));
                is_gone |= element.children.len() != before;
            }
            if is_gone { Ok(()) } else { Err(nothing(fragment)) }
        }
        Some(Leaf::Attribute(name)) => {
            let mut is_gone = false;
            for place in places(whole, &path.steps) {
                let Some(element) = at(whole, &place) else { continue };
                let before = element.attributes.len();
                element.attributes.retain(|attribute| !name.fits(&attribute.name));
                is_gone |= element.attributes.len() != before;
            }
            if is_gone { Ok(()) } else { Err(nothing(fragment)) }
        }
    }
}

fn replace_elements(
    whole: &mut Element,
    fragment: &Fragment,
    path: &Path,
    part: &Element,
) -> Result<(), Box<Fault>> {
    let Ok((parents, last)) = split(path, fragment) else {
        // The whole: one element of its name.
        let new = elements_of(part)?;
        let [new] = new.as_slice() else {
            return Err(misfit("The whole is replaced by exactly one element. "));
        };
        if new.name != whole.name {
            return Err(misfit("The whole is replaced by an element of its own name only. "));
        }
        *whole = new.clone();
        return Ok(());
    };
    let mut found: Vec<_> = places(whole, parents);
    found
        .retain(|place| at(whole, place).is_some_and(|parent| !positions(parent, last).is_empty()));
    let [place] = found.as_slice() else {
        return Err(if found.is_empty() { nothing(fragment) } else { several(fragment) });
    };
    let parent = at(whole, place).ok_or_else(|| nothing(fragment))?;
    let old = positions(parent, last);
    let first = old.first().copied().unwrap_or_default();
    let name = match parent.children.get(first) {
        Some(Node::Element(element)) => element.name.clone(),
        Some(Node::Text(_)) | None => return Err(nothing(fragment)),
    };
    if is_nil(part) {
        let empty = Element::named(name).with_attribute_ns(ns::XSI, "nil", "true");
        take(parent, &old);
        parent.children.insert(first, Node::Element(empty));
        return Ok(());
    }
    let new = elements_of(part)?;
    check_names(&new, &name)?;
    take(parent, &old);
    parent.children.splice(first..first, new.into_iter().map(Node::Element));
    Ok(())
}

fn insert_elements(
    whole: &mut Element,
    fragment: &Fragment,
    path: &Path,
    part: &Element,
) -> Result<(), Box<Fault>> {
    let (parents, last) = split(path, fragment)?;
    let found = places(whole, parents);
    let [place] = found.as_slice() else {
        return Err(if found.is_empty() { nothing(fragment) } else { several(fragment) });
    };
    let parent = at(whole, place).ok_or_else(|| nothing(fragment))?;
    let new = elements_of(part)?;
    if new.iter().any(|element| !last.name.fits(&element.name)) {
        return Err(misfit("An element of the part has another name than the path. "));
    }
    let all = positions(parent, &Step { name: last.name.clone(), index: None });
    let where_to = match last.index {
        Some(index) if index > all.len().saturating_add(1) => return Err(nothing(fragment)),
        Some(index) => all.get(index.saturating_sub(1)).copied(),
        None => None,
    };
    let behind = all.last().map_or(parent.children.len(), |last| last.saturating_add(1));
    let where_to = where_to.unwrap_or(behind).min(parent.children.len());
    parent.children.splice(where_to..where_to, new.into_iter().map(Node::Element));
    Ok(())
}

/// The path to the parents, and the last step; none where the path is the whole.
fn split<'p>(path: &'p Path, fragment: &Fragment) -> Result<(&'p [Step], &'p Step), Box<Fault>> {
    path.steps
        .split_last()
        .map(|(last, parents)| (parents, last))
        .ok_or_else(|| path::refused(fragment, "is the whole resource, which is no part"))
}

/// The children that a step chooses.
fn chosen<'e>(parent: &'e Element, step: &Step) -> Vec<&'e Element> {
    let mut fit = parent.elements().filter(|element| step.name.fits(&element.name));
    match step.index {
        Some(index) => fit.nth(index.saturating_sub(1)).into_iter().collect(),
        None => fit.collect(),
    }
}

/// Where among the nodes of `parent` a step's children are, in ascending order.
fn positions(parent: &Element, step: &Step) -> Vec<usize> {
    let nodes = parent.children.iter().enumerate();
    let mut fit = nodes.filter_map(|(position, node)| match node {
        Node::Element(element) if step.name.fits(&element.name) => Some(position),
        Node::Element(_) | Node::Text(_) => None,
    });
    match step.index {
        Some(index) => fit.nth(index.saturating_sub(1)).into_iter().collect(),
        None => fit.collect(),
    }
}

/// The elements that steps lead to, each as the positions on the way to it.
fn places(whole: &Element, steps: &[Step]) -> Vec<Vec<usize>> {
    let mut found = vec![(whole, Vec::new())];
    for step in steps {
        let mut next = Vec::new();
        for (element, place) in found {
            for position in positions(element, step) {
                if let Some(Node::Element(child)) = element.children.get(position) {
                    let way = place.iter().copied().chain([position]).collect();
                    next.push((child, way));
                }
            }
        }
        found = next;
    }
    found.into_iter().map(|(_, place)| place).collect()
}

fn at<'e>(whole: &'e mut Element, place: &[usize]) -> Option<&'e mut Element> {
    place.iter().try_fold(whole, |element, position| match element.children.get_mut(*position) {
        Some(Node::Element(child)) => Some(child),
        Some(Node::Text(_)) | None => None,
    })
}

/// The one element that all steps lead to.
fn the_one<'e>(
    whole: &'e mut Element,
    fragment: &Fragment,
    path: &Path,
) -> Result<&'e mut Element, Box<Fault>> {
    let found = places(whole, &path.steps);
    let [place] = found.as_slice() else {
        return Err(if found.is_empty() { nothing(fragment) } else { several(fragment) });
    };
    at(whole, place).ok_or_else(|| nothing(fragment))
}

/// Takes the nodes at these positions, which ascend, away.
fn take(parent: &mut Element, gone: &[usize]) {
    let mut position = 0;
    parent.children.retain(|_| {
        let stays = gone.binary_search(&position).is_err();
        position += 1;
        stays
    });
}

fn set_text(element: &mut Element, text: String, part: &Element) {
    element.children.clear();
    element.attributes.retain(|attribute| !attribute.name.is(ns::XSI, "nil"));
    if is_nil(part) {
        let name = Name::new(ns::XSI, "nil");
        element.attributes.push(Attribute { name, value: "true".to_owned() });
    } else if !text.is_empty() {
        bind(element, &part.bindings);
        element.children.push(Node::Text(text));
    }
}

/// Declares what a text that is put into `element` needs; a prefix can mean one thing only.
fn bind(element: &mut Element, bindings: &[Binding]) {
    for binding in bindings {
        element.bindings.retain(|known| known.prefix() != binding.prefix());
        element.bindings.push(binding.clone());
    }
}

fn check_part(part: &Element) -> Result<(), Box<Fault>> {
    if part.is(ns::WSMAN, "XmlFragment") {
        Ok(())
    } else {
        Err(misfit("A part of a resource stands in XmlFragment. "))
    }
}

fn is_nil(part: &Element) -> bool {
    part.attribute_ns(ns::XSI, "nil").and_then(parse_boolean).unwrap_or_default()
}

fn nil(part: Element) -> Element {
    part.with_attribute_ns(ns::XSI, "nil", "true")
}

fn text_of(part: &Element) -> Result<String, Box<Fault>> {
    match part.elements().next() {
        Some(_) => {
            Err(misfit("The path names a text or an attribute, and the part has elements. "))
        }
        None => Ok(part.text().into_owned()),
    }
}

fn elements_of(part: &Element) -> Result<Vec<Element>, Box<Fault>> {
    let is_text = |node: &Node| matches!(node, Node::Text(text) if !text.trim().is_empty());
    if part.children.iter().any(is_text) {
        return Err(misfit("The path names an element, and the part has text beside elements. "));
    }
    let elements: Vec<_> = part.elements().cloned().collect();
    if elements.is_empty() {
        return Err(misfit("The path names an element, and the part has none. "));
    }
    Ok(elements)
}

fn check_names(new: &[Element], name: &Name) -> Result<(), Box<Fault>> {
    if new.iter().all(|element| element.name == *name) {
        return Ok(());
    }
    Err(misfit(&format!("An element of the part is no {}. ", name.local())))
}

fn misfit(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::INVALID_XML_FRAGMENT, text))
}

fn nothing(fragment: &Fragment) -> Box<Fault> {
    path::refused(fragment, "names nothing that the resource has")
}

fn several(fragment: &Fragment) -> Box<Fault> {
    path::refused(fragment, "names parts of several elements")
}

fn exists(fragment: &Fragment) -> Box<Fault> {
    let text = format!("The part {} exists already. ", path::shown(&fragment.expression));
    Box::new(Fault::new(ErrorCode::ALREADY_EXISTS, text))
}
