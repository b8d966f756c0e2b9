//! `show ip slb sessions [ipmobile] [...] [detail]` and `show ip slb conns`.

use std::{fmt, fmt::Write as _, net::Ipv4Addr};

use serde::{Serialize, Serializer};

use super::Columns;

/// One session as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Virtual server.
    pub vserver: String,
    /// Displayed hash of the key.
    pub nai_hash: NaiHash,
    /// Source address of the last RRQ.
    pub client: Ipv4Addr,
    /// Source port of the last RRQ.
    pub client_port: u16,
    /// The real that it is on.
    pub real: Ipv4Addr,
    /// The real's farm.
    pub farm: String,
    /// `S` or `none`.
    pub nat: &'static str,
    /// `IPMOBILE_ESTAB`, or `IPMOBILE_DEREG` in the grace after a deregistration.
    pub state: &'static str,
    /// Retransmissions seen on this real.
    pub retry: u16,
    /// It moves when `retry` is greater; `None`: never.
    pub reassign: Option<u8>,
    /// Seconds until it is deleted, rounded up.
    pub remaining: u64,
    /// It tests a real that had failed.
    pub test: bool,
}

const SESSIONS: Columns<'_> = Columns {
    columns: &[("vserver", 0), ("NAI hash", 16), ("client", 33), ("real", 49), ("state", 65)],
    rule: 79,
};

const CONNS: Columns<'_> = Columns {
    columns: &[("vserver", 0), ("prot", 16), ("client", 21), ("real", 43), ("state", 65), ("nat", 75)],
    rule: 79,
};

/// The displayed hash of a key (FNV-1a 32), which prints as 8 upper-case digits and 8 zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NaiHash(pub u32);

impl NaiHash {
    /// The hash of a key: a NAI's bytes, or the four of a home address.
    pub fn from_key(key: &[u8]) -> Self {
        Self(common::slb::display_hash(key))
    }
}

impl fmt::Display for NaiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}00000000", self.0)
    }
}

impl Serialize for NaiHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Orders as IOS's buckets do: by the low 16 bits of the hash, then by all of it.
pub fn sort_sessions(sessions: &mut [SessionView]) {
    sessions.sort_by(|a, b| {
        let key = |session: &SessionView| (session.nai_hash.0 & 0xffff, session.nai_hash);
        key(a).cmp(&key(b)).then_with(|| a.vserver.cmp(&b.vserver))
    });
}

/// The table, or the paragraphs of `detail`, in the order given.
pub fn sessions_text(sessions: &[SessionView], detail: bool) -> String {
    if detail {
        return sessions.iter().map(SessionView::detail).collect();
    }
    SESSIONS.text(sessions.iter().map(|session| {
        [
            session.vserver.clone(),
            session.nai_hash.to_string(),
            session.client.to_string(),
            session.real.to_string(),
            session.state.to_owned(),
        ]
    }))
}

/// `show ip slb conns`: Mobile IP has sessions, not connections, so the table has no rows.
pub fn conns_text() -> String {
    CONNS.text(std::iter::empty::<[String; 0]>())
}

impl SessionView {
    fn detail(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_detail(&mut out);
        out
    }

    fn write_detail(&self, out: &mut String) -> std::fmt::Result {
        let reassign = self.reassign.map_or_else(|| "never".to_owned(), |retries| retries.to_string());
        writeln!(out, "{}, session_key = {}, state = {}", self.vserver, self.nai_hash, self.state)?;
        writeln!(
            out,
            "  client = {}:{}, real = {}, farm = {}, NAT = {}",
            self.client, self.client_port, self.real, self.farm, self.nat
        )?;
        let test = if self.test { ", test = yes" } else { "" };
        writeln!(out, "  retry = {}, reassign = {reassign}, remaining = {}{test}", self.retry, self.remaining)
    }
}
