//! How large a table gets, and whether the machine has that much.

use std::{fmt, io, marker::PhantomData};

use hw::{PageBacking, PageSlice};
use portable_atomic::AtomicU128;
use thiserror::Error;

use super::{
    Entry, PageStorage,
    available::{Available, RESERVE, Room},
};
use crate::config::Hugepages;

/// Smallest and largest capacity in entries.
pub const CAPACITY: std::ops::RangeInclusive<u32> = 1024..=64_000_000;

/// Slots of a cache line.
const LINE: u64 = 4;

/// The sizes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry<E> {
    /// Entries that it is built for.
    pub capacity: u32,
    /// Slots; entries at capacity fill 0.6 of them.
    pub slots: usize,
    entry: PhantomData<fn() -> E>,
}

/// Why a table cannot be built.
#[derive(Debug, Error)]
pub enum CapacityError {
    /// Outside the permitted range.
    #[error("{name} must be 1024 to 64000000, not {capacity}")]
    Range {
        /// [`Entry::NAME`].
        name: &'static str,
        /// Capacity asked for.
        capacity: u32,
    },
    /// The machine has less memory than the table needs.
    #[error("{0}")]
    Memory(Shortage),
    /// The kernel refused the mapping.
    #[error("cannot map the table of {name}: {error}")]
    Map {
        /// [`Entry::NAME`].
        name: &'static str,
        /// What it says.
        error: io::Error,
    },
}

/// A table that does not fit, in bytes; says what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// [`Entry::NAME`].
    pub name: &'static str,
    /// Capacity asked for.
    pub capacity: u32,
    /// What the table takes.
    pub needed: u64,
    /// What is to be had.
    pub available: u64,
    /// Reserved huge pages are asked for.
    pub huge: bool,
    /// Largest capacity that fits, if any does.
    pub fits: Option<u32>,
    /// File with the limit of a control group that allows less than the machine has.
    pub limit: Option<String>,
    /// Huge pages that the machine would have to reserve in all.
    pub huge_pages: u64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, capacity, needed, available, .. } = self;
        let kind = if self.huge { "huge pages" } else { "memory" };
        write!(
            f,
            "dataplane: {name} {capacity} needs {needed} bytes of {kind} for its table, {available} are "
        )?;
        f.write_str(if self.huge { "free" } else { "available" })?;
        if !self.huge {
            write!(f, " beside {} MB for the rest of the program", RESERVE >> 20)?;
        }
        match self.fits {
            Some(fits) => write!(f, "; configure at most `{name} {fits}`")?,
            None => f.write_str("; not even the smallest table fits")?,
        }
        match (&self.limit, self.huge) {
            (Some(limit), _) => write!(f, ", or raise the limit in {limit}")?,
            (None, false) => f.write_str(", or add memory")?,
            (None, true) => write!(f, ", or reserve more (`sysctl vm.nr_hugepages={}`)", self.huge_pages)?,
        }
        f.write_str(if self.huge { ", or choose `hugepages auto`" } else { "" })
    }
}

impl<E: Entry> Geometry<E> {
    /// The largest table for at most `bytes`.
    fn within(bytes: u64) -> Option<Self> {
        let (mut least, mut most) = (*CAPACITY.start(), *CAPACITY.end());
        let fits = |capacity| Self::new(capacity).ok().filter(|geometry| geometry.bytes() <= bytes);
        fits(least)?;
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            match fits(middle) {
                Some(_) => least = middle,
                None => most = middle - 1,
            }
        }
        fits(least)
    }

    /// The sizes for `capacity` entries.
    ///
    /// # Errors
    /// [`CapacityError::Range`].
    pub fn new(capacity: u32) -> Result<Self, CapacityError> {
        if !CAPACITY.contains(&capacity) {
            return Err(CapacityError::Range { name: E::NAME, capacity });
        }
        let lines = (u64::from(capacity) * 10).div_ceil(6 * LINE);
        Ok(Self { capacity, slots: (lines * LINE) as usize, entry: PhantomData })
    }

    /// Bytes of both arrays in whole huge pages.
    pub fn bytes(self) -> u64 {
        let huge = PageSlice::<AtomicU128>::HUGE_PAGE as u64;
        let of = |size: usize| (self.slots as u64 * size as u64).next_multiple_of(huge);
        of(size_of::<AtomicU128>()) + of(size_of::<E::Cold>())
    }

    /// The pages that the table would get now, by the operator's wish for huge ones.
    ///
    /// # Errors
    /// [`CapacityError::Memory`] with the figures.
    pub fn place(self, hugepages: Hugepages) -> Result<PageBacking, CapacityError> {
        self.choose(&Self::available()?, hugepages)
    }

    /// Takes the memory, by the operator's wish for huge pages, if the machine has it.
    ///
    /// # Errors
    /// [`CapacityError::Memory`] with the figures; [`CapacityError::Map`] if the kernel refuses all the same.
    pub fn allocate(
        self,
        hugepages: Hugepages,
    ) -> Result<(PageStorage<E::Cold>, PageBacking), CapacityError> {
        let backing = self.place(hugepages)?;
        match PageStorage::new(self.slots, backing) {
            Ok(storage) => Ok((storage, backing)),
            // Somebody else took the huge pages between the look and the mapping.
            Err(_) if backing == PageBacking::Huge && hugepages == Hugepages::Auto => {
                self.check(&Self::available()?, PageBacking::Transparent)?;
                let storage =
                    PageStorage::new(self.slots, PageBacking::Transparent).map_err(Self::map_error)?;
                Ok((storage, PageBacking::Transparent))
            }
            Err(error) => Err(Self::map_error(error)),
        }
    }

    fn available() -> Result<Available, CapacityError> {
        Available::read().map_err(Self::map_error)
    }

    fn map_error(error: io::Error) -> CapacityError {
        CapacityError::Map { name: E::NAME, error }
    }

    fn choose(self, memory: &Available, hugepages: Hugepages) -> Result<PageBacking, CapacityError> {
        let backing = match hugepages {
            Hugepages::Required => PageBacking::Huge,
            Hugepages::Off => PageBacking::Plain,
            Hugepages::Auto if memory.huge.bytes >= self.bytes() => PageBacking::Huge,
            Hugepages::Auto => PageBacking::Transparent,
        };
        self.check(memory, backing).map(|()| backing)
    }

    fn check(self, memory: &Available, backing: PageBacking) -> Result<(), CapacityError> {
        let huge = backing == PageBacking::Huge;
        let Room { bytes: available, limit } = if huge { &memory.huge } else { &memory.ordinary };
        let needed = self.bytes();
        if needed <= *available {
            return Ok(());
        }
        let missing = (needed - available).div_ceil(PageSlice::<AtomicU128>::HUGE_PAGE as u64);
        Err(CapacityError::Memory(Shortage {
            name: E::NAME,
            capacity: self.capacity,
            needed,
            available: *available,
            huge,
            fits: Self::within(*available).map(|geometry| geometry.capacity),
            limit: limit.clone(),
            huge_pages: memory.huge_pages + missing,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slb::Session;

    type Geometry = super::Geometry<Session>;

    const MEMINFO: &str = "MemTotal: 24000000 kB\nMemFree: 1 kB\nMemAvailable:    1048576 kB\n\
        HugePages_Total:     100\nHugePages_Free:       60\nHugePages_Rsvd:       10\nHugepagesize:       2048 kB\n";

    #[test]
    fn a_session_costs_47_bytes_and_the_range_holds() {
        let million = Geometry::new(1_000_000).unwrap();
        assert!(million.slots.is_multiple_of(4));
        assert!(million.slots as f64 * 0.6 >= 1e6);
        let each = million.bytes() as f64 / 1e6;
        assert!((46.0..50.0).contains(&each), "{each}");
        assert!(matches!(Geometry::new(1023), Err(CapacityError::Range { capacity: 1023, .. })));
        assert!(matches!(Geometry::new(64_000_001), Err(CapacityError::Range { .. })));
        assert!(Geometry::new(64_000_000).is_ok());
    }

    fn million(count: u32) -> Geometry {
        Geometry::new(count * 1_000_000).unwrap()
    }

    #[test]
    fn pages_are_chosen_by_wish_and_by_what_is_there() {
        let memory = Available::from_meminfo(MEMINFO, |_| None);
        assert_eq!(million(1).choose(&memory, Hugepages::Auto).unwrap(), PageBacking::Huge);
        assert_eq!(million(1).choose(&memory, Hugepages::Required).unwrap(), PageBacking::Huge);
        assert_eq!(million(1).choose(&memory, Hugepages::Off).unwrap(), PageBacking::Plain);
        assert_eq!(million(4).choose(&memory, Hugepages::Auto).unwrap(), PageBacking::Transparent);
    }

    fn refusal(geometry: Geometry, memory: &Available, hugepages: Hugepages) -> (Shortage, String) {
        let error = geometry.choose(memory, hugepages).unwrap_err();
        let text = error.to_string();
        let CapacityError::Memory(shortage) = error else { panic!("{text}") };
        (shortage, text)
    }

    #[test]
    fn too_little_memory_is_refused_with_both_figures_and_what_helps() {
        let memory = Available::from_meminfo(MEMINFO, |_| None);
        let (shortage, text) = refusal(million(4), &memory, Hugepages::Required);
        assert_eq!(
            text,
            "dataplane: sessions 4000000 needs 188743680 bytes of huge pages for its table, 104857600 are free; \
             configure at most `sessions 2202009`, or reserve more (`sysctl vm.nr_hugepages=140`), or choose \
             `hugepages auto`"
        );
        // What is said to fit does, and nothing more.
        let fits = shortage.fits.unwrap();
        assert!(Geometry::new(fits).unwrap().choose(&memory, Hugepages::Required).is_ok());
        assert!(Geometry::new(fits + 1).unwrap().choose(&memory, Hugepages::Required).is_err());
        let (_, text) = refusal(million(64), &memory, Hugepages::Auto);
        assert_eq!(
            text,
            "dataplane: sessions 64000000 needs 2988441600 bytes of memory for its table, 939524096 are available \
             beside 128 MB for the rest of the program; configure at most `sessions 20132659`, or add memory"
        );
    }

    #[test]
    fn the_limit_of_a_control_group_is_named() {
        let files = |path: &str| {
            let text = match path {
                "/proc/self/cgroup" => "0::/slb\n",
                "/sys/fs/cgroup/slb/memory.max" => "167772160\n",
                "/sys/fs/cgroup/slb/memory.current" => "31457280\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let memory = Available::from_meminfo(MEMINFO, files);
        let (shortage, text) = refusal(million(1), &memory, Hugepages::Off);
        assert_eq!((shortage.available, shortage.fits), (2 << 20, None));
        assert!(
            text.ends_with(
                "; not even the smallest table fits, or raise the limit in /sys/fs/cgroup/slb/memory.max"
            ),
            "{text}"
        );
    }
}
