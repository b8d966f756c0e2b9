//! What the shows of both roles have in common.

use std::{fmt, time::SystemTime};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{
    counter::{Counter, Counters},
    packet::{BindTable, Protocol, Row},
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
    /// `<set>` or `<none>`.
    pub fn word(set: bool) -> &'static str {
        if set { "<set>" } else { "<none>" }
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

impl Serialize for Clock {
    /// RFC 3339, for programs.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = jiff::Timestamp::try_from(self.0).unwrap_or_default();
        serializer.collect_str(&at)
    }
}

/// `80`, or `0 (wildcard)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrWildcard<T>(pub T);

impl fmt::Display for OrWildcard<u16> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("0 (wildcard)") } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for OrWildcard<Protocol> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Protocol::ANY { f.write_str("0 (wildcard)") } else { write!(f, "{}", self.0) }
    }
}

/// The key of a counter in JSON and in metrics: `bad_version`.
pub fn key(counter: Counter) -> String {
    counter.name().replace(' ', "_").to_ascii_lowercase()
}

/// A counter to a key, for JSON.
pub(super) fn counters<S: Serializer>(counters: &Counters, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(Counter::ALL.len()))?;
    for counter in Counter::ALL {
        map.serialize_entry(&key(counter), &counters.get(counter))?;
    }
    map.end()
}

/// A row of a weight table, for JSON.
#[derive(Serialize)]
struct RowFacts {
    address: std::net::Ipv4Addr,
    protocol: String,
    port: u16,
    bind_id: u16,
    weight: u16,
}

/// Rows, for JSON.
pub(super) fn rows<S: Serializer>(rows: &[Row], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| RowFacts {
        address: row.key.address,
        protocol: row.key.protocol.to_string(),
        port: row.key.port,
        bind_id: row.key.bind_id.0,
        weight: row.weight,
    }))
}

/// An entry of a BindID table, for JSON.
#[derive(Serialize)]
struct BindFacts {
    server: std::net::Ipv4Addr,
    protocol: String,
    port: u16,
    bind_id: u16,
    client: std::net::Ipv4Addr,
    mask: std::net::Ipv4Addr,
}

/// Entries of all tables, for JSON.
pub(super) fn tables<S: Serializer>(tables: &[BindTable], serializer: S) -> Result<S::Ok, S::Error> {
    let entries = tables.iter().flat_map(|table| {
        table.entries.iter().map(|entry| BindFacts {
            server: table.server,
            protocol: table.protocol.to_string(),
            port: table.port,
            bind_id: entry.bind_id.0,
            client: entry.client,
            mask: entry.mask,
        })
    });
    serializer.collect_seq(entries)
}
