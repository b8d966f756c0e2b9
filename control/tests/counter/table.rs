//! What workers count: packets by source, in a table that all of them share.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use common::{
    config::Hugepages,
    table::{CapacityError, Entry, Geometry, Identity, Insert, NewEntry, Payload, Table, Word},
    time::Tick,
};

/// A source is forgotten after its last packet.
const LIFE: Duration = Duration::from_secs(10);

/// A claim of a worker that stopped in the middle of it.
const ABANDONED: Duration = Duration::from_mins(1);

/// How many packets came of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets(u32);

// The field of the payload: its first bit, and how many.
const PACKETS: u32 = 0;
const PACKETS_BITS: u32 = 29;

impl Entry for Packets {
    const NAME: &'static str = "sources";
    type Cold = [AtomicU32; 0];

    fn pack(self) -> Payload {
        Payload::default().with::<PACKETS, PACKETS_BITS>(self.0.into())
    }

    fn unpack(payload: Payload) -> Self {
        Self(payload.get::<PACKETS, PACKETS_BITS>() as u32)
    }
}

/// The table, with the keys of its hash: sources are chosen by the network.
pub struct Sources {
    table: Table<Packets>,
    keys: [RandomState; 2],
    nonce: AtomicU64,
}

/// A source that came for the first time.
struct First {
    identity: Identity,
    deadline: Tick,
}

impl NewEntry<Packets> for First {
    fn ended(&mut self, _: Word<Packets>, _: [u32; 0]) {}

    fn cold(&self) -> [u32; 0] {
        []
    }

    fn prepare(&mut self) -> Option<Word<Packets>> {
        Some(Word::live(self.identity, Packets(1), self.deadline))
    }

    fn lost(&mut self, _: Word<Packets>) {}
}

impl Sources {
    pub fn new(capacity: u32) -> Result<Self, CapacityError> {
        let (storage, _) = Geometry::<Packets>::new(capacity)?.allocate(Hugepages::Off)?;
        let keys = [RandomState::new(), RandomState::new()];
        Ok(Self { table: Table::new(storage), keys, nonce: AtomicU64::new(0) })
    }

    /// Counts a packet. Lock-free; for any worker. One that finds no room is not counted.
    pub fn count(&self, source: Ipv4Addr, now: Tick) {
        let (identity, deadline) = (self.identity(source), now.after(LIFE));
        while let Some((slot, word)) = self.table.find(identity).filter(|(_, word)| !word.expired(now)) {
            let packets = word.payload().get::<PACKETS, PACKETS_BITS>();
            let more = (packets + 1).min((1 << PACKETS_BITS) - 1);
            let next = word.updated::<PACKETS, PACKETS_BITS>(more, deadline);
            if self.table.replace(slot, word, next).is_ok() {
                return;
            }
        }
        let nonce = || self.nonce.fetch_add(1, Relaxed);
        let mut first = First { identity, deadline };
        let inserted = self.table.insert(identity, now, now.after(ABANDONED), false, nonce, &mut first);
        if let Insert::Existing(..) = inserted {
            // Another worker has made it meanwhile.
            self.count(source, now);
        }
    }

    /// Packets by source, at `now`: how many sources, and how many packets.
    pub fn totals(&self, now: Tick) -> (u64, u64) {
        let slots = (0..self.table.lines()).flat_map(|line| self.table.slots_of(line));
        let words = slots.map(|slot| self.table.load(slot)).filter(|word| !word.expired(now));
        let entries = words.filter_map(Word::entry);
        entries.fold((0, 0), |(sources, packets), Packets(more)| (sources + 1, packets + u64::from(more)))
    }

    fn identity(&self, source: Ipv4Addr) -> Identity {
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(source));
        Identity::from_hash(u128::from(high) << 64 | u128::from(low))
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}
