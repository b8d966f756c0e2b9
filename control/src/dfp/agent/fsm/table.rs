//! What a subsystem reports.

use std::{collections::HashMap, net::Ipv4Addr};

use crate::dfp::packet::{BindTable, Row, RowKey};

/// Most rows of an agent; further ones are dropped.
pub const MAX_ROWS: usize = 4096;

/// Most servers with a BindID table, and most entries of one: far beyond what is configured.
const MAX_BINDS: usize = MAX_ROWS;

/// The weights and BindID tables of a subsystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Weights, in the order of their reports. Of several with one key the last counts.
    pub rows: Vec<Row>,
    /// Rows for 0.0.0.0 are for the address that the manager has connected to: each manager is told its own.
    pub local: bool,
    pub binds: Vec<BindTable>,
}

impl Table {
    /// The same without rows beyond what an agent holds and without repeated keys, and how many rows did not fit.
    pub(super) fn bounded(mut self) -> (Self, usize) {
        let mut at: HashMap<RowKey, usize> = HashMap::with_capacity(self.rows.len().min(MAX_ROWS));
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len().min(MAX_ROWS));
        let mut dropped = 0;
        for row in self.rows {
            if let Some(at) = at.get(&row.key) {
                rows[*at] = row;
            } else if rows.len() < MAX_ROWS {
                at.insert(row.key, rows.len());
                rows.push(row);
            } else {
                dropped += 1;
            }
        }
        self.rows = rows;
        self.binds.truncate(MAX_BINDS);
        (self, dropped)
    }

    /// The rows as a manager sees them that has connected to `local`.
    pub(super) fn rows_at(&self, local: Ipv4Addr) -> impl Iterator<Item = Row> + '_ {
        self.rows.iter().map(move |row| {
            let address = row.key.address;
            let address = if self.local && address.is_unspecified() { local } else { address };
            Row { key: RowKey { address, ..row.key }, ..*row }
        })
    }
}
