//! Fragments: a message cut into pieces that fit the transport, and put together again,
//! [MS-PSRP] 2.2.4, 3.1.5.1.
//!
//! ```text
//! u64 ObjectId | u64 FragmentId | u8 flags (1 first, 2 last) | u32 length | blob        big endian
//! ```

use std::collections::VecDeque;

/// Bytes of a fragment before its blob.
pub const HEADER: usize = 21;
/// The largest fragment of out-of-process transports, header included.
pub const OUT_OF_PROCESS: usize = 32_768;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// Why what came is no sequence of fragments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A fragment that belongs to no message that has begun, or the number of another one.
    #[error("fragment {fragment} of object {object} is out of order")]
    OutOfOrder {
        /// The object's number.
        object: u64,
        /// The fragment's number.
        fragment: u64,
    },
    /// A message would be longer than is taken.
    #[error("a message has more than {0} bytes")]
    TooLarge(usize),
    /// The data ends inside a fragment.
    #[error("a fragment ends too early")]
    Truncated,
}

/// Puts messages together from the fragments of one target, a pool or a pipeline.
#[derive(Debug)]
pub struct Assembler {
    most: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    object: u64,
    next: u64,
    message: Vec<u8>,
}

impl Assembler {
    /// Takes messages of at most `most` bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, current: None }
    }

    /// Takes whole fragments, one or several, and hands each message that is complete with them to
    /// `complete`.
    ///
    /// # Errors
    ///
    /// [`Error`]: the target cannot be used any more ([MS-PSRP] 3.1.5.1.2).
    pub fn handle_fragments(
        &mut self,
        mut data: &[u8],
        mut complete: impl FnMut(Vec<u8>),
    ) -> Result<(), Error> {
        while !data.is_empty() {
            let (fragment, rest) = Fragment::split(data)?;
            data = rest;
            if let Some(message) = self.handle_fragment(&fragment)? {
                complete(message);
            }
        }
        Ok(())
    }

    fn handle_fragment(&mut self, fragment: &Fragment<'_>) -> Result<Option<Vec<u8>>, Error> {
        let Fragment { object, number, is_first, is_last, blob } = *fragment;
        let out_of_order = Error::OutOfOrder { object, fragment: number };
        if is_first {
            // The real engine begins anew when a first fragment is repeated.
            let is_again = self.current.as_ref().is_none_or(|current| current.object == object);
            if number != 0 || object == 0 || !is_again {
                return Err(out_of_order);
            }
            self.current = Some(Current { object, next: 0, message: Vec::new() });
        }
        let Some(current) = &mut self.current else { return Err(out_of_order) };
        if current.object != object || current.next != number {
            return Err(out_of_order);
        }
        if current.message.len() + blob.len() > self.most {
            return Err(Error::TooLarge(self.most));
        }
        current.message.extend_from_slice(blob);
        current.next += 1;
        Ok(if is_last { self.current.take().map(|current| current.message) } else { None })
    }

    /// Forgets a message that is not complete yet; what comes of it later is out of order.
    pub fn clear(&mut self) {
        self.current = None;
    }

    /// Bytes of a message that is not complete yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.current.as_ref().map_or(0, |current| current.message.len())
    }
}

/// One fragment as it is on the wire.
#[derive(Debug, Clone, Copy)]
struct Fragment<'a> {
    object: u64,
    number: u64,
    is_first: bool,
    is_last: bool,
    blob: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn split(data: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let (object, rest) = data.split_first_chunk().ok_or(Error::Truncated)?;
        let (number, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let ([flags], rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (length, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Error::Truncated)?;
        let (blob, rest) = rest.split_at_checked(length).ok_or(Error::Truncated)?;
        let fragment = Self {
            object: u64::from_be_bytes(*object),
            number: u64::from_be_bytes(*number),
            is_first: flags & FIRST != 0,
            is_last: flags & LAST != 0,
            blob,
        };
        Ok((fragment, rest))
    }
}

/// Cuts messages into fragments, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Fragmenter {
    waiting: VecDeque<Vec<u8>>,
    /// Bytes of all that wait, those included that have gone.
    length: usize,
    /// Bytes of the first message that have gone.
    gone: usize,
    /// The next fragment's number.
    number: u64,
    /// The number of the object under way, or of the last one.
    object: u64,
    /// Messages at the front that [`Self::drop_oldest`] has seen and kept.
    kept: usize,
}

impl Fragmenter {
    /// Nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new(), length: 0, gone: 0, number: 0, object: 0, kept: 0 }
    }

    /// Adds a message.
    pub fn push(&mut self, message: Vec<u8>) {
        self.length += message.len();
        self.waiting.push_back(message);
    }

    /// True when nothing is left to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the messages that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length - self.gone
    }

    /// Begins the message under way anew, under another number: whoever reads from here on has
    /// nothing of it.
    pub const fn restart(&mut self) {
        (self.gone, self.number) = (0, 0);
    }

    /// Takes back the oldest message of which nothing has gone and that `is_wanted` names.
    pub fn take_back(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let under_way = usize::from(self.number > 0);
        let mut waiting = self.waiting.iter().enumerate().skip(under_way);
        let (index, _) = waiting.find(|(_, message)| is_wanted(message))?;
        let message = self.waiting.remove(index)?;
        self.kept -= usize::from(index < self.kept);
        self.length -= message.len();
        Some(message)
    }

    /// Drops the oldest message of which nothing has gone and that may be dropped; its length. The answer for a message
    /// must always be the same: none is asked about twice, however many have to stay.
    pub fn drop_oldest(&mut self, is_droppable: fn(&[u8]) -> bool) -> Option<usize> {
        self.kept = self.kept.max(usize::from(self.number > 0)).min(self.waiting.len());
        while !is_droppable(self.waiting.get(self.kept)?) {
            self.kept += 1;
        }
        let length = self.waiting.remove(self.kept)?.len();
        self.length -= length;
        Some(length)
    }

    /// The next fragment, of at most `size` bytes with its header; `next_object` gives numbers to
    /// messages, which count up over all targets of a pool. `None` when nothing waits, or when
    /// `size` has no room for a fragment with a byte in it.
    pub fn poll_fragment(&mut self, size: usize, next_object: &mut u64) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.fill(&mut out, size, next_object).then_some(out)
    }

    /// As many whole fragments as fit `size`; empty when nothing waits.
    pub fn poll_fragments(&mut self, size: usize, next_object: &mut u64) -> Vec<u8> {
        let mut out = Vec::new();
        while self.fill(&mut out, size, next_object) {}
        out
    }

    fn fill(&mut self, out: &mut Vec<u8>, size: usize, next_object: &mut u64) -> bool {
        let Some(message) = self.waiting.front() else { return false };
        let room = size.saturating_sub(out.len());
        let left = message.get(self.gone..).unwrap_or_default();
        let Some(room) = room.checked_sub(HEADER).filter(|room| *room > 0 || left.is_empty())
        else {
            return false;
        };
        if self.number == 0 {
            self.object = *next_object;
            *next_object += 1;
        }
        let blob = left.get(..room).unwrap_or(left);
        let is_last = blob.len() == left.len();
        let mut flags = if is_last { LAST } else { 0 };
        if self.number == 0 {
            flags |= FIRST;
        }
        let length = u32::try_from(blob.len()).unwrap_or(u32::MAX);
        out.reserve(HEADER + blob.len());
        out.extend_from_slice(&self.object.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.push(flags);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(blob);
        if is_last {
            self.length -= self.waiting.pop_front().map_or(0, |message| message.len());
            self.kept = self.kept.saturating_sub(1);
            (self.gone, self.number) = (0, 0);
        } else {
            self.gone += blob.len();
            self.number += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(data: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut messages = Vec::new();
        Assembler::new(most).handle_fragments(data, |message| messages.push(message))?;
        Ok(messages)
    }

    #[test]
    fn messages_come_back_whatever_the_size_of_fragments() {
        let messages = vec![vec![1; 100], vec![], vec![2; 1], vec![3; 1000]];
        for size in [HEADER + 1, HEADER + 7, 100, 121, 4096] {
            let mut fragmenter = Fragmenter::default();
            messages.iter().for_each(|message| fragmenter.push(message.clone()));
            let (mut data, mut object) = (Vec::new(), 1);
            while let Some(fragment) = fragmenter.poll_fragment(size, &mut object) {
                assert!(fragment.len() <= size);
                data.extend(fragment);
            }
            assert_eq!(object, 5);
            assert_eq!(assembled(&data, 1000).unwrap(), messages, "{size}");
        }
    }

    #[test]
    fn several_fragments_share_what_room_there_is() {
        let mut fragmenter = Fragmenter::default();
        fragmenter.push(vec![1; 10]);
        fragmenter.push(vec![2; 10]);
        let mut object = 7;
        let data = fragmenter.poll_fragments(2 * HEADER + 15, &mut object);
        assert_eq!(data.len(), 2 * HEADER + 15);
        assert_eq!(fragmenter.len(), 5);
        assert_eq!(assembled(&data, 100).unwrap(), [vec![1; 10]]);
    }

    #[test]
    fn messages_are_begun_anew_and_taken_back() {
        let mut fragmenter = Fragmenter::default();
        for message in [vec![1; 10], vec![2; 10], vec![3; 10]] {
            fragmenter.push(message);
        }
        let mut object = 7;
        fragmenter.poll_fragment(HEADER + 4, &mut object).unwrap();
        assert_eq!(fragmenter.take_back(|message| message[0] == 1), None, "it is under way");
        assert_eq!(fragmenter.take_back(|message| message[0] > 1), Some(vec![2; 10]));
        assert_eq!(fragmenter.len(), 16);
        fragmenter.restart();
        assert_eq!(fragmenter.len(), 20);
        let data = fragmenter.poll_fragments(1000, &mut object);
        assert_eq!(assembled(&data, 100).unwrap(), [vec![1; 10], vec![3; 10]]);
        assert_eq!((object, fragmenter.len()), (10, 0));
    }

    #[test]
    fn oldest_that_may_go_is_dropped_and_what_must_stay_is_seen_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let is_droppable = |message: &[u8]| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            message[0] == 2
        };
        let mut fragmenter = Fragmenter::default();
        (0..1000).for_each(|_| fragmenter.push(vec![1; 4]));
        for _ in 0..1000 {
            fragmenter.push(vec![2; 5]);
            assert_eq!(fragmenter.drop_oldest(is_droppable), Some(5));
        }
        assert_eq!(fragmenter.drop_oldest(is_droppable), None);
        assert_eq!(ASKED.load(Ordering::Relaxed), 2000);
        assert_eq!(fragmenter.len(), 4000);
        // What goes out, or is taken back, moves what was seen.
        let mut object = 1;
        fragmenter.push(vec![2, 1]);
        for _ in 0..300 {
            fragmenter.poll_fragment(100, &mut object).unwrap();
        }
        fragmenter.poll_fragment(HEADER + 1, &mut object).unwrap();
        assert!(fragmenter.take_back(|message| message[0] == 1).is_some());
        fragmenter.push(vec![2, 2, 2]);
        assert_eq!(fragmenter.drop_oldest(is_droppable), Some(2));
        assert_eq!(fragmenter.drop_oldest(is_droppable), Some(3));
        assert_eq!(fragmenter.drop_oldest(is_droppable), None);
    }

    #[test]
    fn message_under_way_is_not_dropped() {
        let mut fragmenter = Fragmenter::default();
        fragmenter.push(vec![2; 10]);
        fragmenter.push(vec![2; 4]);
        fragmenter.poll_fragment(HEADER + 1, &mut 1).unwrap();
        assert_eq!(fragmenter.drop_oldest(|_| true), Some(4));
        assert_eq!(fragmenter.drop_oldest(|_| true), None);
        fragmenter.restart();
        assert_eq!(fragmenter.len(), 10);
    }

    #[test]
    fn fragments_out_of_order_are_refused() {
        let fragment = |object: u64, number: u64, flags: u8| {
            [&object.to_be_bytes()[..], &number.to_be_bytes(), &[flags], &1_u32.to_be_bytes(), b"x"]
                .concat()
        };
        let out_of_order = |object, fragment| Err(Error::OutOfOrder { object, fragment });
        assert_eq!(assembled(&fragment(1, 1, 2), 9), out_of_order(1, 1));
        assert_eq!(assembled(&fragment(0, 0, 3), 9), out_of_order(0, 0));
        let two = |one: Vec<u8>, two: Vec<u8>| assembled(&[one, two].concat(), 9);
        assert_eq!(two(fragment(1, 0, 1), fragment(1, 2, 2)), out_of_order(1, 2));
        assert_eq!(two(fragment(1, 0, 1), fragment(2, 0, 3)), out_of_order(2, 0));
        assert_eq!(two(fragment(1, 0, 1), fragment(1, 0, 3)), Ok(vec![b"x".to_vec()]));
        let mut cut = fragment(1, 0, 3);
        cut.pop();
        assert_eq!(assembled(&cut, 9), Err(Error::Truncated));
        assert_eq!(assembled(&fragment(1, 0, 3), 0), Err(Error::TooLarge(0)));
    }
}
