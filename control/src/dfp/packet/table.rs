//! BindID tables (draft-eck-dfp-01, 5.4): which clients a server is bound to.

use std::{fmt, net::Ipv4Addr};

use serde::Serialize;

use super::{DecodeError, EncodeError, Protocol, be16, tlv};

/// Which binding (which group of clients) a weight is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindId(pub u16);

impl BindId {
    /// The default binding; a farm without `bindid` has it.
    pub const DEFAULT: Self = Self(0);
    /// Seen with address 0.0.0.0 and wildcards only; matches no real server.
    pub const UNLISTED: Self = Self(65534);
    /// Every farm that holds the host.
    pub const ANY: Self = Self(65535);
}

impl fmt::Display for BindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The clients of one BindID.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |            BindID             |         Reserved = 0          |
/// +-------------------------------+-------------------------------+
/// |                    Client network address                     |
/// +---------------------------------------------------------------+
/// |                        Client netmask                         |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BindEntry {
    pub bind_id: BindId,
    /// Address of the clients' network.
    pub client: Ipv4Addr,
    /// Its mask, as the wire has it: not every mask is a prefix.
    pub mask: Ipv4Addr,
}

/// The BindID Table TLV: the table of one server.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |         Type = 0x0301         |       Length = 16 + 12 n      |
/// +-------------------------------+-------------------------------+
/// |                        Server address                         |
/// +-------------------------------+---------------+---------------+
/// |          Server port          |   Protocol    |  Reserved = 0 |
/// +-------------------------------+---------------+---------------+
/// |      Number of Entries n      |         Reserved = 0          |
/// +-------------------------------+-------------------------------+
/// |                   n times a BindEntry                         |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindTable {
    pub server: Ipv4Addr,
    /// 0: any.
    pub port: u16,
    pub protocol: Protocol,
    pub entries: Vec<BindEntry>,
}

impl BindTable {
    /// Marks the end of the answer, and is the whole answer if there is no table.
    pub const END: Self =
        Self { server: Ipv4Addr::UNSPECIFIED, port: 0, protocol: Protocol(0), entries: Vec::new() };
    /// The most entries that the 16-bit length of a TLV leaves room for.
    pub const MAX_ENTRIES: usize = (u16::MAX as usize - Self::FIXED) / Self::ENTRY;
    const FIXED: usize = 16;
    const ENTRY: usize = 12;

    /// True for [`BindTable::END`].
    pub fn is_end(&self) -> bool {
        *self == Self::END
    }

    /// The reports that answer a BindID Request: one a server (more if its table is longer than a TLV), then the
    /// end marker. Tables that could be taken for the end marker are left out.
    pub fn answer(tables: &[Self]) -> Vec<Self> {
        let mut reports = Vec::new();
        for table in tables.iter().filter(|table| !table.is_end()) {
            if table.entries.is_empty() {
                reports.push(table.clone());
            }
            for entries in table.entries.chunks(Self::MAX_ENTRIES) {
                reports.push(Self { entries: entries.to_vec(), ..*table });
            }
        }
        reports.push(Self::END);
        reports
    }

    /// Reads a whole TLV. The second value is true if reserved bytes are set.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, bool), DecodeError> {
        let malformed = DecodeError::TlvSize { tlv: "BindID Table", length: bytes.len() };
        let fields = tlv::entries::<{ Self::ENTRY }>(bytes, Self::FIXED).ok_or(malformed)?;
        let mut reserved = bytes[11] != 0 || be16(bytes, 14) != 0;
        let mut entries = Vec::with_capacity(fields.len());
        for entry in fields {
            let [id0, id1, r0, r1, c0, c1, c2, c3, m0, m1, m2, m3] = *entry;
            reserved |= r0 != 0 || r1 != 0;
            entries.push(BindEntry {
                bind_id: BindId(u16::from_be_bytes([id0, id1])),
                client: Ipv4Addr::new(c0, c1, c2, c3),
                mask: Ipv4Addr::new(m0, m1, m2, m3),
            });
        }
        let table = Self {
            server: Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]),
            port: be16(bytes, 8),
            protocol: Protocol(bytes[10]),
            entries,
        };
        Ok((table, reserved))
    }

    /// Appends the TLV.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let count = self.entries.len();
        let too_many = EncodeError::Entries(count);
        let (length, entries) = tlv::fields(Self::FIXED + Self::ENTRY * count, count).ok_or(too_many)?;
        out.extend(tlv::BIND_TABLE.to_be_bytes());
        out.extend(length);
        out.extend(self.server.octets());
        out.extend(self.port.to_be_bytes());
        out.extend([self.protocol.0, 0]);
        out.extend(entries);
        out.extend([0; 2]);
        for entry in &self.entries {
            out.extend(entry.bind_id.0.to_be_bytes());
            out.extend([0; 2]);
            out.extend(entry.client.octets());
            out.extend(entry.mask.octets());
        }
        Ok(())
    }
}
