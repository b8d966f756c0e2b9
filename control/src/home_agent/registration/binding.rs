//! A mobile node and its bindings, as compact as they get: a million must fit.

use std::net::Ipv4Addr;

use common::{
    time::Nanos,
    wire::mobile_ip::{Code, Flags},
};

use super::{
    effects::Tunnel,
    udp_tunnel::{Answer, Encapsulation},
};

/// A lifetime without end.
pub(super) const INFINITE: u16 = u16::MAX;

/// A whole second of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(pub u32);

impl Second {
    /// Never comes.
    pub const NEVER: Self = Self(u32::MAX);

    /// The one that has begun.
    pub fn of(now: Nanos) -> Self {
        Self((now.0 / 1_000_000_000) as u32)
    }

    /// The one that begins at `now` or next: what ends `n` seconds after it has lasted at least `n`.
    pub fn from(now: Nanos) -> Self {
        Self(now.0.div_ceil(1_000_000_000) as u32)
    }

    /// The end of a lifetime.
    pub fn after(self, lifetime: u16) -> Self {
        if lifetime == INFINITE { Self::NEVER } else { Self(self.0.saturating_add(lifetime.into())) }
    }

    /// Seconds left at `now`, at most those that were granted.
    pub fn remaining(self, now: Self, granted: u16) -> u16 {
        if self == Self::NEVER {
            return INFINITE;
        }
        self.0.saturating_sub(now.0).min(granted.into()) as u16
    }
}

/// One care-of address of a mobile node.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub care_of: Ipv4Addr,
    /// Where the tunnel ends; not the care-of address behind a NAT.
    pub remote: Ipv4Addr,
    /// As the mobile node was told.
    pub home_agent: Ipv4Addr,
    pub source: Ipv4Addr,
    pub source_port: u16,
    pub encapsulation: Encapsulation,
    pub granted: u16,
    pub flags: Flags,
    pub answer: Answer,
    pub expires: Second,
    pub created: Second,
    /// In halves, which need no alignment to 8.
    identification: [u32; 2],
    pub spi: u32,
}

/// What a binding is made of.
pub(super) struct Grant {
    pub care_of: Ipv4Addr,
    pub remote: Ipv4Addr,
    pub home_agent: Ipv4Addr,
    pub source: (Ipv4Addr, u16),
    pub encapsulation: Encapsulation,
    pub granted: u16,
    pub flags: Flags,
    pub answer: Answer,
    pub identification: u64,
    pub spi: u32,
}

impl Binding {
    pub fn new(grant: &Grant, created: Second, now: Second) -> Self {
        Self {
            care_of: grant.care_of,
            remote: grant.remote,
            home_agent: grant.home_agent,
            source: grant.source.0,
            source_port: grant.source.1,
            encapsulation: grant.encapsulation,
            granted: grant.granted,
            flags: grant.flags,
            answer: grant.answer,
            expires: now.after(grant.granted),
            created,
            identification: [(grant.identification >> 32) as u32, grant.identification as u32],
            spi: grant.spi,
        }
    }

    pub fn identification(&self) -> u64 {
        u64::from(self.identification[0]) << 32 | u64::from(self.identification[1])
    }

    /// What the dataplane has to know.
    pub fn tunnel(&self, home: Ipv4Addr) -> Tunnel {
        Tunnel {
            home,
            care_of: self.care_of,
            local: self.home_agent,
            remote: self.remote,
            encapsulation: self.encapsulation,
            reverse: self.flags.contains(Flags::REVERSE_TUNNEL),
            broadcast: self.flags.contains(Flags::BROADCAST),
            co_located: self.flags.contains(Flags::CO_LOCATED),
        }
    }
}

/// Bindings of a mobile node beyond the first.
const MORE: usize = 2;

/// One to three bindings; most mobile nodes have one, which costs nothing more.
#[derive(Clone, Debug, Default)]
pub(super) struct BindingSet {
    first: Option<Binding>,
    more: Option<Box<[Option<Binding>; MORE]>>,
}

impl BindingSet {
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.first.iter().chain(self.more.iter().flat_map(|more| more.iter().flatten()))
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub fn get(&self, care_of: Ipv4Addr) -> Option<&Binding> {
        self.iter().find(|binding| binding.care_of == care_of)
    }

    /// Replaces the binding of the same care-of address, or takes a free place.
    ///
    /// # Panics
    /// If there are three others: who registers is judged before.
    pub fn insert(&mut self, binding: Binding) {
        let same = |place: &Option<Binding>| place.as_ref().is_some_and(|one| one.care_of == binding.care_of);
        let more = self.more.as_mut();
        let known = std::iter::once(&mut self.first).chain(more.into_iter().flat_map(|more| more.iter_mut()));
        let known = known.into_iter().find(|place| same(place));
        if let Some(place) = known {
            *place = Some(binding);
        } else if self.first.is_none() {
            self.first = Some(binding);
        } else {
            let mut places = self.more.get_or_insert_default().iter_mut();
            let free = places.find(|place| place.is_none()).expect("there are at most three");
            *free = Some(binding);
        }
    }

    /// Takes out one for which `chosen` holds.
    pub fn take(&mut self, chosen: impl Fn(&Binding) -> bool) -> Option<Binding> {
        let taken = self.first.take_if(|binding| chosen(binding)).or_else(|| {
            let more = self.more.as_mut()?;
            more.iter_mut().find_map(|place| place.take_if(|binding| chosen(binding)))
        });
        if let Some(more) = &mut self.more {
            if self.first.is_none() {
                self.first = more.iter_mut().find_map(Option::take);
            }
            if more.iter().all(Option::is_none) {
                self.more = None;
            }
        }
        taken
    }
}

/// The first half of an authenticator that was found right: of two requests signed with one key it is the same only if they
/// are.
pub(super) type Mark = [u8; 8];

/// A mobile node: with bindings, or remembered for as long as one of its requests could be replayed.
#[derive(Debug)]
pub(super) struct Node {
    /// Empty: it is known by its home address.
    pub nai: Box<[u8]>,
    /// Of its requests the greatest that came in time.
    pub identification: u64,
    /// Of the last request that was accepted.
    pub accepted: Option<(Mark, Code)>,
    pub bindings: BindingSet,
    /// Its address while it has bindings, or if it is known by it.
    pub home: Ipv4Addr,
    /// Neighbours among those that are due in the same second, and that second.
    pub links: Links,
    /// Number of its home network.
    pub network: u16,
}

/// Place in the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub previous: u32,
    pub next: u32,
    pub due: Second,
}

impl Node {
    /// Without a binding.
    pub fn new(nai: &[u8], home: Ipv4Addr) -> Self {
        Self {
            nai: nai.into(),
            identification: 0,
            accepted: None,
            bindings: BindingSet::default(),
            home,
            links: Links { previous: u32::MAX, next: u32::MAX, due: Second::NEVER },
            network: 0,
        }
    }

    /// The first end of a binding.
    pub fn earliest(&self) -> Second {
        self.bindings.iter().map(|binding| binding.expires).min().unwrap_or(Second::NEVER)
    }
}

// A binding of a 28-byte NAI must not take more than 190 bytes with all indices.
const _: () = assert!(size_of::<Binding>() == 48 && size_of::<Node>() <= 120);

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(last: u8) -> Binding {
        let care_of = Ipv4Addr::new(15, 1, 1, last);
        let grant = Grant {
            care_of,
            remote: care_of,
            home_agent: care_of,
            source: (care_of, 434),
            encapsulation: Encapsulation::Ipip,
            granted: 10,
            flags: Flags::default(),
            answer: Answer::None,
            identification: 0x0102_0304_0506_0708,
            spi: 0x100,
        };
        Binding::new(&grant, Second(1), Second(1))
    }

    #[test]
    fn a_lifetime_is_never_cut_short_nor_prolonged() {
        let now = Nanos(10_900_000_000);
        let end = Second::from(now).after(3);
        assert!(Second::of(Nanos(13_899_999_999)) < end && Second::of(Nanos(14_000_000_000)) >= end);
        assert_eq!(end.remaining(Second::from(now), 3), 3);
        assert_eq!(end.remaining(Second(10), 3), 3);
        assert_eq!(end.remaining(Second(20), 3), 0);
        assert_eq!(Second(5).after(INFINITE).remaining(Second(u32::MAX), 3), INFINITE);
    }

    #[test]
    fn three_bindings_come_and_go_in_any_order() {
        let mut set = BindingSet::default();
        (1..=3).for_each(|last| set.insert(binding(last)));
        set.insert(binding(2));
        assert_eq!((set.len(), set.first.as_ref().unwrap().identification()), (3, 0x0102_0304_0506_0708));
        assert!(set.take(|one| one.care_of == binding(1).care_of).is_some());
        assert!(set.take(|one| one.care_of == binding(1).care_of).is_none());
        assert!(set.get(binding(3).care_of).is_some() && set.get(binding(1).care_of).is_none());
        set.insert(binding(4));
        assert_eq!(set.len(), 3);
        while set.take(|_| true).is_some() {}
        assert!(set.is_empty() && set.more.is_none());
    }
}
