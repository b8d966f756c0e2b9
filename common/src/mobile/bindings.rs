//! Bindings as the data path needs them: from a home address to its tunnels.
//!
//! A table of indices into a slab, as [`table`](crate::table) has them. The identity of a home address is a keyed bijection of
//! its 32 bits and the tunnel's number among those of the node: equal identities are equal keys, so nothing is compared, and
//! nobody who cannot guess the key can fill two lines on purpose. A record never changes but for its path MTU and for
//! whether the node has another tunnel: a node that moves gets another one, and a worker that has found the former keeps it to the end
//! of its burst.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crossbeam::utils::CachePadded;
use hw::PageBacking;

use super::Tunnel;
use crate::{
    config::Hugepages,
    table::{CapacityError, Geometry, Identity, Insert, NewEntry, Slab, SlabIndex, Table, TableUsage, Word},
    time::Nanos,
};

/// Most tunnels of one node at a time: its simultaneous bindings (RFC 5944, 3.8.2.2; as many as a common gateway has).
pub const MAX_CARE_OF: usize = 3;

/// As many slots more as would do for a half of the tunnels: at capacity one tunnel in some millions finds none of its places free,
/// where of a million otherwise hundreds would.
const fn slots_for(capacity: u32) -> u32 {
    capacity + capacity / 2
}

/// After this long without confirmation a claim counts as abandoned by a dead thread.
const ABANDONED: Duration = Duration::from_mins(1);

/// For how long a path MTU that somebody on the way has told is believed (RFC 1191, 6.3).
const PATH_MTU_KEPT: Duration = Duration::from_mins(10);

/// Smallest path MTU that is believed (RFC 791, 3.2).
const LEAST_MTU: u16 = 68;

/// The node has another tunnel, with the next number: else nobody looks for it, in two lines more, for every packet.
const MORE: u64 = 1 << 63;

/// What a worker knows of one tunnel of one node.
#[derive(Debug, Default)]
pub struct BindingRecord {
    /// As [`Tunnel`] packs it, and in the second word [`MORE`].
    tunnel: [AtomicU64; 2],
    /// MTU in the lowest 16 bits, and until when it is believed, in seconds; 0: nothing was told.
    path_mtu: AtomicU64,
}

impl BindingRecord {
    /// Where it goes.
    #[inline]
    pub fn tunnel(&self) -> Tunnel {
        Tunnel::unpack(self.tunnel.each_ref().map(|word| word.load(Relaxed)))
    }

    /// Bytes that fit on the way to the other end, outer headers included, if somebody has told.
    #[inline]
    pub fn path_mtu(&self, now: Nanos) -> Option<u16> {
        let told = self.path_mtu.load(Relaxed);
        (told >> 16 > seconds(now)).then_some(told as u16)
    }

    /// Somebody on the way has told that more does not fit (RFC 2003, 5.1).
    pub fn learn_path_mtu(&self, mtu: u16, now: Nanos) {
        let mtu = mtu.max(LEAST_MTU);
        if self.path_mtu(now).is_none_or(|known| mtu < known) {
            let until = seconds(now) + PATH_MTU_KEPT.as_secs();
            self.path_mtu.store(until << 16 | u64::from(mtu), Relaxed);
        }
    }

    #[inline]
    fn has_more(&self) -> bool {
        self.tunnel[1].load(Relaxed) & MORE != 0
    }

    fn set_more(&self, more: bool) {
        if self.has_more() != more {
            self.tunnel[1].fetch_xor(MORE, Relaxed);
        }
    }

    fn fill(&self, tunnel: &Tunnel) {
        for (word, value) in self.tunnel.iter().zip(tunnel.pack()) {
            word.store(value, Relaxed);
        }
        self.path_mtu.store(0, Relaxed);
    }
}

fn seconds(now: Nanos) -> u64 {
    now.0 / 1_000_000_000
}

/// There is no room for another tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for a tunnel")]
pub struct Full;

/// The tunnels of all nodes that are away.
#[derive(Debug)]
pub struct Bindings {
    table: Table<SlabIndex>,
    slab: Slab<BindingRecord>,
    key: [u64; 2],
    nonce: CachePadded<AtomicU64>,
    geometry: Geometry<SlabIndex>,
    backing: PageBacking,
    capacity: u32,
    refused: AtomicU64,
}

impl Bindings {
    /// Room for `capacity` tunnels, and for some more that workers may still read after they have ended.
    ///
    /// # Errors
    /// [`CapacityError`]: with the memory needed and the memory available if there is not enough.
    pub fn new(capacity: u32, hugepages: Hugepages, key: [u8; 16]) -> Result<Self, CapacityError> {
        let geometry = Geometry::new(slots_for(capacity))?;
        let (storage, backing) = geometry.allocate(hugepages)?;
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| key[at + byte]));
        Ok(Self {
            table: Table::new(storage),
            slab: Slab::new(capacity + capacity / 16, BindingRecord::default),
            key: [half(0), half(8)],
            nonce: CachePadded::default(),
            geometry,
            backing,
            capacity,
            refused: AtomicU64::new(0),
        })
    }

    /// The same, with a key that nobody knows.
    ///
    /// # Errors
    /// As [`Bindings::new`].
    ///
    /// # Panics
    /// If the kernel gives no random bytes.
    pub fn with_random_key(capacity: u32, hugepages: Hugepages) -> Result<Self, CapacityError> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).expect("Linux gives random bytes since 3.17");
        Self::new(capacity, hugepages, key)
    }

    /// Gives a node exactly these tunnels; none: it is at home. Workers see each from their next packet on. One caller at a
    /// time for one home address.
    ///
    /// # Errors
    /// There is no room; tunnels that are there already stay, and of the others some may be missing.
    pub fn set(&self, home: Ipv4Addr, tunnels: &[Tunnel], now: Nanos) -> Result<(), Full> {
        let tunnels = tunnels.get(..MAX_CARE_OF).unwrap_or(tunnels);
        let mut result = Ok(());
        for number in 0..MAX_CARE_OF {
            let identity = self.identity(home, number);
            match tunnels.get(number) {
                Some(tunnel) => {
                    let more = number + 1 < tunnels.len();
                    result = result.and(self.put(identity, tunnel, more, now));
                }
                None => self.remove(identity),
            }
        }
        result
    }

    /// The tunnels of a node that is away.
    #[inline]
    pub fn tunnels(&self, home: Ipv4Addr) -> impl Iterator<Item = &BindingRecord> {
        self.tunnels_from(home, self.find(home, 0))
    }

    /// The same of a node whose first record was looked for before.
    #[inline]
    pub fn tunnels_from(
        &self,
        home: Ipv4Addr,
        first: Option<SlabIndex>,
    ) -> impl Iterator<Item = &BindingRecord> {
        // A node's tunnels have no gaps between their numbers but while they are being changed.
        let mut next = first.map(|_| 0);
        std::iter::from_fn(move || {
            let number = next.take()?;
            let known = first.filter(|_| number == 0).and_then(|index| self.slab.get(index));
            // One that moved since has another record.
            let record = known.or_else(|| self.tunnel(home, number))?;
            next = record.has_more().then_some(number + 1);
            Some(record)
        })
    }

    /// One tunnel of a node that is away, by its number.
    #[inline]
    pub fn tunnel(&self, home: Ipv4Addr, number: usize) -> Option<&BindingRecord> {
        self.slab.get(self.find(home, number)?)
    }

    /// Looks for a tunnel of a node, by its number.
    #[inline]
    pub fn find(&self, home: Ipv4Addr, number: usize) -> Option<SlabIndex> {
        self.table.find(self.identity(home, number))?.1.entry()
    }

    /// Brings near where the first tunnel of a node is looked up.
    #[inline]
    pub fn prefetch(&self, home: Ipv4Addr) {
        self.table.prefetch(self.identity(home, 0));
    }

    /// Looks for the first tunnel of a node, and brings its record near.
    #[inline]
    pub fn find_first(&self, home: Ipv4Addr) -> Option<SlabIndex> {
        let found = self.find(home, 0);
        if let Some(index) = found {
            self.slab.prefetch(index);
        }
        found
    }

    /// Makes records free that no worker reads any more; see [`Slab::reclaim`].
    pub fn reclaim(&self, published: u64, used: u64) -> usize {
        self.slab.reclaim(published, used)
    }

    /// Records that wait for workers to pass.
    pub fn waiting(&self) -> usize {
        self.slab.waiting()
    }

    /// Tunnels that exist.
    pub fn used(&self) -> usize {
        self.slab.used()
    }

    /// For `show memory`.
    pub fn usage(&self) -> TableUsage {
        TableUsage {
            name: "bindings",
            capacity: self.capacity,
            used: self.used() as u64,
            refused: self.refused.load(Relaxed),
            bytes: self.bytes(),
            pages: self.backing.name(),
        }
    }

    /// Bytes in all: of the table, and of the records with the lists of those that are free.
    pub fn bytes(&self) -> u64 {
        self.geometry.bytes() + self.slab.bytes()
    }

    fn put(&self, identity: Identity, tunnel: &Tunnel, more: bool, now: Nanos) -> Result<(), Full> {
        let old = self.table.find(identity);
        if let Some(record) = old.and_then(|(_, word)| self.slab.get(word.entry()?))
            && record.tunnel() == *tunnel
        {
            record.set_more(more);
            return Ok(());
        }
        let Some(index) = self.slab.allocate() else { return Err(self.refuse()) };
        if let Some(record) = self.slab.get(index) {
            record.fill(tunnel);
            record.set_more(more);
        }
        let word = Word::permanent(identity, index);
        match old {
            Some((slot, former)) if self.table.replace(slot, former, word).is_ok() => {
                self.end(former);
                Ok(())
            }
            _ => self.insert(identity, index, word, now),
        }
    }

    fn insert(
        &self,
        identity: Identity,
        index: SlabIndex,
        word: Word<SlabIndex>,
        now: Nanos,
    ) -> Result<(), Full> {
        let (now, nonce) = (now.tick(), || self.nonce.fetch_add(1, Relaxed));
        let inserted = self.table.insert(
            identity,
            now,
            now.after(ABANDONED),
            false,
            nonce,
            &mut New { bindings: self, word },
        );
        if let Insert::Inserted(..) = inserted {
            return Ok(());
        }
        self.slab.release(index);
        Err(self.refuse())
    }

    fn refuse(&self) -> Full {
        self.refused.fetch_add(1, Relaxed);
        Full
    }

    fn remove(&self, identity: Identity) {
        if let Some((slot, word)) = self.table.find(identity)
            && self.table.replace(slot, word, Word::EMPTY).is_ok()
        {
            self.end(word);
        }
    }

    fn end(&self, word: Word<SlabIndex>) {
        if let Some(index) = word.entry() {
            self.slab.release(index);
        }
    }

    #[inline]
    fn identity(&self, home: Ipv4Addr, number: usize) -> Identity {
        let bits = (number as u64) << 32 | u64::from(u32::from(home));
        let hash = mix(mix(bits ^ self.key[0]) ^ self.key[1]);
        Identity::from_hash(u128::from(hash))
    }
}

/// A bijection that spreads neighbours: MurmurHash3's finalizer (Austin Appleby, public domain).
#[inline]
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

struct New<'a> {
    bindings: &'a Bindings,
    word: Word<SlabIndex>,
}

impl NewEntry<SlabIndex> for New<'_> {
    fn ended(&mut self, word: Word<SlabIndex>, _cold: [u32; 0]) {
        self.bindings.end(word);
    }

    fn cold(&self) -> [u32; 0] {
        []
    }

    fn prepare(&mut self) -> Option<Word<SlabIndex>> {
        Some(self.word)
    }

    fn lost(&mut self, _word: Word<SlabIndex>) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{super::Carrier, *};

    fn bindings(capacity: u32) -> Bindings {
        Bindings::new(capacity, Hugepages::Off, [7; 16]).unwrap()
    }

    fn tunnel(remote: u32) -> Tunnel {
        Tunnel {
            local: [10, 1, 1, 1].into(),
            remote: remote.into(),
            carrier: Carrier::Ip,
            gre: false,
            reverse: true,
        }
    }

    proptest! {
        #[test]
        fn nodes_have_the_tunnels_that_were_set_last(
            steps in prop::collection::vec((0..6_u32, prop::collection::vec(1..5_u32, 0..5), 0..4_u32), 1..80),
        ) {
            let bindings = bindings(1024);
            let mut model = HashMap::<u32, Vec<Tunnel>>::new();
            for (at, (home, remotes, reclaims)) in steps.into_iter().enumerate() {
                let tunnels: Vec<_> = remotes.into_iter().map(tunnel).collect();
                prop_assert_eq!(bindings.set(home.into(), &tunnels, Nanos(at as u64)), Ok(()));
                model.insert(home, tunnels.into_iter().take(MAX_CARE_OF).collect());
                for home in 0..6 {
                    let found: Vec<_> = bindings.tunnels(home.into()).map(BindingRecord::tunnel).collect();
                    prop_assert_eq!(found, model.get(&home).cloned().unwrap_or_default());
                }
                prop_assert_eq!(bindings.used(), model.values().map(Vec::len).sum::<usize>());
                for _ in 0..reclaims {
                    bindings.reclaim(at as u64 + 1, at as u64 + 1);
                }
            }
        }

        #[test]
        fn identities_are_as_different_as_their_keys(one: (u32, u8), other: (u32, u8)) {
            let bindings = bindings(1024);
            let identity = |(home, number): (u32, u8)| bindings.identity(home.into(), usize::from(number));
            prop_assert_eq!(identity(one) == identity(other), one == other);
        }
    }

    #[test]
    fn one_that_only_registers_again_keeps_its_record_and_its_path_mtu() {
        let bindings = bindings(1024);
        let home = Ipv4Addr::new(10, 9, 0, 1);
        let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
        bindings.set(home, &[tunnel(1)], at(0)).unwrap();
        let record = || bindings.tunnel(home, 0).unwrap();
        record().learn_path_mtu(1400, at(5));
        record().learn_path_mtu(1450, at(6));
        bindings.set(home, &[tunnel(1)], at(7)).unwrap();
        assert_eq!(record().path_mtu(at(7)), Some(1400), "the smallest counts");
        assert_eq!((record().path_mtu(at(604)), record().path_mtu(at(605))), (Some(1400), None));
        record().learn_path_mtu(1450, at(700));
        record().learn_path_mtu(0, at(700));
        assert_eq!(record().path_mtu(at(700)), Some(LEAST_MTU));
        bindings.set(home, &[tunnel(2)], at(701)).unwrap();
        assert_eq!((record().path_mtu(at(701)), record().tunnel()), (None, tunnel(2)), "another way");
        assert_eq!((bindings.used(), bindings.waiting()), (1, 1));
    }

    #[test]
    fn a_full_table_refuses_and_keeps_what_is_there() {
        let bindings = bindings(1024);
        let mut taken = 0_u32;
        while bindings.set(taken.into(), &[tunnel(taken)], Nanos(0)).is_ok() {
            taken += 1;
        }
        assert!(taken >= 1024, "{taken}");
        let there = |home: u32| bindings.tunnel(home.into(), 0).map(BindingRecord::tunnel);
        assert!((0..taken).all(|home| there(home) == Some(tunnel(home))));
        assert_eq!(there(taken), None);
    }

    #[test]
    fn a_binding_costs_at_most_128_bytes() {
        let bindings = bindings(1 << 20);
        assert!(bindings.bytes() <= 128 << 20, "{} bytes each", bindings.bytes() >> 20);
    }
}
