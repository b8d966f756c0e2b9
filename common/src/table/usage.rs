//! How full a table is, for `show memory`.

use serde::Serialize;

/// A table of fixed capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableUsage {
    /// What its entries are.
    pub name: &'static str,
    /// Entries that it was made for.
    pub capacity: u32,
    /// Entries in use.
    pub used: u64,
    /// Entries that found no room.
    pub refused: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// `huge pages`, `transparent huge pages` or `small pages`.
    pub pages: &'static str,
}
