//! Filters of an enumeration, DSP0226 8.3.

use super::{Element, ns};
use crate::selector::{SelectorSet, SelectorValue};

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
}
