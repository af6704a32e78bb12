//! Filters of an enumeration, DSP0226 8.3.

use super::{Element, ns};
use crate::fault::{ErrorCode, Fault};
use crate::selector::{SelectorSet, SelectorValue};
use crate::xml::Node;

/// `w:Filter` or `n:Filter`, as it came: what it says is in a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is an element")]
pub struct Filter(pub Element);

impl Filter {
    /// The filter by selectors: items whose keys have these values.
    #[must_use]
    pub fn selectors(selectors: &SelectorSet) -> Self {
        let filter = Element::new(ns::WSMAN, "Filter")
            .with_attribute("Dialect", ns::SELECTOR_FILTER)
            .with_child(selectors.to_element());
        Self(filter)
    }

    /// A filter whose content is a text, such as a query.
    #[must_use]
    pub fn text(dialect: &str, text: &str) -> Self {
        let filter = Element::new(ns::WSMAN, "Filter").with_attribute("Dialect", dialect);
        Self(filter.with_text(text))
    }

    /// The dialect's URI; XPath where none is named.
    #[must_use]
    pub fn dialect(&self) -> &str {
        self.0.attribute("Dialect").unwrap_or(ns::XPATH)
    }

    /// What a selector filter selects by. `None` for a filter of another dialect, and for one that
    /// is not what its dialect needs: exactly one set, of texts, no name twice.
    #[must_use]
    pub fn as_selectors(&self) -> Option<SelectorSet> {
        if !self.dialect().eq_ignore_ascii_case(ns::SELECTOR_FILTER) {
            return None;
        }
        let mut elements = self.0.elements();
        let set = elements.next().filter(|element| element.is(ns::WSMAN, "SelectorSet"))?;
        let set = SelectorSet::from_element(set).filter(|_| elements.next().is_none())?;
        let is_text = |selector: &crate::Selector| matches!(selector.value, SelectorValue::Text(_));
        (set.selectors.iter().all(is_text) && set.duplicate().is_none()).then_some(set)
    }

    /// Whether a resource that knows these dialects can be asked this: the hook by which each resource says what it can
    /// be filtered by. What the expression means is the resource's affair, but for selectors, see [`Self::as_selectors`].
    ///
    /// # Errors
    ///
    /// The fault to answer with: the resource knows no dialect at all, or not this one (then those that it knows are in the
    /// detail), or the content is not one text or one element, or none of its dialect.
    pub fn check(&self, known: &[&str]) -> Result<(), Box<Fault>> {
        let fault = |code, text: &str| Box::new(Fault::new(code, text));
        if known.is_empty() {
            let text = "The resource cannot be filtered. ";
            return Err(fault(ErrorCode::FILTERING_NOT_SUPPORTED, text));
        }
        let dialect = self.dialect();
        if !known.iter().any(|known| known.eq_ignore_ascii_case(dialect)) {
            let shown: String = dialect.chars().take(200).collect();
            let text = format!("The resource cannot be filtered by the dialect \"{shown}\". ");
            let mut fault = fault(ErrorCode::FILTER_DIALECT_UNAVAILABLE, &text);
            let named = known.iter().copied();
            let named = named.map(|uri| super::wsen("SupportedDialect", uri));
            fault.other.extend(named);
            return Err(fault);
        }
        let is_text = |node: &Node| matches!(node, Node::Text(text) if !text.trim().is_empty());
        let has_text = self.0.children.iter().any(is_text);
        let elements = self.0.elements().count();
        if usize::from(has_text) + elements != 1 {
            let text = "The content of a filter is one text or one element. ";
            return Err(fault(ErrorCode::CANNOT_PROCESS_FILTER, text));
        }
        if dialect.eq_ignore_ascii_case(ns::SELECTOR_FILTER) && self.as_selectors().is_none() {
            let text = "A filter by selectors is one set of texts, in which no name stands twice. ";
            return Err(fault(ErrorCode::CANNOT_PROCESS_FILTER, text));
        }
        Ok(())
    }
}
