//! Weights of hosts: the Load TLV (draft-eck-dfp-01, 5.2) and the rows of a weight table that it carries.

use std::{fmt, net::Ipv4Addr};

use serde::{Serialize, Serializer};

use super::{BindId, DecodeError, EncodeError, Header, be16, tlv};
use crate::dfp::security;

/// The most hosts in one message, over all of its Load TLVs.
pub const MAX_HOSTS: usize = 128;

/// The longest message of weights that we send, so that it stays within one segment: some managers want that.
const ONE_SEGMENT: usize = 1400;

/// An IP protocol number; 0 is the wildcard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Any protocol.
    pub const ANY: Self = Self(0);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
}

impl fmt::Display for Protocol {
    /// `TCP`, `UDP` or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.pad("TCP"),
            Self::UDP => f.pad("UDP"),
            Self(number) => fmt::Display::fmt(&number, f),
        }
    }
}

/// As it is shown.
impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Weight of one host for one binding.
///
/// ```text
/// +---------------------------------------------------------------+
/// |                         Host address                          |
/// +-------------------------------+-------------------------------+
/// |            BindID             |            Weight             |
/// +-------------------------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    pub address: Ipv4Addr,
    pub bind_id: BindId,
    /// Weight; 0: no new work, please.
    pub weight: u16,
}

/// The Load TLV: weights of hosts for one port and protocol.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |         Type = 0x0002         |       Length = 12 + 8 n       |
/// +-------------------------------+---------------+---------------+
/// |          Port Number          |   Protocol    |   Flags = 0   |
/// +-------------------------------+---------------+---------------+
/// |       Number of Hosts n       |         Reserved = 0          |
/// +-------------------------------+-------------------------------+
/// |                      n times a Host                           |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Port; 0: any.
    pub port: u16,
    pub protocol: Protocol,
    /// Hosts; none is legal and says nothing.
    pub hosts: Vec<Host>,
}

/// What a weight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RowKey {
    /// Server.
    pub address: Ipv4Addr,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its port; 0: any.
    pub port: u16,
    /// Binding.
    pub bind_id: BindId,
}

/// One row of a weight table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub key: RowKey,
    pub weight: u16,
}

impl Load {
    const FIXED: usize = 12;
    const HOST: usize = 8;

    /// Its rows, in the order of the wire.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.hosts.iter().map(|host| Row {
            key: RowKey {
                address: host.address,
                protocol: self.protocol,
                port: self.port,
                bind_id: host.bind_id,
            },
            weight: host.weight,
        })
    }

    /// In bytes.
    fn size(&self) -> usize {
        Self::FIXED + Self::HOST * self.hosts.len()
    }

    /// Reads a whole TLV. The second value is true if Flags or reserved bytes are set.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, bool), DecodeError> {
        let malformed = DecodeError::TlvSize { tlv: "Load", length: bytes.len() };
        let hosts = tlv::entries::<{ Self::HOST }>(bytes, Self::FIXED).ok_or(malformed)?;
        let hosts = hosts.iter().map(|&[a0, a1, a2, a3, id0, id1, w0, w1]| Host {
            address: Ipv4Addr::new(a0, a1, a2, a3),
            bind_id: BindId(u16::from_be_bytes([id0, id1])),
            weight: u16::from_be_bytes([w0, w1]),
        });
        let load = Self { port: be16(bytes, 4), protocol: Protocol(bytes[6]), hosts: hosts.collect() };
        Ok((load, bytes[7] != 0 || be16(bytes, 10) != 0))
    }

    /// Appends the TLV.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let too_many = EncodeError::Hosts(self.hosts.len());
        let (length, hosts) = tlv::fields(self.size(), self.hosts.len()).ok_or(too_many)?;
        out.extend(tlv::LOAD.to_be_bytes());
        out.extend(length);
        out.extend(self.port.to_be_bytes());
        out.extend([self.protocol.0, 0]);
        out.extend(hosts);
        out.extend([0; 2]);
        for host in &self.hosts {
            out.extend(host.address.octets());
            out.extend(host.bind_id.0.to_be_bytes());
            out.extend(host.weight.to_be_bytes());
        }
        Ok(())
    }
}

/// Groups rows into the Load TLVs of as many messages as they need.
///
/// Rows of one port and protocol that follow each other share a TLV; the order is kept. Every message holds at most
/// 128 hosts and, with a Security TLV, at most 1400 bytes. No rows, no message.
pub fn reports(rows: impl IntoIterator<Item = Row>) -> Vec<Vec<Load>> {
    const EMPTY: usize = Header::SIZE + security::TLV_SIZE;
    let mut messages: Vec<Vec<Load>> = Vec::new();
    let (mut size, mut hosts) = (EMPTY, 0);
    for Row { key, weight } in rows {
        let host = Host { address: key.address, bind_id: key.bind_id, weight };
        let new = Load { port: key.port, protocol: key.protocol, hosts: vec![host] };
        let same = messages
            .last()
            .and_then(|message| message.last())
            .is_some_and(|load| (load.port, load.protocol) == (key.port, key.protocol));
        let grows = if same { Load::HOST } else { new.size() };
        let fits = hosts < MAX_HOSTS && size + grows <= ONE_SEGMENT;
        match messages.last_mut() {
            Some(message) if fits => {
                match message.last_mut() {
                    Some(load) if same => load.hosts.push(host),
                    _ => message.push(new),
                }
                size += grows;
                hosts += 1;
            }
            _ => {
                size = EMPTY + new.size();
                hosts = 1;
                messages.push(vec![new]);
            }
        }
    }
    messages
}
