//! How many connections a listener holds at once: of one source, and in all. Every listener that lets in whoever comes has
//! one, so that nobody can use up the process's file descriptors.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Pause of a listener after the system has refused a connection, for want of file descriptors for example: those who hold
/// them must go first.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Refusals are logged at most this often.
const LOG: Duration = Duration::from_mins(1);

/// Most connections at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: u16,
    /// Of one address.
    pub per_source: u16,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total: 256, per_source: 64 }
    }
}

/// The connections of one listener. A clone counts the same ones.
#[derive(Clone, Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
    refusals: Refusals,
}

/// Refusals, of which many are one line of the log.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Since the last line.
    count: u64,
    logged: Option<Instant>,
}

impl Refusals {
    /// One more: how many there were since the last line, if it is time for another.
    pub fn add(&mut self) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|last| last.elapsed() < LOG) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Permit {
    held: Arc<Mutex<Held>>,
    source: IpAddr,
}

impl Connections {
    /// None yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self { limits, held: Arc::default() }
    }

    /// A place for a connection from `source`; none: it is to be closed. `listener` names it in the log.
    pub fn admit(&self, source: IpAddr, listener: &str) -> Option<Permit> {
        let mut held = lock(&self.held);
        let of_source = held.by_source.get(&source).copied().unwrap_or(0);
        let ConnectionLimits { total, per_source } = self.limits;
        if held.total >= total.into() || of_source >= per_source.into() {
            let refused = held.refusals.add();
            drop(held);
            if let Some(refused) = refused {
                let mnemonic = "SYS-4-CONNECTIONS";
                tracing::warn!(
                    mnemonic,
                    "{listener}: {refused} connections refused, the last one from {source}: at most {per_source} of one \
                     address and {total} in all"
                );
            }
            return None;
        }
        held.total += 1;
        *held.by_source.entry(source).or_default() += 1;
        Some(Permit { held: Arc::clone(&self.held), source })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        held.total -= 1;
        if let Some(of_source) = held.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                held.by_source.remove(&self.source);
            }
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_of_one_source_and_in_all_and_come_back() {
        let connections = Connections::new(ConnectionLimits { total: 3, per_source: 2 });
        let source = |last: u8| IpAddr::from([10, 0, 0, last]);
        let first = connections.admit(source(1), "test").unwrap();
        let _second = connections.admit(source(1), "test").unwrap();
        assert!(connections.admit(source(1), "test").is_none());
        let third = connections.admit(source(2), "test").unwrap();
        assert!(connections.admit(source(3), "test").is_none());
        drop(first);
        assert!(connections.admit(source(3), "test").is_some(), "and free again at once");
        drop(third);
        let held = lock(&connections.held);
        assert_eq!((held.total, held.by_source.len(), held.refusals.count), (1, 1, 1));
    }
}
