//! Gratuitous ARP: neighbours learn at once who answers for a virtual address (RFC 5944, section 4.6).

use std::net::Ipv4Addr;

use common::mac::MacAddr;

/// An ARP request for `address` from `mac`, to everybody, padded to the least Ethernet frame (60 bytes without FCS).
pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(60);
    frame.extend(MacAddr::BROADCAST.0);
    frame.extend(mac.0);
    // ARP for IPv4 over Ethernet, request.
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame.resize(60, 0);
    frame
}
