//! Counters with a cell for each worker, so that counting never shares a cache line between workers.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release, SeqCst},
};

use crossbeam::utils::CachePadded;

use crate::id::WorkerId;

/// `N` counters in a cell for each worker and one for everybody else. All only rise; `clear` moves the zero mark.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    cells: Box<[CachePadded<[AtomicU64; N]>]>,
    zero: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    /// Cells for `workers` workers and for control.
    pub fn new(workers: u8) -> Self {
        let cell = || CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            cells: (0..=workers).map(|_| cell()).collect(),
            zero: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Adds `more` in `worker`'s cell, in which nobody else counts; any number above the workers' is control, on any thread.
    #[inline]
    pub fn add(&self, worker: WorkerId, counter: usize, more: u64) {
        let last = self.cells.len() - 1;
        let index = worker.index().min(last);
        let cell = &self.cells[index][counter];
        if index < last {
            // A worker's own cell has one writer.
            cell.store(cell.load(Relaxed) + more, Release);
        } else {
            cell.fetch_add(more, SeqCst);
        }
    }

    /// Sum of all cells since the last clear.
    pub fn total(&self, counter: usize) -> u64 {
        self.raw(counter).wrapping_sub(self.zero[counter].load(Relaxed))
    }

    /// Sum of all cells since the start.
    pub fn raw(&self, counter: usize) -> u64 {
        self.cells.iter().map(|cell| cell[counter].load(SeqCst)).sum()
    }

    /// Totals start again from zero (`clear ip slb counters`).
    pub fn clear(&self) {
        for counter in 0..N {
            self.zero[counter].store(self.raw(counter), Relaxed);
        }
    }
}

impl<const N: usize> Default for Counters<N> {
    /// One cell for all: right, but shared.
    fn default() -> Self {
        Self::new(0)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Barrier,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn cells_add_up_and_clearing_moves_the_mark() {
        let counters = Counters::<2>::new(2);
        for worker in [0, 1, 1, 2, 200] {
            counters.add(WorkerId(worker), 1, 1);
        }
        assert_eq!((counters.total(0), counters.total(1)), (0, 5));
        counters.clear();
        counters.add(WorkerId(0), 1, 1);
        assert_eq!((counters.total(1), counters.raw(1)), (1, 6));
    }

    #[test]
    fn whoever_is_no_worker_may_count_on_any_thread() {
        let (counters, barrier) = (Counters::<1>::new(2), Barrier::new(2));
        let count = || {
            barrier.wait();
            // Long enough that both do so at once, also on a busy machine.
            let (mut counted, began) = (0, Instant::now());
            while began.elapsed() < Duration::from_millis(200) {
                (0..1000).for_each(|_| counters.add(WorkerId(2), 0, 1));
                counted += 1000;
            }
            counted
        };
        let counted: u64 = std::thread::scope(|scope| {
            let threads = [scope.spawn(count), scope.spawn(count)];
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!(counters.total(0), counted);
    }
}
