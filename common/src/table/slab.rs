//! Records that do not fit into a table's word: a table holds their indices.
//!
//! A record is made before its index is in the table, and released after it is out of it. Another worker may have read
//! the index just before, so the record keeps its contents until every worker is done with the burst that it was in:
//! [`Slab::reclaim`] takes released records back once all workers use a snapshot that was published later. Until then
//! they are nobody's.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU16, AtomicU32, Ordering::SeqCst},
};

use crossbeam::queue::ArrayQueue;

use super::{Entry, Payload};

/// A record's position, with the generation that tells its contents from earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlabIndex {
    index: u32,
    generation: u16,
}

impl SlabIndex {
    const INDEX: u32 = Payload::FIRST;
    const GENERATION: u32 = Payload::BITS - Payload::FIRST;
    const GENERATION_MASK: u16 = (1 << Self::GENERATION) - 1;
}

impl Entry for SlabIndex {
    const NAME: &'static str = "records";
    const PERMANENT: bool = true;
    type Cold = [AtomicU32; 0];

    #[inline]
    fn pack(self) -> Payload {
        Payload::default()
            .with::<0, { Self::INDEX }>(self.index.into())
            .with::<{ Self::INDEX }, { Self::GENERATION }>(self.generation.into())
    }

    #[inline]
    fn unpack(payload: Payload) -> Self {
        Self {
            index: payload.get::<0, { Self::INDEX }>() as u32,
            generation: payload.get::<{ Self::INDEX }, { Self::GENERATION }>() as u16,
        }
    }
}

/// A fixed number of records of any kind. A record is shared as soon as its index is in a table, so what changes in it
/// is atomic.
#[derive(Debug)]
pub struct Slab<R> {
    records: Box<[Record<R>]>,
    free: ArrayQueue<u32>,
    /// Since the last batch was taken.
    released: ArrayQueue<u32>,
    batch: Mutex<Batch>,
}

#[derive(Debug)]
struct Record<R> {
    /// Of its present contents, or of the next.
    generation: AtomicU16,
    value: R,
}

/// Released records that some worker may still read.
#[derive(Debug, Default)]
struct Batch {
    indices: Vec<u32>,
    /// Newest snapshot generation when they had all been released.
    generation: u64,
}

impl<R> Slab<R> {
    /// Most records that an index tells apart.
    pub const MAX: u32 = 1 << SlabIndex::INDEX;

    /// Room for `capacity` records, which `make` makes, all of them free.
    ///
    /// # Panics
    /// With no record or more than [`Slab::MAX`].
    pub fn new(capacity: u32, mut make: impl FnMut() -> R) -> Self {
        assert!((1..=Self::MAX).contains(&capacity), "1 to {} records, not {capacity}", Self::MAX);
        let room = capacity as usize;
        let free = ArrayQueue::new(room);
        for index in 0..capacity {
            let _ = free.push(index);
        }
        Self {
            records: (0..room).map(|_| Record { generation: AtomicU16::new(0), value: make() }).collect(),
            free,
            released: ArrayQueue::new(room),
            batch: Mutex::new(Batch { indices: Vec::with_capacity(room), generation: 0 }),
        }
    }

    /// A free record, for the caller to fill before anybody else learns its index. Lock-free.
    pub fn allocate(&self) -> Option<SlabIndex> {
        let index = self.free.pop()?;
        let generation = self.records.get(index as usize)?.generation.load(SeqCst);
        Some(SlabIndex { index, generation })
    }

    /// Brings a record near, without waiting for it.
    #[inline]
    pub fn prefetch(&self, index: SlabIndex) {
        if let Some(record) = self.records.get(index.index as usize) {
            hw::prefetch(record);
        }
    }

    /// The record, unless it was released. A worker may use it to the end of its burst; whoever else reads it asks
    /// again afterwards whether it still was this one.
    #[inline]
    pub fn get(&self, index: SlabIndex) -> Option<&R> {
        let record = self.records.get(index.index as usize)?;
        (record.generation.load(SeqCst) == index.generation).then_some(&record.value)
    }

    /// Gives up a record whose index is in no table, or no longer; false if somebody else has done so. Lock-free.
    pub fn release(&self, index: SlabIndex) -> bool {
        let Some(record) = self.records.get(index.index as usize) else { return false };
        let next = index.generation.wrapping_add(1) & SlabIndex::GENERATION_MASK;
        let ours = record.generation.compare_exchange(index.generation, next, SeqCst, SeqCst).is_ok();
        // There is room for every record.
        ours && self.released.push(index.index).is_ok()
    }

    /// Makes records free that were released long enough ago; how many. For control, now and then.
    ///
    /// `published` is the generation of the newest snapshot, `used` the oldest that a worker may still use. A batch of
    /// released records is free once every worker uses a snapshot newer than the newest of the time when the batch was
    /// taken: each has begun a burst since, and found none of the indices. So while records wait
    /// ([`Slab::waiting`]), something must be published for them to become free.
    pub fn reclaim(&self, published: u64, used: u64) -> usize {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut freed = 0;
        if used > batch.generation {
            freed = batch.indices.len();
            for index in batch.indices.drain(..) {
                let _ = self.free.push(index);
            }
        }
        if batch.indices.is_empty() {
            // What is released from here on is for the next batch, so that this ends.
            let count = self.released.len();
            batch.indices.extend(std::iter::from_fn(|| self.released.pop()).take(count));
            batch.generation = published;
        }
        freed
    }

    /// Records that were released and are not free yet.
    pub fn waiting(&self) -> usize {
        self.released.len() + self.batch.lock().unwrap_or_else(PoisonError::into_inner).indices.len()
    }

    /// Records neither free nor waiting.
    pub fn used(&self) -> usize {
        self.records.len().saturating_sub(self.free.len() + self.waiting())
    }

    /// Bytes of the records and of the lists of those that are not used.
    pub fn bytes(&self) -> u64 {
        // A place of an `ArrayQueue` is a stamp and the value.
        let listed = 2 * (size_of::<usize>() + size_of::<usize>()) + size_of::<u32>();
        (self.records.len() * (size_of::<Record<R>>() + listed)) as u64
    }

    /// Records in all.
    pub fn capacity(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use proptest::prelude::*;

    use super::*;

    fn slab(capacity: u32) -> Slab<AtomicU64> {
        Slab::new(capacity, AtomicU64::default)
    }

    proptest! {
        #[test]
        fn an_index_survives_its_payload(index in 0..Slab::<()>::MAX, generation in 0..1_u16 << 11) {
            let index = SlabIndex { index, generation };
            prop_assert_eq!(SlabIndex::unpack(index.pack()), index);
        }
    }

    #[test]
    fn a_released_record_is_found_no_more_and_reused_only_after_every_worker_has_passed() {
        let slab = slab(1);
        let first = slab.allocate().unwrap();
        assert_eq!((slab.allocate(), slab.used()), (None, 1));
        assert!(slab.get(first).is_some());
        assert!(slab.release(first) && !slab.release(first), "once");
        assert!(slab.get(first).is_none());
        assert_eq!((slab.used(), slab.waiting()), (0, 1));
        // Taken at generation 7; a worker that uses 7 may have begun its burst before.
        for used in [6, 7, 7] {
            assert_eq!(slab.reclaim(7, used), 0);
            assert_eq!(slab.allocate(), None);
        }
        assert_eq!(slab.reclaim(8, 8), 1);
        let second = slab.allocate().unwrap();
        assert!(second != first && second.index == first.index);
        assert!(slab.get(second).is_some() && slab.get(first).is_none());
        assert!(!slab.release(first), "an old index gives up nothing");
    }

    #[test]
    fn a_record_released_after_its_batch_waits_for_the_next() {
        let slab = slab(2);
        let (first, second) = (slab.allocate().unwrap(), slab.allocate().unwrap());
        slab.release(first);
        slab.reclaim(1, 1);
        slab.release(second);
        assert_eq!((slab.reclaim(2, 2), slab.waiting()), (1, 1));
        assert_eq!((slab.reclaim(2, 2), slab.reclaim(3, 3)), (0, 1));
        assert_eq!((slab.waiting(), slab.used()), (0, 0));
    }

    #[test]
    fn a_generation_comes_again_only_after_all_others() {
        let slab = slab(1);
        let first = slab.allocate().unwrap();
        let mut index = first;
        for generation in 1..=u64::from(SlabIndex::GENERATION_MASK) + 1 {
            assert!(slab.release(index));
            slab.reclaim(generation, generation);
            slab.reclaim(generation + 1, generation + 1);
            index = slab.allocate().unwrap();
            assert_eq!(index == first, generation > u64::from(SlabIndex::GENERATION_MASK));
        }
    }

    /// Workers that hold indices for a burst, and read what their records held when the burst began.
    #[test]
    fn nobody_sees_a_record_change_within_a_burst() {
        const WORKERS: usize = 2;
        // One slot of a table: an index with a mark, or nothing.
        const MARK: u64 = 1 << 63;
        let slab = slab(16);
        let published = AtomicU64::new(1);
        let used: [AtomicU64; WORKERS] = std::array::from_fn(|_| AtomicU64::new(0));
        let slot = AtomicU64::new(0);
        let done = AtomicBool::new(false);
        let bits = |index: SlabIndex| u64::from(index.index) << 16 | u64::from(index.generation);
        let index = |bits: u64| SlabIndex { index: (bits >> 16) as u32, generation: bits as u16 };
        let changes = std::thread::scope(|scope| {
            for used in &used {
                let (slab, published, slot, done) = (&slab, &published, &slot, &done);
                scope.spawn(move || {
                    while !done.load(SeqCst) {
                        used.store(published.load(SeqCst), SeqCst);
                        let found = slot.load(SeqCst);
                        let Some(record) =
                            (found & MARK != 0).then(|| slab.get(index(found & !MARK))).flatten()
                        else {
                            std::thread::yield_now();
                            continue;
                        };
                        let first = record.load(SeqCst);
                        for _ in 0..64 {
                            assert_eq!(record.load(SeqCst), first);
                        }
                    }
                });
            }
            let mut changes = 0_u64;
            while changes < 300 {
                if let Some(next) = slab.allocate() {
                    changes += 1;
                    slab.get(next).unwrap().store(changes, SeqCst);
                    let old = slot.swap(MARK | bits(next), SeqCst);
                    if old & MARK != 0 {
                        assert!(slab.release(index(old & !MARK)));
                    }
                }
                let newest = published.fetch_add(1, SeqCst) + 1;
                let oldest = used.iter().map(|used| used.load(SeqCst)).min().unwrap();
                slab.reclaim(newest, oldest);
                std::thread::yield_now();
            }
            done.store(true, SeqCst);
            changes
        });
        assert_eq!((changes, slab.used()), (300, 1));
    }
}
