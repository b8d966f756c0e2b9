//! Records by number, in pieces that never move: growing copies nothing and wastes no half.

/// Records of a piece.
const PIECE: usize = 4096;

/// A record's number is used again when it is free.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn insert(&mut self, record: T) -> u32 {
        self.len += 1;
        if let Some(at) = self.free.pop() {
            *self.place(at) = Some(record);
            return at;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let piece = self.pieces.last_mut().expect("one was just made sure of");
        piece.push(Some(record));
        (before + piece.len() - 1) as u32
    }

    fn place(&mut self, at: u32) -> &mut Option<T> {
        &mut self.pieces[at as usize / PIECE][at as usize % PIECE]
    }

    pub fn remove(&mut self, at: u32) -> Option<T> {
        let record = self.place(at).take()?;
        self.free.push(at);
        self.len -= 1;
        Some(record)
    }

    /// # Panics
    /// If there is none: numbers are kept by those who own the records.
    pub fn get(&self, at: u32) -> &T {
        self.pieces[at as usize / PIECE][at as usize % PIECE].as_ref().expect("the record is there")
    }

    /// # Panics
    /// As [`Self::get`].
    pub fn get_mut(&mut self, at: u32) -> &mut T {
        self.place(at).as_mut().expect("the record is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_pieces_follow_each_other() {
        let mut slab = Slab::default();
        for at in 0..PIECE as u32 + 3 {
            assert_eq!(slab.insert(at), at);
        }
        assert_eq!(slab.remove(7), Some(7));
        assert_eq!((slab.remove(7), slab.len()), (None, PIECE + 2));
        assert_eq!(slab.insert(99), 7);
        *slab.get_mut(PIECE as u32) += 1;
        assert_eq!((*slab.get(7), *slab.get(PIECE as u32), slab.len()), (99, PIECE as u32 + 1, PIECE + 3));
    }
}
