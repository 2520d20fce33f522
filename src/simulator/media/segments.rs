//! Content in pieces, so that large outputs are served without being held in memory.

use std::ops::Range;

use axum::body::Bytes;

use crate::domain::Digest;

/// The padding's period in bytes: a prime, so that bytes put in a wrong place are seen.
const PERIOD: usize = 65_521;

/// A sequence of pieces.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Segments {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Segments {
    /// One piece.
    pub(in crate::simulator) fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = size(&bytes);
        Self { pieces: vec![bytes], length }
    }

    /// Appends `length` bytes that look random and follow from the seed.
    pub(super) fn fill(&mut self, seed: &Digest, length: u64) {
        let number = seed.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mut random = fastrand::Rng::with_seed(number);
        let mut block = vec![0; PERIOD];
        random.fill(&mut block);
        let block = Bytes::from(block);
        let mut missing = length;
        while missing > 0 {
            let piece =
                block.slice(..usize::try_from(missing).map_or(PERIOD, |left| left.min(PERIOD)));
            missing -= size(&piece);
            self.pieces.push(piece);
        }
        self.length += length;
    }

    /// Puts a piece in front.
    pub(super) fn prepend(&mut self, bytes: Bytes) {
        self.length += size(&bytes);
        self.pieces.insert(0, bytes);
    }

    /// The size of all in bytes.
    pub(in crate::simulator) fn len(&self) -> u64 {
        self.length
    }

    /// The part from `range.start` to before `range.end`.
    pub(in crate::simulator) fn slice(&self, range: Range<u64>) -> Self {
        let mut begin = 0;
        let mut pieces = Vec::new();
        for piece in &self.pieces {
            let end = begin + size(piece);
            let from = range.start.max(begin);
            let to = range.end.min(end);
            if from < to {
                let at = |place: u64| usize::try_from(place - begin).unwrap_or(usize::MAX);
                pieces.push(piece.slice(at(from)..at(to)));
            }
            begin = end;
        }
        let length = pieces.iter().map(size).sum();
        Self { pieces, length }
    }

    /// The pieces in order.
    pub(in crate::simulator) fn pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    /// All in one.
    #[cfg(test)]
    pub(in crate::simulator) fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

fn size(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
