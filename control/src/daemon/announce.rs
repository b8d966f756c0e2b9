//! Gratuitous ARP: neighbours learn at once who answers for a virtual address (RFC 5944, section 4.6).

use std::net::Ipv4Addr;

use common::{mac::MacAddr, wire::arp};

/// An ARP request for `address` from `mac`, to everybody, padded to the least Ethernet frame (60 bytes without FCS).
pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    arp::gratuitous(mac, address).to_vec()
}
