//! `show ip arp duplicates`.

use std::{fmt::Write as _, net::Ipv4Addr};

use common::mac::MacAddr;
use serde::Serialize;

/// An address that more than one station says it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DuplicateView {
    /// The address.
    pub address: Ipv4Addr,
    /// Full name of the interface on which that was heard.
    pub interface: String,
    /// `us`, `static` (by `arp`) or `neighbour`.
    pub holder: &'static str,
    /// Who said so last.
    pub mac: MacAddr,
    /// Who had it before.
    pub before: MacAddr,
    /// How often that was heard; the same station counts once a second.
    pub times: u64,
    /// Seconds since then.
    pub seconds_ago: u64,
}

/// The text of `show ip arp duplicates`.
pub fn text(duplicates: &[DuplicateView]) -> String {
    let mut out =
        "Address          Holder     Sourced by      Before          Times      Age (s)  Interface\n"
            .to_owned();
    for found in duplicates {
        let address = found.address.to_string();
        let (mac, before) = (found.mac.to_string(), found.before.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{address:<16} {:<10} {mac:<15} {before:<15} {:<10} {:<8} {}",
            found.holder, found.times, found.seconds_ago, found.interface
        );
    }
    out
}
