//! Where an identity may lie, and the single steps on a slot.

use std::marker::PhantomData;

use super::{Cell128, Entry, Identity, PageStorage, Storage, Word};
use crate::time::Tick;

/// A slot's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(super) usize);

impl Slot {
    /// Of the first line.
    pub const FIRST: Self = Self(0);
}

/// A word whose halves were read one after the other: it never was anybody's unless [`OptimisticRead::replace`] or
/// [`OptimisticRead::holds`] says so.
#[derive(Debug)]
pub struct OptimisticRead<'a, E: Entry, C> {
    cell: &'a C,
    /// Where it lies.
    pub slot: Slot,
    /// Live, and of the identity asked for.
    pub word: Word<E>,
}

impl<E: Entry, C: Cell128> OptimisticRead<'_, E, C> {
    /// Replaces the word in one step; false if the slot held another.
    #[inline(always)]
    pub fn replace(&self, new: Word<E>) -> bool {
        self.cell.compare_exchange(self.word.0, new.0).is_ok()
    }

    /// The slot holds the word.
    pub fn holds(&self) -> bool {
        self.cell.load() == self.word.0
    }
}

/// Some slots of a line.
#[derive(Debug)]
pub(super) struct Chosen {
    first: usize,
    /// A bit each.
    ways: u32,
}

impl Chosen {
    pub fn number(&self) -> u32 {
        self.ways.count_ones()
    }
}

impl Iterator for Chosen {
    type Item = Slot;

    #[inline(always)]
    fn next(&mut self) -> Option<Slot> {
        if self.ways == 0 {
            return None;
        }
        let way = self.ways.trailing_zeros() as usize;
        self.ways &= self.ways - 1;
        Some(Slot(self.first + way))
    }
}

/// Lines of `WAYS` slots; every identity has two lines to lie in.
#[derive(Debug)]
pub struct Table<E: Entry, S = PageStorage<<E as Entry>::Cold>, const WAYS: usize = 4> {
    storage: S,
    lines: u32,
    entry: PhantomData<fn() -> E>,
}

impl<E: Entry, S: Storage<Cold = E::Cold>, const WAYS: usize> Table<E, S, WAYS> {
    /// A table over zeroed cells.
    ///
    /// # Panics
    /// With fewer than two lines, or memory that is not whole lines.
    pub fn new(storage: S) -> Self {
        let cells = storage.cells().len();
        assert!(cells >= 2 * WAYS && cells.is_multiple_of(WAYS), "at least two whole lines");
        assert_eq!(cells, storage.cold().len(), "one cold part a cell");
        let lines = u32::try_from(cells / WAYS).expect("64 million entries are 27 million lines");
        Self { storage, lines, entry: PhantomData }
    }

    /// Number of lines.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// The two lines that an identity may lie in; always different.
    #[inline(always)]
    pub fn candidates(&self, Identity(identity): Identity) -> [u32; 2] {
        // Multiply-shift of either half: the number of lines need not be a power of two.
        let scale = |half: u32| ((u64::from(half) * u64::from(self.lines)) >> 32) as u32;
        let first = scale(identity as u32);
        let second = scale((identity >> 32) as u32);
        let other = if first + 1 == self.lines { 0 } else { first + 1 };
        [first, if first == second { other } else { second }]
    }

    /// Brings both candidate lines near.
    #[inline(always)]
    pub fn prefetch(&self, identity: Identity) {
        for line in self.candidates(identity) {
            self.storage.prefetch(line as usize * WAYS);
        }
    }

    /// Brings the cold words of a slot near.
    #[inline(always)]
    pub fn prefetch_cold(&self, slot: Slot) {
        self.storage.prefetch_cold(slot.0);
    }

    /// The live word of an identity, expired or not, where a hash match is a match.
    #[inline]
    pub fn find(&self, identity: Identity) -> Option<(Slot, Word<E>)> {
        self.find_where(identity, |_| true)
    }

    /// The live word of the entry that `matches`, expired or not: the entry's key is compared, not only its identity.
    #[inline]
    pub fn find_where(&self, identity: Identity, matches: impl Fn(E) -> bool) -> Option<(Slot, Word<E>)> {
        for line in self.candidates(identity) {
            for slot in self.matches(line, identity) {
                let word = self.load(slot);
                if word.identity() == identity && word.entry().is_some_and(&matches) {
                    return Some((slot, word));
                }
            }
        }
        None
    }

    /// Perhaps the live word of an identity, to be changed or proved; `None` says nothing. Where keys are compared,
    /// [`Table::find_where`] looks further if this one is another key's.
    #[inline(always)]
    pub fn read_optimistic(&self, identity: Identity) -> Option<OptimisticRead<'_, E, S::Cell>> {
        let (lines, _) = self.storage.cells().as_chunks::<WAYS>();
        let [first, second] = self.candidates(identity);
        let [near, far] = [lines.get(first as usize)?, lines.get(second as usize)?];
        // Where it lies is random: a branch at each slot would be guessed wrong once a packet.
        let mut found = usize::MAX;
        for (line, offset) in [(near, 0), (far, WAYS)] {
            for (way, low) in S::Cell::lows(line).into_iter().enumerate() {
                found = if low == identity.0 { offset + way } else { found };
            }
        }
        let (line, cells, way) =
            if found < WAYS { (first, near, found) } else { (second, far, found.wrapping_sub(WAYS)) };
        let cell = cells.get(way)?;
        let word = Word::from_halves(cell.high(), identity);
        word.is_live().then_some(OptimisticRead { cell, slot: Slot(line as usize * WAYS + way), word })
    }

    /// The slots of a line whose low half is an identity: claims and entries.
    #[inline(always)]
    pub(super) fn matches(&self, line: u32, identity: Identity) -> Chosen {
        let lows = S::Cell::lows(self.cells_of(line));
        let ways = (0..WAYS).fold(0, |set, way| set | u32::from(lows[way] == identity.0) << way);
        Chosen { first: line as usize * WAYS, ways }
    }

    /// The slots of a line that seem empty.
    #[inline(always)]
    pub(super) fn empties(&self, line: u32) -> Chosen {
        let cells = self.cells_of(line);
        let lows = S::Cell::lows(cells);
        let ways = (0..WAYS).fold(0, |set, way| set | u32::from(lows[way] | cells[way].high() == 0) << way);
        Chosen { first: line as usize * WAYS, ways }
    }

    #[inline(always)]
    fn cells_of(&self, line: u32) -> &[S::Cell; WAYS] {
        &self.storage.cells().as_chunks::<WAYS>().0[line as usize]
    }

    /// Reads a slot.
    #[inline(always)]
    pub fn load(&self, slot: Slot) -> Word<E> {
        Word::from_bits(self.storage.cells()[slot.0].load())
    }

    /// Replaces `old` by `new` in one step: refresh, reassign, expire and delete are this and nothing else.
    ///
    /// # Errors
    /// The word found instead.
    #[inline(always)]
    pub fn replace(&self, slot: Slot, old: Word<E>, new: Word<E>) -> Result<(), Word<E>> {
        self.storage.cells()[slot.0].compare_exchange(old.0, new.0).map(|_| ()).map_err(Word::from_bits)
    }

    /// The cold words of a slot; they belong to its entry only while the hot word stays the same entry's.
    #[inline(always)]
    pub fn cold(&self, slot: Slot) -> &E::Cold {
        &self.storage.cold()[slot.0]
    }

    /// Every slot of a line.
    #[inline]
    pub fn slots_of(&self, line: u32) -> impl Iterator<Item = Slot> + use<E, S, WAYS> {
        let base = line as usize * WAYS;
        (base..base + WAYS).map(Slot)
    }

    /// Empties claims that their owners abandoned (a thread that died or stalled past the claim's deadline).
    pub fn clear_abandoned(&self, line: u32, now: Tick) {
        for slot in self.slots_of(line) {
            let word = self.load(slot);
            if !word.is_live() && word.expired(now) {
                // Losing to the owner or to another sweep is as good.
                let _ = self.replace(slot, word, Word::EMPTY);
            }
        }
    }
}
