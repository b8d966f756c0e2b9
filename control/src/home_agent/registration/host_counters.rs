//! What became of the requests of a host's nodes.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use common::{time::Nanos, wire::mobile_ip::Code};

/// Of one line of `ip mobile host`: one node, a realm, or a range of home addresses. One thread counts, any looks.
#[derive(Debug, Default)]
pub struct HostCounters {
    accepted: Tally,
    denied: Tally,
    /// Code of the last denial.
    code: AtomicU8,
}

/// How many, and when the last one was.
#[derive(Debug, Default)]
struct Tally {
    count: AtomicU64,
    last: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Replies.
    pub count: u64,
    /// When the last one was sent.
    pub last: Option<Nanos>,
}

impl Tally {
    fn add(&self, now: Nanos) {
        self.last.store(now.0, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    fn get(&self) -> Counted {
        let count = self.count.load(Relaxed);
        Counted { count, last: (count > 0).then(|| Nanos(self.last.load(Relaxed))) }
    }
}

impl HostCounters {
    /// A reply with this code.
    pub(super) fn add(&self, code: Code, now: Nanos) {
        if code.is_accepted() {
            self.accepted.add(now);
        } else {
            self.code.store(code.0, Relaxed);
            self.denied.add(now);
        }
    }

    /// Requests that were granted, deregistrations among them.
    pub fn accepted(&self) -> Counted {
        self.accepted.get()
    }

    /// Requests that were denied.
    pub fn denied(&self) -> Counted {
        self.denied.get()
    }

    /// Code of the last denial; none: nothing was denied.
    pub fn last_code(&self) -> Option<u8> {
        self.denied().last.map(|_| self.code.load(Relaxed))
    }

    /// Counts from 0 again.
    pub fn clear(&self) {
        self.accepted.count.store(0, Relaxed);
        self.denied.count.store(0, Relaxed);
    }
}
