//! What is around a packet in a tunnel.

use std::net::Ipv4Addr;

use common::{
    mobile::{Carrier, Tunnel},
    wire::{
        gre,
        ipv4::{self, IPIP},
        mobile_ip::tunnel_data,
        udp,
    },
};

/// The headers behind the outer IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    carrier: Carrier,
    gre: bool,
    /// There is a checksum over what follows.
    pub checksum: bool,
    /// Their bytes.
    pub length: usize,
}

impl Outer {
    /// Of a packet to us with this protocol number and payload, of which only the beginning need be there.
    pub fn parse(protocol: u8, bytes: &[u8]) -> Option<Self> {
        let (carrier, protocol, mut checksum, mut length) = match protocol {
            ipv4::UDP => {
                let header = bytes.get(..udp::LENGTH)?;
                let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
                let carrier =
                    Carrier::Udp { local: port(udp::offset::DESTINATION), remote: port(udp::offset::SOURCE) };
                let next = tunnel_data::next_header(&bytes[udp::LENGTH..])?;
                let checksum = header[udp::offset::CHECKSUM..] != [0, 0];
                (carrier, next, checksum, udp::LENGTH + tunnel_data::LENGTH)
            }
            protocol => (Carrier::Ip, protocol, false, 0),
        };
        let gre = match protocol {
            IPIP => false,
            ipv4::GRE => {
                let header = bytes.get(length..)?;
                length += gre::header_length(header)?;
                checksum |= gre::has_checksum(header);
                true
            }
            _ => return None,
        };
        Some(Self { carrier, gre, checksum, length })
    }

    /// Of a packet that we have sent.
    pub fn parse_sent(protocol: u8, bytes: &[u8]) -> Option<Self> {
        let outer = Self::parse(protocol, bytes)?;
        let carrier = match outer.carrier {
            Carrier::Ip => Carrier::Ip,
            Carrier::Udp { local, remote } => Carrier::Udp { local: remote, remote: local },
        };
        Some(Self { carrier, ..outer })
    }

    /// The checksums in the packet that it is the beginning of are right: of the UDP datagram (RFC 1122, 4.1.3.4), and of GRE. Where there
    /// is none, the rest of the packet need not be there.
    pub fn checksums_ok(&self, source: Ipv4Addr, destination: Ipv4Addr, bytes: &[u8]) -> bool {
        let carried = match self.carrier {
            _ if !self.checksum => return true,
            Carrier::Ip => Some(bytes),
            Carrier::Udp { .. } => udp::parse(bytes)
                .ok()
                .filter(|datagram| datagram.checksum_ok(source, destination))
                .and_then(|datagram| datagram.payload.get(tunnel_data::LENGTH..)),
        };
        carried.is_some_and(|carried| !self.gre || gre::checksum_ok(carried))
    }

    /// They are those of this tunnel.
    pub fn is_of(&self, tunnel: &Tunnel) -> bool {
        (self.carrier, self.gre) == (tunnel.carrier, tunnel.gre)
    }
}
