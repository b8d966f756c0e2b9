//! When the manager asks for BindID tables, and what it was answered.

use std::{sync::Arc, time::Duration};

use common::time::Nanos;

use crate::dfp::packet::BindTable;

/// Least time between two BindID Requests to one agent.
pub const PAUSE: Duration = Duration::from_secs(10);

/// BindID tables of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BindIds {
    /// Some farm has a BindID: without, nobody needs the tables.
    wanted: bool,
    connected: bool,
    /// They are to be asked for, as soon as that may be.
    pub due: bool,
    asked: Option<Nanos>,
    /// Of an answer that is not complete yet.
    partial: Vec<BindTable>,
    /// The last complete answer.
    pub tables: Arc<[BindTable]>,
}

impl BindIds {
    pub fn want(&mut self, wanted: bool) {
        self.due |= wanted && !self.wanted;
        self.wanted = wanted;
    }

    pub fn connected(&mut self) {
        self.connected = true;
        self.due = true;
    }

    /// It is gone, and with it what was said on it.
    pub fn disconnected(&mut self) {
        *self = Self { wanted: self.wanted, asked: self.asked, ..Self::default() };
    }

    /// A report: the last one completes the answer, which replaces the former.
    pub fn report(&mut self, table: BindTable) {
        if table.is_end() {
            self.tables = std::mem::take(&mut self.partial).into();
        } else {
            self.partial.push(table);
        }
    }

    /// When [`BindIds::ask`] will be true.
    pub fn deadline(&self) -> Option<Nanos> {
        let due = self.wanted && self.connected && self.due;
        due.then(|| self.asked.map_or(Nanos(0), |asked| asked.after(PAUSE)))
    }

    /// True if a request must go out now.
    pub fn ask(&mut self, now: Nanos) -> bool {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        if due {
            self.due = false;
            self.asked = Some(now);
            self.partial.clear();
        }
        due
    }
}
