//! What is around a packet in a tunnel.

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
    /// Their bytes.
    pub length: usize,
}

impl Outer {
    /// Of a packet to us with this protocol number and payload, of which only the beginning need be there.
    pub fn parse(protocol: u8, bytes: &[u8]) -> Option<Self> {
        let (carrier, protocol, mut length) = match protocol {
            ipv4::UDP => {
                let header = bytes.get(..udp::LENGTH)?;
                let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
                let carrier =
                    Carrier::Udp { local: port(udp::offset::DESTINATION), remote: port(udp::offset::SOURCE) };
                (carrier, tunnel_data::next_header(&bytes[udp::LENGTH..])?, udp::LENGTH + tunnel_data::LENGTH)
            }
            protocol => (Carrier::Ip, protocol, 0),
        };
        let gre = match protocol {
            IPIP => false,
            ipv4::GRE => {
                length += gre::header_length(bytes.get(length..)?)?;
                true
            }
            _ => return None,
        };
        Some(Self { carrier, gre, length })
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

    /// They are those of this tunnel.
    pub fn is_of(&self, tunnel: &Tunnel) -> bool {
        (self.carrier, self.gre) == (tunnel.carrier, tunnel.gre)
    }
}
