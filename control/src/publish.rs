//! Hands a finished snapshot to the workers with one pointer swap, and frees the old ones on this side.

use std::sync::Arc;

use arc_swap::ArcSwap;
use common::snapshot::Snapshot;

/// The one that publishes.
#[derive(Debug)]
pub struct Publisher {
    cell: Arc<ArcSwap<Snapshot>>,
    generation: u64,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// Publishes through `cell`; what it holds now stays until the first publication.
    pub fn new(cell: Arc<ArcSwap<Snapshot>>) -> Self {
        let generation = cell.load().generation;
        Self { cell, generation, retired: Vec::new() }
    }

    /// Makes `next` what workers see from their next burst on; returns its generation.
    pub fn publish(&mut self, mut next: Snapshot) -> u64 {
        self.generation += 1;
        next.generation = self.generation;
        self.retired.push(self.cell.swap(Arc::new(next)));
        self.reap();
        self.generation
    }

    /// Frees snapshots that no worker holds any more; returns how many still are held.
    pub fn reap(&mut self) -> usize {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        self.retired.len()
    }

    /// Where workers find what they see.
    pub fn cell(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.cell)
    }

    /// What workers see.
    pub fn current(&self) -> Arc<Snapshot> {
        self.cell.load_full()
    }

    /// Generation of what workers see.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_snapshot_is_freed_here_and_only_once_nobody_holds_it() {
        let cell = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let mut publisher = Publisher::new(Arc::clone(&cell));
        let mut worker = arc_swap::Cache::new(Arc::clone(&cell));
        assert_eq!(worker.load().generation, 0);
        assert_eq!(publisher.publish(Snapshot::default()), 1);
        assert_eq!(publisher.reap(), 1);
        let watched = Arc::downgrade(&publisher.current());
        assert_eq!(worker.load().generation, 1);
        assert_eq!(publisher.reap(), 0);
        publisher.publish(Snapshot::default());
        assert_eq!(worker.load().generation, 2);
        assert!(watched.upgrade().is_some(), "the worker let go, and did not free");
        publisher.reap();
        assert!(watched.upgrade().is_none());
    }
}
