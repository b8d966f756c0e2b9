//! The shells that are open: so many, and root always finds a place.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use super::connections::Refusals;

/// Shells at once.
pub const MAX_SHELLS: usize = 64;

/// The open shells. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Shells(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    open: Vec<Entry>,
    last: u64,
    refusals: Refusals,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    used: Instant,
    end: Arc<Notify>,
}

/// One shell's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shells: Shells,
    id: u64,
    end: Arc<Notify>,
}

impl Shells {
    /// A place, if there is one. For root the shell that has asked nothing for longest must go if need be.
    pub fn admit(&self, is_root: bool) -> Option<Place> {
        let mut list = self.list();
        if list.open.len() >= MAX_SHELLS {
            if !is_root {
                let refused = list.refusals.add();
                drop(list);
                if let Some(refused) = refused {
                    let mnemonic = "SYS-4-CONNECTIONS";
                    tracing::warn!(mnemonic, "{refused} shells refused: {MAX_SHELLS} are open");
                }
                return None;
            }
            let idle = list.open.iter().enumerate().min_by_key(|(_, entry)| entry.used).map(|(at, _)| at);
            // Its task ends by itself; the place is given away at once.
            if let Some(at) = idle {
                list.open.swap_remove(at).end.notify_one();
            }
        }
        list.last += 1;
        let (id, end) = (list.last, Arc::new(Notify::new()));
        list.open.push(Entry { id, used: Instant::now(), end: Arc::clone(&end) });
        drop(list);
        Some(Place { shells: self.clone(), id, end })
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The shell has asked something.
    pub fn used(&self) {
        if let Some(entry) = self.shells.list().open.iter_mut().find(|entry| entry.id == self.id) {
            entry.used = Instant::now();
        }
    }

    /// Waits until root needs the place.
    pub async fn taken(&self) {
        self.end.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shells.list().open.retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn root_takes_the_place_of_the_longest_idle() {
        let shells = Shells::default();
        let mut places: Vec<_> = (0..MAX_SHELLS).map(|_| shells.admit(false).unwrap()).collect();
        assert!(shells.admit(false).is_none());
        places[0].used();
        let root = shells.admit(true).unwrap();
        places[1].taken().await;
        assert!(shells.admit(false).is_none(), "it has the place of the other");
        drop(places.swap_remove(1));
        assert!(shells.admit(false).is_none());
        drop(root);
        assert!(shells.admit(false).is_some());
    }
}
