//! The 128-bit cell and the memory of a table.
//!
//! The table is generic over both, so that the model checker runs the production source on cells of its own.

use std::{io, sync::atomic::Ordering};

use hw::{PageBacking, PageSlice};
use portable_atomic::AtomicU128;

use super::ColdWords;

/// One 128-bit word that threads share; every access is sequentially consistent.
pub trait Cell128: Send + Sync {
    /// Reads the word.
    fn load(&self) -> u128;

    /// The low halves of some cells, each at some moment: hints of what [`Cell128::load`] would give.
    #[inline(always)]
    fn lows<const N: usize>(cells: &[Self; N]) -> [u64; N]
    where
        Self: Sized,
    {
        cells.each_ref().map(|cell| cell.load() as u64)
    }

    /// The high half at some moment.
    #[inline(always)]
    fn high(&self) -> u64 {
        (self.load() >> 64) as u64
    }

    /// Replaces `current` by `new` in one step.
    ///
    /// # Errors
    /// The word found, if it was not `current`.
    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128>;
}

impl Cell128 for AtomicU128 {
    #[inline]
    fn load(&self) -> u128 {
        AtomicU128::load(self, Ordering::SeqCst)
    }

    #[inline(always)]
    fn lows<const N: usize>(cells: &[Self; N]) -> [u64; N] {
        let mut lows = [0; N];
        let (lines, rest) = cells.as_chunks::<4>();
        let (chunks, ends) = lows.as_chunks_mut::<4>();
        for (low, line) in chunks.iter_mut().zip(lines) {
            *low = [
                hw::half::<0, 4>(line),
                hw::half::<16, 4>(line),
                hw::half::<32, 4>(line),
                hw::half::<48, 4>(line),
            ];
        }
        for (low, cell) in ends.iter_mut().zip(rest) {
            *low = hw::half::<0, 1>(std::array::from_ref(cell));
        }
        lows
    }

    #[inline(always)]
    fn high(&self) -> u64 {
        hw::half::<8, 1>(std::array::from_ref(self))
    }

    #[inline(always)]
    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
        AtomicU128::compare_exchange(self, current, new, Ordering::SeqCst, Ordering::SeqCst)
    }
}

/// The memory of a table: as many cold parts as cells.
pub trait Storage: Send + Sync {
    /// The hot word.
    type Cell: Cell128;
    /// The cold words.
    type Cold: ColdWords;

    /// All hot words, 64-byte aligned in production.
    fn cells(&self) -> &[Self::Cell];

    /// All cold parts.
    fn cold(&self) -> &[Self::Cold];

    /// Brings the cache line of a cell near.
    fn prefetch(&self, _index: usize) {}

    /// Brings the cold part of a slot near.
    fn prefetch_cold(&self, _index: usize) {}
}

/// Production memory: pages of their own, huge ones where they can be had.
#[derive(Debug)]
pub struct PageStorage<C: ColdWords> {
    cells: PageSlice<AtomicU128>,
    cold: PageSlice<C>,
}

impl<C: ColdWords> PageStorage<C> {
    /// Maps and touches the memory of `slots` slots.
    ///
    /// # Errors
    /// What the kernel says: no memory, or not enough reserved huge pages.
    pub fn new(slots: usize, backing: PageBacking) -> io::Result<Self> {
        Ok(Self { cells: PageSlice::new(slots, backing)?, cold: PageSlice::new(slots, backing)? })
    }
}

impl<C: ColdWords> Storage for PageStorage<C> {
    type Cell = AtomicU128;
    type Cold = C;

    #[inline]
    fn cells(&self) -> &[AtomicU128] {
        &self.cells
    }

    #[inline]
    fn cold(&self) -> &[Self::Cold] {
        &self.cold
    }

    #[inline]
    fn prefetch(&self, index: usize) {
        if let Some(cell) = self.cells.get(index) {
            hw::prefetch(cell);
        }
    }

    #[inline]
    fn prefetch_cold(&self, index: usize) {
        if let Some(cold) = self.cold.get(index) {
            hw::prefetch(cold);
        }
    }
}

/// Ordinary memory with any kind of cell, for models and tests.
#[derive(Debug)]
pub struct HeapStorage<T, C> {
    cells: Vec<T>,
    cold: Vec<C>,
}

impl<T, C: ColdWords> HeapStorage<T, C> {
    /// Takes the cells as they are.
    pub fn new(cells: Vec<T>) -> Self {
        let cold = cells.iter().map(|_| C::zeroed()).collect();
        Self { cells, cold }
    }
}

impl<T: Cell128, C: ColdWords> Storage for HeapStorage<T, C> {
    type Cell = T;
    type Cold = C;

    fn cells(&self) -> &[T] {
        &self.cells
    }

    fn cold(&self) -> &[Self::Cold] {
        &self.cold
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// With no halves of its own.
    struct Plain(AtomicU128);

    impl Cell128 for Plain {
        fn load(&self) -> u128 {
            Cell128::load(&self.0)
        }

        fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
            Cell128::compare_exchange(&self.0, current, new)
        }
    }

    /// The models run on the halves that the trait has, the product on those read apart.
    #[test]
    fn halves_are_the_same_read_apart_and_cut_from_a_whole() {
        let words: [u128; 6] = std::array::from_fn(|at| u128::MAX / 7 * (at as u128 + 1));
        let (cells, plain) = (words.map(AtomicU128::new), words.map(|word| Plain(AtomicU128::new(word))));
        assert_eq!(Cell128::lows(&cells), words.map(|word| word as u64));
        assert_eq!(Cell128::lows(&plain), words.map(|word| word as u64));
        for ((cell, plain), word) in cells.iter().zip(&plain).zip(words) {
            assert_eq!([cell.high(), plain.high()], [(word >> 64) as u64; 2]);
        }
    }

    #[test]
    fn the_production_cell_is_lock_free() {
        assert!(AtomicU128::is_always_lock_free(), "needs cmpxchg16b: build for x86-64-v2");
        assert_eq!(size_of::<AtomicU128>(), 16);
    }

    #[test]
    fn pages_are_zero_aligned_and_as_long_as_asked() {
        let memory = PageStorage::<[AtomicU32; 3]>::new(1000, PageBacking::Transparent).unwrap();
        assert_eq!((memory.cells().len(), memory.cold().len()), (1000, 1000));
        assert!(std::ptr::from_ref(&memory.cells()[0]).addr().is_multiple_of(64));
        assert!(memory.cells().iter().all(|cell| Cell128::load(cell) == 0));
        assert_eq!(memory.cells()[999].compare_exchange(0, 7, Ordering::SeqCst, Ordering::SeqCst), Ok(0));
    }

    #[test]
    fn a_table_without_cold_words_takes_none() {
        let memory = PageStorage::<[AtomicU32; 0]>::new(1000, PageBacking::Transparent).unwrap();
        assert_eq!((memory.cells().len(), memory.cold().len()), (1000, 1000));
        memory.cold()[999].write([]);
    }
}
