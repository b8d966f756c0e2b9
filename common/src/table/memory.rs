//! How large a table gets, and whether the machine has that much.

use std::{fs, io};

use hw::{PageSlice, Want};
use portable_atomic::AtomicU128;
use thiserror::Error;

use super::{Cold, PageStorage};
use crate::config::Hugepages;

/// Smallest and largest capacity in sessions.
pub const CAPACITY: std::ops::RangeInclusive<u32> = 1024..=64_000_000;

/// Slots of a cache line.
const LINE: u64 = 4;

/// The sizes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Sessions that it is built for.
    pub capacity: u32,
    /// Slots; sessions at capacity fill 0.6 of them.
    pub slots: usize,
}

/// Why a table cannot be built.
#[derive(Debug, Error)]
pub enum CapacityError {
    /// Outside the permitted range.
    #[error("sessions must be 1024 to 64000000, not {0}")]
    Range(u32),
    /// The machine has less memory than the table needs.
    #[error("{sessions} sessions need {needed_mb} MB of {kind}, {available_mb} MB are available")]
    Memory {
        /// Capacity asked for.
        sessions: u32,
        /// What kind of memory.
        kind: &'static str,
        /// MB (2^20 bytes), rounded up.
        needed_mb: u64,
        /// MB, rounded down.
        available_mb: u64,
    },
    /// The kernel refused the mapping.
    #[error("cannot map the session table: {0}")]
    Map(#[from] io::Error),
}

impl Geometry {
    /// The sizes for `capacity` sessions.
    ///
    /// # Errors
    /// [`CapacityError::Range`].
    pub fn new(capacity: u32) -> Result<Self, CapacityError> {
        if !CAPACITY.contains(&capacity) {
            return Err(CapacityError::Range(capacity));
        }
        let lines = (u64::from(capacity) * 10).div_ceil(6 * LINE);
        Ok(Self { capacity, slots: (lines * LINE) as usize })
    }

    /// Bytes of both arrays in whole huge pages.
    pub fn bytes(self) -> u64 {
        let huge = PageSlice::<AtomicU128>::HUGE_PAGE as u64;
        let of = |size: usize| (self.slots as u64 * size as u64).next_multiple_of(huge);
        of(size_of::<AtomicU128>()) + of(size_of::<Cold>())
    }

    /// Takes the memory, by the operator's wish for huge pages, if the machine has it.
    ///
    /// # Errors
    /// [`CapacityError::Memory`] with the figures; [`CapacityError::Map`] if the kernel refuses all the same.
    pub fn allocate(self, hugepages: Hugepages) -> Result<(PageStorage, Want), CapacityError> {
        let memory = Available::read()?;
        let want = memory.choose(self, hugepages)?;
        match PageStorage::new(self.slots, want) {
            Ok(storage) => Ok((storage, want)),
            // Somebody else took the huge pages between the look and the mapping.
            Err(_) if want == Want::Huge && hugepages == Hugepages::Auto => {
                memory.check(self, Want::Transparent)?;
                Ok((PageStorage::new(self.slots, Want::Transparent)?, Want::Transparent))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Bytes that the machine has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Available {
    ordinary: u64,
    huge: u64,
}

impl Available {
    fn read() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/meminfo")?))
    }

    fn parse(meminfo: &str) -> Self {
        let field = |name: &str| {
            let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        let page = field("Hugepagesize").unwrap_or(0);
        // Only 2 MB pages are asked for.
        let free = field("HugePages_Free").unwrap_or(0).saturating_sub(field("HugePages_Rsvd").unwrap_or(0));
        Self {
            ordinary: field("MemAvailable").unwrap_or(u64::MAX >> 10) << 10,
            huge: if page == 2048 { (free * page) << 10 } else { 0 },
        }
    }

    fn choose(self, geometry: Geometry, hugepages: Hugepages) -> Result<Want, CapacityError> {
        let want = match hugepages {
            Hugepages::Required => Want::Huge,
            Hugepages::Off => Want::Plain,
            Hugepages::Auto if self.huge >= geometry.bytes() => Want::Huge,
            Hugepages::Auto => Want::Transparent,
        };
        self.check(geometry, want).map(|()| want)
    }

    fn check(self, geometry: Geometry, want: Want) -> Result<(), CapacityError> {
        let needed = geometry.bytes();
        let (kind, available) =
            if want == Want::Huge { ("huge pages", self.huge) } else { ("memory", self.ordinary) };
        if needed <= available {
            return Ok(());
        }
        Err(CapacityError::Memory {
            sessions: geometry.capacity,
            kind,
            needed_mb: needed.div_ceil(1 << 20),
            available_mb: available >> 20,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 24000000 kB\nMemFree: 1 kB\nMemAvailable:    1048576 kB\n\
        HugePages_Total:     100\nHugePages_Free:       60\nHugePages_Rsvd:       10\nHugepagesize:       2048 kB\n";

    #[test]
    fn a_session_costs_47_bytes_and_the_range_holds() {
        let million = Geometry::new(1_000_000).unwrap();
        assert!(million.slots.is_multiple_of(4));
        assert!(million.slots as f64 * 0.6 >= 1e6);
        let each = million.bytes() as f64 / 1e6;
        assert!((46.0..50.0).contains(&each), "{each}");
        assert!(matches!(Geometry::new(1023), Err(CapacityError::Range(1023))));
        assert!(matches!(Geometry::new(64_000_001), Err(CapacityError::Range(_))));
        assert!(Geometry::new(64_000_000).is_ok());
    }

    #[test]
    fn too_little_memory_is_refused_with_both_figures() {
        let memory = Available::parse(MEMINFO);
        assert_eq!(memory, Available { ordinary: 1 << 30, huge: 100 << 20 });
        let million = Geometry::new(1_000_000).unwrap();
        assert_eq!(memory.choose(million, Hugepages::Auto).unwrap(), Want::Huge);
        assert_eq!(memory.choose(million, Hugepages::Off).unwrap(), Want::Plain);
        let four = Geometry::new(4_000_000).unwrap();
        assert_eq!(memory.choose(four, Hugepages::Auto).unwrap(), Want::Transparent);
        let refused = memory.choose(four, Hugepages::Required).unwrap_err().to_string();
        assert_eq!(refused, "4000000 sessions need 180 MB of huge pages, 100 MB are available");
        let refused =
            memory.choose(Geometry::new(64_000_000).unwrap(), Hugepages::Auto).unwrap_err().to_string();
        assert_eq!(refused, "64000000 sessions need 2850 MB of memory, 1024 MB are available");
    }
}
