//! Every way a packet can end. A packet that enters leaves exactly one verdict, so `received = sum of verdicts`.
//!
//! Who ends packets declares its verdicts in a file of its own, with `verdicts!`; `SETS` is the list of these files.

use std::{fmt, sync::OnceLock};

use serde::Serialize;

use crate::{mobile, slb};

/// The list, in the order of a packet's way; `show` lists verdicts by class and then in this order.
const SETS: &[&[Declaration]] = &[system::INPUT, slb::VERDICTS, mobile::VERDICTS, system::OUTPUT];

/// How a received packet ended: an index into what all sets declare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict(u8);

/// The kinds of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Sent on: to a real, or by the routing table.
    Forwarded,
    /// Answered by the dataplane itself.
    Answered,
    /// Handed to the kernel.
    Punted,
    /// Kept as a part of a packet, which has an end of its own once it is whole.
    Held,
    /// Dropped for the named reason.
    Dropped,
}

/// What is declared of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name in `show dataplane`, JSON and metrics.
    pub name: &'static str,
    /// What kind of end this is.
    pub class: Class,
    /// Name of the subsystem whose packets end so.
    pub owner: &'static str,
    /// The counter of a server that rises with it, by its index among those that the owner keeps for each server.
    pub counter: Option<u8>,
}

/// Declares a subsystem's verdicts: a constant of all of them for the list, and one of [`Verdict`] for each.
macro_rules! verdicts {
    ($set:ident of $owner:expr; $(
        $(#[$doc:meta])* $name:ident => $text:literal, $class:ident $(, $counter:expr)?;
    )*) => {
        pub(crate) const $set: &[$crate::verdict::Declaration] = &[$($crate::verdict::Declaration {
            name: $text,
            class: $crate::verdict::Class::$class,
            owner: $owner,
            counter: $crate::verdict::verdicts!(@counter $($counter)?),
        },)*];

        impl $crate::verdict::Verdict {
            $($(#[$doc])* pub const $name: Self = Self::named($text);)*
        }
    };
    (@counter) => { None };
    (@counter $counter:expr) => { Some($counter as u8) };
}
pub(crate) use verdicts;

pub mod system;

static DECLARED: [Declaration; Verdict::COUNT] = declared();

/// Of the stages that a program adds to the product's.
static JOINED: OnceLock<&'static [Declaration]> = OnceLock::new();

impl Verdict {
    /// How many are declared.
    pub const COUNT: usize = count();
    /// Cells of an array by [`Verdict::index`]: for whatever a program joins, too.
    pub const ROOM: usize = 1 << u8::BITS;
    /// All that are declared, in the order of display.
    pub const ALL: &'static [Self] = &by_class();

    /// Number `at` of the verdicts that the program [`join`]s.
    ///
    /// # Panics
    /// If there is no room for as many.
    pub const fn joined(at: u8) -> Self {
        assert!(Self::COUNT + (at as usize) < Self::ROOM);
        Self(Self::COUNT as u8 + at)
    }

    pub(crate) const fn named(name: &str) -> Self {
        let all = declared();
        let mut index = 0;
        while !same(all[index].name, name) {
            index += 1;
        }
        Self(index as u8)
    }

    /// Its place in arrays of [`Verdict::ROOM`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All, in the order of display, and what was [`join`]ed.
    pub fn all() -> impl Iterator<Item = Self> {
        let joined = JOINED.get().map_or(0, |joined| joined.len());
        Self::ALL.iter().copied().chain((0..joined).map(|at| Self::joined(at as u8)))
    }

    /// What is declared of it.
    ///
    /// # Panics
    /// If it is one of those to be joined and nobody did.
    pub fn declaration(self) -> &'static Declaration {
        DECLARED.get(self.index()).unwrap_or_else(|| {
            let joined = JOINED.get().and_then(|joined| joined.get(self.index() - Self::COUNT));
            joined.expect("verdicts are joined before packets end so")
        })
    }

    /// The name in `show dataplane`, JSON and metrics.
    pub fn name(self) -> &'static str {
        self.declaration().name
    }

    /// What kind of end this is.
    pub fn class(self) -> Class {
        self.declaration().class
    }

    /// Name of the subsystem whose packets end so.
    pub fn owner(self) -> &'static str {
        self.declaration().owner
    }
}

/// Adds the verdicts of stages that a program has beside the product's; the first call counts.
pub fn join(verdicts: &'static [Declaration]) {
    let _ = JOINED.set(verdicts);
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn count() -> usize {
    let (mut set, mut count) = (0, 0);
    while set < SETS.len() {
        count += SETS[set].len();
        set += 1;
    }
    count
}

const fn declared() -> [Declaration; Verdict::COUNT] {
    let mut all = [SETS[0][0]; Verdict::COUNT];
    let (mut set, mut at) = (0, 0);
    while set < SETS.len() {
        let mut index = 0;
        while index < SETS[set].len() {
            all[at] = SETS[set][index];
            (index, at) = (index + 1, at + 1);
        }
        set += 1;
    }
    all
}

const fn by_class() -> [Verdict; Verdict::COUNT] {
    let mut all = [Verdict(0); Verdict::COUNT];
    let (mut class, mut at) = (0, 0);
    while class <= Class::Dropped as u8 {
        let mut index = 0;
        while index < Verdict::COUNT {
            if DECLARED[index].class as u8 == class {
                all[at] = Verdict(index as u8);
                at += 1;
            }
            index += 1;
        }
        class += 1;
    }
    all
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_a_name_of_its_own_and_its_constant() {
        let mut names: Vec<_> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Verdict::COUNT);
        assert_eq!((Verdict::NO_REAL.name(), Verdict::NO_REAL.owner()), ("no_real", slb::OWNER));
        assert_eq!((Verdict::ROUTED.name(), Verdict::ROUTED.owner()), ("routed", system::OWNER));
    }

    #[test]
    fn display_goes_by_class_and_then_along_a_packets_way() {
        let all = Verdict::ALL;
        assert!(all.is_sorted_by_key(|verdict| verdict.class() as u8));
        let forwarded = [Verdict::SLB_DISPATCHED, Verdict::SLB_DIRECTED, Verdict::TUNNELLED, Verdict::ROUTED];
        assert_eq!(all[..4], forwarded);
        let at = |wanted| all.iter().position(|verdict| *verdict == wanted);
        assert!(at(Verdict::OWN_FRAME) < at(Verdict::NO_REAL) && at(Verdict::NO_REAL) < at(Verdict::TX_FULL));
    }

    #[test]
    fn a_program_may_add_its_own() {
        const MORE: &[Declaration] =
            &[Declaration { name: "example", class: Class::Dropped, owner: "tests", counter: None }];
        assert!(Verdict::all().eq(Verdict::ALL.iter().copied()));
        join(MORE);
        let added = Verdict::joined(0);
        assert_eq!(Verdict::all().last(), Some(added));
        assert_eq!(*added.declaration(), MORE[0]);
    }
}
