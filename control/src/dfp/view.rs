//! What the shows of both roles have in common.

use std::{fmt, net::Ipv4Addr, time::SystemTime};

use common::time::Nanos;
use serde::{Serialize, Serializer};

use super::{
    counter::{Counter, Counters},
    packet::{BindEntry, BindTable, Protocol, Row},
    security::Keyring,
};

/// Which passwords there are; never what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PasswordView {
    /// One is in use.
    pub current: bool,
    /// One waits for the end of a change-over.
    pub pending: bool,
    /// Seconds left of it, rounded up; 0: none is under way.
    pub timeout: u64,
}

impl PasswordView {
    /// As they are at `now`.
    pub fn of(keys: &Keyring, now: Nanos) -> Self {
        Self {
            current: keys.sending(now).is_some(),
            pending: keys.has_pending(now),
            timeout: keys.remaining(now).as_millis().div_ceil(1000) as u64,
        }
    }
}

/// The two lines of every show of passwords, but for the end of the second.
impl fmt::Display for PasswordView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |set| if set { "<set>" } else { "<none>" };
        writeln!(f, "  Current passwd: {} Pending passwd: {}", word(self.current), word(self.pending))?;
        write!(f, "  Passwd timeout: {}", self.timeout)
    }
}

/// `14:59:23 UTC 04/21/03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(pub SystemTime);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::try_from(self.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
        write!(f, "{}", at.strftime("%H:%M:%S UTC %m/%d/%y"))
    }
}

/// RFC 3339, for programs.
impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&jiff::Timestamp::try_from(self.0).unwrap_or_default())
    }
}

/// `80`, or `0 (wildcard)`.
pub struct OrWildcard<T>(pub T);

impl<T: fmt::Display + Default + PartialEq> fmt::Display for OrWildcard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == T::default() { f.write_str("0 (wildcard)") } else { self.0.fmt(f) }
    }
}

/// A counter to a key, for JSON.
impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Counter::ALL.map(|counter| (counter.key(), self.get(counter))))
    }
}

/// An entry of a BindID table, for JSON.
#[derive(Serialize)]
struct BindFacts {
    server: Ipv4Addr,
    protocol: Protocol,
    port: u16,
    #[serde(flatten)]
    entry: BindEntry,
}

/// Entries of all tables, for JSON.
pub fn bind_tables<S: Serializer>(tables: &[BindTable], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tables.iter().flat_map(|table| {
        let BindTable { server, protocol, port, .. } = *table;
        table.entries.iter().map(move |entry| BindFacts { server, protocol, port, entry: *entry })
    }))
}

/// Rows in blocks of one service, in the order of the first row of each.
pub fn by_service(rows: &[Row]) -> Vec<((Protocol, u16), Vec<Row>)> {
    let mut blocks: Vec<((Protocol, u16), Vec<Row>)> = Vec::new();
    for row in rows {
        let service = (row.key.protocol, row.key.port);
        match blocks.iter_mut().find(|(of, _)| *of == service) {
            Some((_, rows)) => rows.push(*row),
            None => blocks.push((service, vec![*row])),
        }
    }
    blocks
}

/// Adds a line to a text.
macro_rules! line {
    ($text:expr, $($format:tt)*) => { $text.push_str(&(format!($($format)*) + "\n")) };
}
pub(super) use line;
