//! `show ip arp`.

use std::{fmt::Write as _, net::Ipv4Addr};

use common::mac::MacAddr;
use serde::Serialize;

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArpView {
    /// IPv4 address of the neighbour.
    pub address: Ipv4Addr,
    /// `None`: asked for, not answered.
    pub mac: Option<MacAddr>,
    /// `reachable`, `stale`, `incomplete`, `permanent`, `interface` (our own).
    pub state: String,
    /// Full name.
    pub interface: String,
}

/// The text of `show ip arp`. The kernel keeps no age, so the column says what it thinks of the entry.
pub fn text(entries: &[ArpView]) -> String {
    let mut out = "Protocol  Address          State        Hardware Addr   Type   Interface\n".to_owned();
    for entry in entries {
        let mac = entry.mac.map_or_else(|| "Incomplete".to_owned(), |mac| mac.to_string());
        let address = entry.address.to_string();
        let _ =
            writeln!(out, "Internet  {address:<16} {:<12} {mac:<15} ARPA   {}", entry.state, entry.interface);
    }
    out
}
