//! Parts of packets to ourselves, kept until their packets are whole (RFC 791, section 3.2). What is kept is bounded in every way:
//! packets, their parts, their bytes, their time.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use common::time::Nanos;

/// Packets at a time; the oldest gives way.
pub const PACKETS: usize = 256;
/// Parts of a packet.
pub const PARTS: usize = 16;
/// Bytes of a packet behind its header.
pub const BYTES: usize = 9216;
/// From a packet's first part to come, whichever it is, until it is given up: 2 s.
pub const LIFETIME: u64 = 2_000_000_000;
/// Bytes of the longest IPv4 header.
const LONGEST_HEADER: usize = 60;
/// All parts but the last have a multiple of so many bytes.
const UNIT: usize = 8;

/// Of which packet a part is (RFC 791, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
    /// IPv4 identification.
    pub identification: u16,
    /// IPv4 protocol.
    pub protocol: u8,
}

/// A part of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Of which packet.
    pub key: Key,
    /// Its IPv4 header; that of the first part is the packet's.
    pub header: &'a [u8],
    /// Where its bytes belong, counted from the end of the header.
    pub offset: usize,
    /// More bytes follow behind it.
    pub more: bool,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// It is kept.
    Held,
    /// The packet is whole: its header as the first part had it, and what is behind it.
    Whole(&'a [u8], &'a [u8]),
    /// It fits to no packet, and what was kept of its own is given up: parts overlap, some are behind the last one, there are too
    /// many, or too many bytes.
    Refused,
}

/// A packet of which some parts are there.
#[derive(Debug)]
struct Packet {
    /// None: the place is free.
    key: Option<Key>,
    since: Nanos,
    header: ArrayVec<u8, LONGEST_HEADER>,
    bytes: Box<[u8]>,
    /// Begin and end of each part.
    parts: ArrayVec<(u16, u16), PARTS>,
    /// Where the last part ends, once that is known.
    end: Option<u16>,
}

/// Of one worker.
#[derive(Debug)]
pub struct Reassembly {
    packets: Vec<Packet>,
    /// Packets that were put together; who does it counts them.
    pub whole: u64,
    /// Packets that were given up: here, or for want of a buffer.
    pub given_up: u64,
}

impl Packet {
    fn new() -> Self {
        Self {
            key: None,
            since: Nanos(0),
            header: ArrayVec::new(),
            bytes: vec![0; BYTES].into(),
            parts: ArrayVec::new(),
            end: None,
        }
    }

    fn begin(&mut self, key: Key, now: Nanos) {
        self.key = Some(key);
        self.since = now;
        self.header.clear();
        self.parts.clear();
        self.end = None;
    }

    /// Adds a part; `None`: it does not fit to the others.
    fn add(&mut self, part: &Part<'_>) -> Option<()> {
        let (begin, end) = (part.offset, part.offset + part.bytes.len());
        // All but the last end where the next can begin.
        let ends_well = !part.more || part.bytes.len().is_multiple_of(UNIT);
        if begin == end || end > BYTES || !ends_well {
            return None;
        }
        let overlaps = |(from, to): &(u16, u16)| begin < usize::from(*to) && usize::from(*from) < end;
        let behind = self.end.is_some_and(|last| end > last.into() || !part.more);
        let before = |(_, to): &(u16, u16)| !part.more && usize::from(*to) > end;
        if behind || self.parts.iter().any(|known| overlaps(known) || before(known)) {
            return None;
        }
        self.parts.try_push((begin as u16, end as u16)).ok()?;
        self.bytes[begin..end].copy_from_slice(part.bytes);
        if begin == 0 {
            self.header = part.header.try_into().ok()?;
        }
        if !part.more {
            self.end = Some(end as u16);
        }
        Some(())
    }

    fn is_whole(&self) -> bool {
        // They do not overlap.
        let there: usize = self.parts.iter().map(|(from, to)| usize::from(to - from)).sum();
        self.end.is_some_and(|end| there == usize::from(end))
    }
}

impl Reassembly {
    /// With room for [`PACKETS`] packets, or for none if `parts` of none are taken.
    pub fn new(parts: bool) -> Self {
        let packets = if parts { PACKETS } else { 0 };
        Self { packets: (0..packets).map(|_| Packet::new()).collect(), whole: 0, given_up: 0 }
    }

    /// Some part of the packet is there.
    pub fn knows(&self, key: &Key, now: Nanos) -> bool {
        self.packets.iter().any(|packet| packet.key == Some(*key) && now.0 - packet.since.0 < LIFETIME)
    }

    /// Takes a part.
    pub fn take(&mut self, part: &Part<'_>, now: Nanos) -> Taken<'_> {
        self.expire(now);
        let known = self.packets.iter().position(|packet| packet.key == Some(part.key));
        let Some(at) = known.or_else(|| self.begin(part.key, now)) else { return Taken::Refused };
        if self.packets[at].add(part).is_none() {
            self.packets[at].key = None;
            self.given_up += 1;
            return Taken::Refused;
        }
        if !self.packets[at].is_whole() {
            return Taken::Held;
        }
        let packet = &mut self.packets[at];
        packet.key = None;
        Taken::Whole(&packet.header, &packet.bytes[..packet.end.unwrap_or_default().into()])
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Nanos) {
        for packet in &mut self.packets {
            if packet.key.is_some() && now.0 - packet.since.0 >= LIFETIME {
                packet.key = None;
                self.given_up += 1;
            }
        }
    }

    /// A place for a packet, that of the oldest if none is free.
    fn begin(&mut self, key: Key, now: Nanos) -> Option<usize> {
        let age = |packet: &Packet| packet.key.map_or(0, |_| packet.since.0 + 1);
        let (at, packet) = self.packets.iter_mut().enumerate().min_by_key(|(_, packet)| age(packet))?;
        self.given_up += u64::from(packet.key.is_some());
        packet.begin(key, now);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Nanos = Nanos(1_000_000_000);
    const FIRST: &[u8] = &[0x45; 20];
    const LATER: &[u8] = &[0x46; 24];

    fn key(identification: u16) -> Key {
        Key { source: [15, 1, 1, 51].into(), destination: [10, 1, 1, 51].into(), identification, protocol: 4 }
    }

    fn part(identification: u16, offset: usize, more: bool, bytes: &[u8]) -> Part<'_> {
        let header = if offset == 0 { FIRST } else { LATER };
        Part { key: key(identification), header, offset, more, bytes }
    }

    #[test]
    fn a_packet_is_whole_when_its_last_part_is_there_whichever_that_is() {
        let mut table = Reassembly::new(true);
        assert_eq!(table.take(&part(1, 16, false, &[3; 5]), NOW), Taken::Held);
        assert_eq!(table.take(&part(2, 0, true, &[9; 8]), NOW), Taken::Held, "another packet");
        assert_eq!(table.take(&part(1, 0, true, &[1; 8]), NOW), Taken::Held);
        assert!(table.knows(&key(1), NOW));
        let whole = [&[1; 8][..], &[2; 8], &[3; 5]].concat();
        assert_eq!(table.take(&part(1, 8, true, &[2; 8]), NOW), Taken::Whole(FIRST, &whole));
        assert!(!table.knows(&key(1), NOW));
        assert_eq!(table.given_up, 0);
    }

    #[test]
    fn parts_that_do_not_fit_give_their_packet_up() {
        // Where, whether more follow, how long.
        type Piece = (usize, bool, usize);
        let bytes = [7; 64];
        let cases: [(&str, &[Piece]); 9] = [
            ("twice", &[(0, true, 8), (0, true, 8)]),
            ("into another", &[(0, true, 16), (8, true, 16)]),
            ("around another", &[(8, true, 8), (0, true, 32)]),
            ("behind the last", &[(8, false, 8), (16, true, 8)]),
            ("a last part before others", &[(32, true, 8), (8, false, 8)]),
            ("two last parts", &[(8, false, 8), (16, false, 8)]),
            ("no multiple of eight", &[(8, true, 8), (0, true, 7)]),
            ("empty", &[(8, true, 8), (0, true, 0)]),
            ("too long", &[(0, true, 8), (BYTES - 8, false, 9)]),
        ];
        for (what, parts) in cases {
            let mut table = Reassembly::new(true);
            let (last, before) = parts.split_last().unwrap();
            for (offset, more, length) in before {
                assert_eq!(
                    table.take(&part(1, *offset, *more, &bytes[..*length]), NOW),
                    Taken::Held,
                    "{what}"
                );
            }
            assert_eq!(table.take(&part(1, last.0, last.1, &bytes[..last.2]), NOW), Taken::Refused, "{what}");
            assert!(!table.knows(&key(1), NOW) && table.given_up == 1, "{what}");
        }
    }

    #[test]
    fn parts_are_counted() {
        let mut table = Reassembly::new(true);
        for n in 0..PARTS {
            assert_eq!(table.take(&part(1, 8 * n, true, &[7; 8]), NOW), Taken::Held);
        }
        assert_eq!(table.take(&part(1, 8 * PARTS, false, &[7; 8]), NOW), Taken::Refused);
    }

    #[test]
    fn the_time_is_bounded_and_the_oldest_gives_way() {
        let mut table = Reassembly::new(true);
        let at = |n: u64| Nanos(NOW.0 + n);
        for n in 0..PACKETS as u64 {
            table.take(&part(n as u16, 0, true, &[7; 8]), at(n));
        }
        assert!(table.knows(&key(0), at(300)));
        table.take(&part(1000, 0, true, &[7; 8]), at(300));
        assert!(!table.knows(&key(0), at(300)) && table.knows(&key(1), at(300)));
        assert_eq!(table.given_up, 1);
        assert!(!table.knows(&key(1), at(LIFETIME + 1)) && table.knows(&key(2), at(LIFETIME + 1)));
        table.expire(at(LIFETIME + 9));
        assert_eq!(table.given_up, 1 + 9);
        // 10 000 first parts cost no more than the others.
        for n in 0..10_000 {
            table.take(&part(n, 0, true, &[7; 8]), at(LIFETIME + 10));
        }
        assert_eq!(table.packets.len(), PACKETS);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_asked_for() {
        let mut table = Reassembly::new(false);
        assert_eq!(table.take(&part(1, 0, true, &[7; 8]), NOW), Taken::Refused);
    }

    proptest! {
        #[test]
        fn any_order_of_any_parts_makes_the_packet(
            lengths in proptest::collection::vec(1..100_usize, 1..PARTS),
            tail in 1..9_usize,
            seed: u64,
        ) {
            let total = lengths.iter().map(|units| units * 8).sum::<usize>() + tail;
            let bytes: Vec<u8> = (0..total).map(|n| (n % 251) as u8).collect();
            let mut parts = Vec::new();
            let mut offset = 0;
            for units in lengths {
                parts.push((offset, units * 8));
                offset += units * 8;
            }
            parts.push((offset, tail));
            // Fisher and Yates, by a generator of Knuth.
            let mut random = seed;
            for at in (1..parts.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                parts.swap(at, (random >> 33) as usize % (at + 1));
            }
            let mut table = Reassembly::new(true);
            for (n, (offset, length)) in parts.iter().enumerate() {
                let more = offset + length < total;
                let taken = table.take(&part(1, *offset, more, &bytes[*offset..offset + length]), NOW);
                let expected = if n + 1 == parts.len() { Taken::Whole(FIRST, &bytes) } else { Taken::Held };
                prop_assert_eq!(taken, expected);
            }
        }
    }
}
