//! Addresses that more than one station says it has. Pure.
//!
//! Of an address of ours, and of one that `arp` gives to somebody, every other station that claims it is one too many. Any other
//! neighbour may move, as one does whose partner takes over: only if a station that had the address is heard again within a minute,
//! with another one in between, both have it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use common::{id::InterfaceId, mac::MacAddr, net::NextHop, time::Nanos, token_bucket::TokenBucket};

/// Addresses that are remembered; the one that was not heard of for the longest gives way.
const MOST: usize = 1024;
/// Stations of an address that are remembered.
const STATIONS: usize = 4;
/// Within this time a station that is heard again has not moved away.
const WINDOW: Duration = Duration::from_mins(1);
/// Time between two lines of one address, as in IOS.
const LINE_INTERVAL: Duration = Duration::from_secs(30);
/// So long after it was last heard an address is shown.
const SHOWN: Duration = Duration::from_hours(1);

/// Whose an address is that somebody claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Ours: an interface's, or a virtual one.
    Us,
    /// Somebody's for good, by `arp`.
    Static,
    /// A neighbour's, as far as was heard.
    Neighbour,
}

/// A claim that contradicts what was known.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The address, and where it was claimed.
    pub at: NextHop,
    /// Who claims it.
    pub mac: MacAddr,
    /// Who had it.
    pub before: MacAddr,
    /// Whose it is.
    pub holder: Holder,
}

/// An address that more than one station has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The address, and on which interface.
    pub at: NextHop,
    /// Whose it is.
    pub holder: Holder,
    /// Who claimed it last.
    pub mac: MacAddr,
    /// Who had it before.
    pub before: MacAddr,
    /// How often that was heard; the same station counts once a second.
    pub times: u64,
    /// When it was heard last.
    pub last: Nanos,
}

#[derive(Debug)]
struct Entry {
    /// Stations that had the address, and until when.
    left: VecDeque<(MacAddr, Nanos)>,
    heard: Nanos,
    duplicate: Option<Duplicate>,
    logged: Option<Nanos>,
}

/// Everything that was heard of late.
#[derive(Debug)]
pub struct Duplicates {
    entries: BTreeMap<NextHop, Entry>,
    totals: BTreeMap<InterfaceId, u64>,
    lines: TokenBucket,
}

impl Default for Duplicates {
    /// Lines of all addresses: one a second, ten at once.
    fn default() -> Self {
        Self { entries: BTreeMap::new(), totals: BTreeMap::new(), lines: TokenBucket::new(1, 10) }
    }
}

impl Duplicates {
    /// Takes a claim; what is to be logged.
    pub fn hear(&mut self, claim: Claim, now: Nanos) -> Option<Duplicate> {
        let Claim { at, mac, before, holder } = claim;
        if !self.entries.contains_key(&at) && self.entries.len() >= MOST {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.heard).map(|(at, _)| *at);
            oldest.and_then(|oldest| self.entries.remove(&oldest));
        }
        let entry = self.entries.entry(at).or_insert_with(|| Entry {
            left: VecDeque::new(),
            heard: now,
            duplicate: None,
            logged: None,
        });
        entry.heard = now;
        let returned = entry.left.iter().any(|(had, until)| *had == mac && now < until.after(WINDOW));
        entry.left.retain(|(had, _)| *had != before && *had != mac);
        entry.left.push_back((before, now));
        if entry.left.len() > STATIONS {
            entry.left.pop_front();
        }
        if holder == Holder::Neighbour && !returned {
            return None;
        }
        let times = entry.duplicate.map_or(0, |known| known.times) + 1;
        let duplicate = Duplicate { at, holder, mac, before, times, last: now };
        entry.duplicate = Some(duplicate);
        *self.totals.entry(at.interface).or_default() += 1;
        let due = entry.logged.is_none_or(|logged| now >= logged.after(LINE_INTERVAL));
        if !due || !self.lines.take(now) {
            return None;
        }
        entry.logged = Some(now);
        Some(duplicate)
    }

    /// Those that were heard of in the last hour, by interface and address.
    pub fn shown(&self, now: Nanos) -> impl Iterator<Item = Duplicate> {
        self.within(SHOWN, now)
    }

    /// Those that were heard of in the last minute.
    pub fn present(&self, now: Nanos) -> impl Iterator<Item = Duplicate> {
        self.within(WINDOW, now)
    }

    fn within(&self, time: Duration, now: Nanos) -> impl Iterator<Item = Duplicate> {
        let known = self.entries.values().filter_map(|entry| entry.duplicate);
        known.filter(move |duplicate| now < duplicate.last.after(time))
    }

    /// How often one was heard on an interface.
    pub fn total(&self, interface: InterfaceId) -> u64 {
        self.totals.get(&interface).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
    const C: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc]);

    fn at(host: u32) -> NextHop {
        NextHop { interface: InterfaceId(1), address: Ipv4Addr::from_bits(0x0a01_0100 + host) }
    }

    fn neighbour(mac: MacAddr, before: MacAddr) -> Claim {
        Claim { at: at(51), mac, before, holder: Holder::Neighbour }
    }

    fn seconds(seconds: u64) -> Nanos {
        Nanos((1000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn a_station_that_takes_over_is_no_duplicate_and_one_that_comes_back_within_a_minute_is() {
        let mut heard = Duplicates::default();
        assert_eq!(heard.hear(neighbour(B, A), seconds(0)), None);
        assert_eq!(heard.hear(neighbour(A, B), seconds(61)), None, "and back, much later");
        assert_eq!(heard.present(seconds(61)).count(), 0);
        let line = heard.hear(neighbour(B, A), seconds(120)).expect("it was there 59 s before");
        assert_eq!((line.mac, line.before, line.times), (B, A, 1));
        assert_eq!(heard.present(seconds(179)).collect::<Vec<_>>(), [line]);
        assert_eq!((heard.present(seconds(180)).count(), heard.shown(seconds(180)).count()), (0, 1));
        assert_eq!(heard.shown(seconds(120 + 3600)).count(), 0);
        assert_eq!((heard.total(InterfaceId(1)), heard.total(InterfaceId(2))), (1, 0));
    }

    #[test]
    fn three_stations_in_turn_are_seen_and_a_move_onward_is_not_one() {
        let mut heard = Duplicates::default();
        assert_eq!(heard.hear(neighbour(B, A), seconds(0)), None);
        assert_eq!(heard.hear(neighbour(C, B), seconds(1)), None);
        assert_eq!(heard.hear(neighbour(A, C), seconds(2)).map(|line| line.mac), Some(A));
    }

    #[test]
    fn whoever_claims_an_address_of_ours_or_a_static_one_is_one_too_many() {
        for holder in [Holder::Us, Holder::Static] {
            let mut heard = Duplicates::default();
            let claim = Claim { at: at(10), mac: B, before: A, holder };
            assert_eq!(heard.hear(claim, seconds(0)).map(|line| line.times), Some(1));
            for second in 1..30 {
                assert_eq!(heard.hear(claim, seconds(second)), None, "one line in half a minute");
            }
            assert_eq!(heard.hear(claim, seconds(30)).map(|line| line.times), Some(31));
            assert_eq!(heard.total(InterfaceId(1)), 31);
        }
    }

    #[test]
    fn a_flood_takes_bounded_memory_and_few_lines() {
        let mut heard = Duplicates::default();
        let claim = |host| Claim { at: at(host), mac: B, before: A, holder: Holder::Us };
        let lines = (0..5000).filter(|host| heard.hear(claim(*host), seconds(0)).is_some()).count();
        assert_eq!((lines, heard.entries.len(), heard.total(InterfaceId(1))), (10, MOST, 5000));
        assert!(heard.hear(claim(9999), seconds(1)).is_some());
        assert!(heard.entries.contains_key(&at(9999)), "the newest is remembered");
    }
}
