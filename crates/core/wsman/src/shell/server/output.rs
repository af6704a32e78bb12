//! What a command or a shell has written and its client has not collected yet.
//!
//! Chunks are kept as they came and taken from the front: a byte is copied once on its way into an
//! answer, however small the envelopes are.

use std::collections::VecDeque;

/// One stream of one command.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first chunk is already taken.
    taken: usize,
    /// Bytes that are there to be taken.
    len: usize,
    /// Bytes at the front that the producer has credit for already.
    uncharged: usize,
    /// Whether chunks are handed out as they came: a plug-in's are whole pieces of its protocol.
    keeps_chunks: bool,
    ended: bool,
    /// Whether an answer has carried the end mark.
    pub(super) end_told: bool,
}

impl Buffer {
    /// A buffer that hands chunks out as they came.
    pub(super) fn of_chunks() -> Self {
        Self { keeps_chunks: true, ..Self::default() }
    }

    /// Bytes that wait and that the producer has no credit for yet.
    pub(super) const fn charged(&self) -> usize {
        self.len - self.uncharged
    }

    /// Gives the producer credit for everything that waits: how many bytes that is.
    pub(super) const fn uncharge(&mut self) -> usize {
        let charged = self.charged();
        self.uncharged = self.len;
        charged
    }

    /// Throws the oldest chunks away until at most `limit` bytes wait.
    pub(super) fn drop_oldest(&mut self, limit: usize) {
        while self.len > limit
            && let Some(first) = self.next_len()
        {
            drop(self.take(first));
        }
    }

    /// Bytes of the first chunk that waits.
    pub(super) fn next_len(&self) -> Option<usize> {
        self.chunks.front().map(|first| first.len() - self.taken)
    }

    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing will follow what waits.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether nothing waits and nothing will follow.
    pub(super) const fn is_drained(&self) -> bool {
        self.ended && self.len == 0
    }

    /// Marks the end.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// Adds what the command wrote.
    pub(super) fn push(&mut self, mut data: Vec<u8>) {
        if data.is_empty() {
            return;
        }
        self.len += data.len();
        let most = self.put_together();
        match self.chunks.back_mut() {
            // A command that writes byte by byte must not cost an allocation for each byte.
            Some(last) if last.len() + data.len() <= most => {
                last.append(&mut data);
            }
            Some(_) | None => {
                // Readers hand over big buffers with little in them.
                if data.capacity() / 2 > data.len() {
                    data.shrink_to_fit();
                }
                self.chunks.push_back(data);
            }
        }
    }

    /// Chunks up to this size are put together. Those of a plug-in only where they are smaller than
    /// any piece of its protocol: else a producer of single bytes would cost many times its credit.
    const fn put_together(&self) -> usize {
        if self.keeps_chunks { TINY } else { SMALL }
    }

    /// Takes up to `wanted` bytes from the front.
    pub(super) fn take(&mut self, wanted: usize) -> Vec<u8> {
        let wanted = wanted.min(self.len);
        if self.taken == 0 && self.chunks.front().is_some_and(|first| first.len() == wanted) {
            self.took(wanted);
            return self.chunks.pop_front().unwrap_or_default();
        }
        let mut data = Vec::with_capacity(wanted);
        while data.len() < wanted {
            let Some(first) = self.chunks.front() else { break };
            let rest = first.get(self.taken..).unwrap_or_default();
            let missing = wanted - data.len();
            if let Some(part) = rest.get(..missing).filter(|part| part.len() < rest.len()) {
                data.extend_from_slice(part);
                self.taken += missing;
            } else {
                data.extend_from_slice(rest);
                self.chunks.pop_front();
                self.taken = 0;
            }
        }
        self.took(data.len());
        data
    }

    const fn took(&mut self, count: usize) {
        self.len -= count;
        self.uncharged = self.uncharged.saturating_sub(count);
    }
}

/// See [`Buffer::put_together`].
const SMALL: usize = 8_192;
/// A fragment of [MS-PSRP] 2.2.4 with the header of a message is no shorter.
const TINY: usize = 61;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(chunks: &[usize]) -> (Buffer, Vec<u8>) {
        let mut buffer = Buffer::default();
        let mut all = Vec::new();
        for (number, &size) in chunks.iter().enumerate() {
            let chunk = vec![u8::try_from(number % 251).unwrap(); size];
            all.extend_from_slice(&chunk);
            buffer.push(chunk);
        }
        (buffer, all)
    }

    #[test]
    fn pieces_of_any_size_give_the_bytes_in_order() {
        for step in [1, 7, 4_096, 10_000, 50_000] {
            let (mut buffer, all) = filled(&[1, 1, 9_000, 8_191, 2, 30_000, 1]);
            let mut got = Vec::new();
            while buffer.len() > 0 {
                let piece = buffer.take(step);
                assert!(!piece.is_empty() && piece.len() <= step);
                got.extend_from_slice(&piece);
            }
            assert_eq!(got, all, "step {step}");
        }
    }

    #[test]
    fn chunks_of_a_plug_in_stay_apart_unless_they_are_tiny() {
        let mut buffer = Buffer::of_chunks();
        for _ in 0..3 {
            buffer.push(vec![1; 62]);
        }
        assert_eq!((buffer.chunks.len(), buffer.next_len()), (3, Some(62)));
        for _ in 0..6_100 {
            buffer.push(vec![1]);
        }
        assert_eq!(buffer.chunks.len(), 3 + 100);
    }

    #[test]
    fn dropping_takes_whole_chunks_from_the_front_and_what_is_uncharged_first() {
        let mut buffer = Buffer::of_chunks();
        buffer.push(vec![1; 100]);
        assert_eq!((buffer.uncharge(), buffer.charged()), (100, 0));
        buffer.push(vec![2; 100]);
        buffer.push(vec![3; 100]);
        assert_eq!(buffer.charged(), 200);
        buffer.drop_oldest(250);
        assert_eq!((buffer.len(), buffer.charged()), (200, 200));
        buffer.drop_oldest(0);
        assert_eq!((buffer.len(), buffer.charged()), (0, 0));
    }

    #[test]
    fn small_chunks_are_put_together() {
        let (buffer, _) = filled(&[1; 10_000]);
        assert!(buffer.chunks.len() <= 2, "{} chunks", buffer.chunks.len());
    }

    #[test]
    fn a_big_buffer_with_little_in_it_is_not_kept() {
        let mut buffer = Buffer::default();
        let mut data = Vec::with_capacity(65_536);
        data.extend_from_slice(&[0; 10_000]);
        buffer.push(data);
        assert!(buffer.chunks[0].capacity() < 20_000);
    }

    #[test]
    fn a_whole_chunk_is_handed_out_without_a_copy() {
        let mut buffer = Buffer::default();
        let data = vec![1; 20_000];
        let address = data.as_ptr();
        buffer.push(data);
        let taken = buffer.take(usize::MAX);
        assert_eq!(taken.as_ptr(), address);
    }

    #[test]
    fn a_stream_is_drained_after_its_end_and_its_last_byte() {
        let (mut buffer, _) = filled(&[3]);
        buffer.end();
        assert!(buffer.is_ended() && !buffer.is_drained());
        buffer.take(3);
        assert!(buffer.is_drained());
    }
}
