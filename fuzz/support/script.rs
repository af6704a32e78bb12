//! Reads an input as the script of a play: numbers and texts, for ever, zeros after the end.

/// What is left of the input.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

#[allow(dead_code, reason = "not every target that includes this file reads everything")]
impl<'a> Script<'a> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    /// A number below `count`, or 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()).checked_rem(count).unwrap_or_default()
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of the list, which is not empty.
    pub(crate) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list.get(self.below(list.len())).copied().expect("the list is not empty")
    }

    /// Up to 65,535 bytes: their number as two bytes, then they themselves.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()) | usize::from(self.byte()) << 8;
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Up to 255 bytes as text.
    pub(crate) fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(bytes).into_owned()
    }
}
