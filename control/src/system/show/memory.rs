//! `show memory`: packet pools and tables.

use std::fmt::Write as _;

use common::{port::PoolInfo, table::TableUsage};
use serde::Serialize;

/// Pools and tables.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MemoryView {
    /// Packet buffers.
    pub pools: Vec<PoolView>,
    /// Tables of fixed capacity.
    pub tables: Vec<TableUsage>,
}

/// A pool with its low-water mark.
#[derive(Clone, Debug, Serialize)]
pub struct PoolView {
    /// As the device sees it.
    #[serde(flatten)]
    pub info: PoolInfo,
    /// Fewest free buffers seen, once a second.
    pub low_water: u32,
}

/// The text of `show memory`.
pub fn text(view: &MemoryView) -> String {
    let mut out = "pool            buffers   free      low-water  bytes each\n".to_owned();
    out.push_str(&"-".repeat(57));
    out.push('\n');
    for pool in &view.pools {
        let PoolInfo { name, size, free, room } = &pool.info;
        let _ = writeln!(out, "{name:<15} {size:<9} {free:<9} {:<10} {room}", pool.low_water);
    }
    out.push_str("\ntable           capacity  used      refused    load    memory     pages\n");
    out.push_str(&"-".repeat(76));
    out.push('\n');
    for table in &view.tables {
        let load = table.used as f64 * 100.0 / f64::from(table.capacity.max(1));
        let _ = writeln!(
            out,
            "{:<15} {:<9} {:<9} {:<10} {:<7} {:<10} {}",
            table.name,
            table.capacity,
            table.used,
            table.refused,
            format!("{load:.1}%"),
            format!("{:.1} MB", table.bytes as f64 / 1e6),
            table.pages
        );
    }
    out
}
