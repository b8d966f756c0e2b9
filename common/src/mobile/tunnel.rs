//! One tunnel between home agent and care-of address.

use std::net::Ipv4Addr;

use crate::wire::{gre, ipv4, mobile_ip::tunnel_data, udp};

/// In what a tunnel's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In IPv4 itself (RFC 2003, RFC 2784).
    Ip,
    /// In UDP datagrams, through a NAT (RFC 3519).
    Udp {
        /// Our port.
        local: u16,
        /// The port of the other end, as the NAT shows it.
        remote: u16,
    },
}

/// Where packets to a mobile node are sent, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Our end: the address in the Home Agent field of the registration reply (RFC 5944, 4.2.3).
    pub local: Ipv4Addr,
    /// The other end: the care-of address, or the NAT in front of it.
    pub remote: Ipv4Addr,
    /// In what.
    pub carrier: Carrier,
    /// There is a GRE header in front of the inner packet; else it follows at once.
    pub gre: bool,
    /// The node may send in it, too (RFC 3024).
    pub reverse: bool,
}

/// Bits of the second word, behind both ports.
const GRE: u64 = 1 << 32;
const REVERSE: u64 = 1 << 33;
const UDP: u64 = 1 << 34;

impl Tunnel {
    /// Bytes that it puts in front of a packet.
    #[inline]
    pub fn overhead(&self) -> usize {
        let carrier = match self.carrier {
            Carrier::Ip => 0,
            Carrier::Udp { .. } => udp::LENGTH + tunnel_data::LENGTH,
        };
        ipv4::LENGTH + carrier + if self.gre { gre::LENGTH } else { 0 }
    }

    #[inline]
    pub(super) fn pack(&self) -> [u64; 2] {
        let addresses = u64::from(u32::from(self.local)) << 32 | u64::from(u32::from(self.remote));
        let carrier = match self.carrier {
            Carrier::Ip => 0,
            Carrier::Udp { local, remote } => UDP | u64::from(local) << 16 | u64::from(remote),
        };
        let flags = if self.gre { GRE } else { 0 } | if self.reverse { REVERSE } else { 0 };
        [addresses, carrier | flags]
    }

    #[inline]
    pub(super) fn unpack([addresses, more]: [u64; 2]) -> Self {
        let carrier = match more & UDP {
            0 => Carrier::Ip,
            _ => Carrier::Udp { local: (more >> 16) as u16, remote: more as u16 },
        };
        Self {
            local: ((addresses >> 32) as u32).into(),
            remote: (addresses as u32).into(),
            carrier,
            gre: more & GRE != 0,
            reverse: more & REVERSE != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tunnel_survives_its_words(
            ends: (u32, u32),
            ports: Option<(u16, u16)>,
            gre: bool,
            reverse: bool,
        ) {
            let carrier = ports.map_or(Carrier::Ip, |(local, remote)| Carrier::Udp { local, remote });
            let tunnel = Tunnel { local: ends.0.into(), remote: ends.1.into(), carrier, gre, reverse };
            prop_assert_eq!(Tunnel::unpack(tunnel.pack()), tunnel);
        }
    }

    #[test]
    fn headers_have_the_lengths_of_their_documents() {
        let tunnel = |carrier, gre| Tunnel {
            local: Ipv4Addr::LOCALHOST,
            remote: Ipv4Addr::LOCALHOST,
            carrier,
            gre,
            reverse: false,
        };
        let nat = Carrier::Udp { local: 434, remote: 434 };
        let lengths = [(Carrier::Ip, false), (Carrier::Ip, true), (nat, false), (nat, true)];
        assert_eq!(lengths.map(|(carrier, gre)| tunnel(carrier, gre).overhead()), [20, 24, 32, 36]);
    }
}
