//! Extensions with their meaning.

use std::net::Ipv4Addr;

use super::{
    message::{DecodeError, EncodeError},
    shape::{DYNAMIC_HA, Located, NAI, PAD, Shape, is_long_dynamic_ha, shape},
};

/// Between whom an authenticator of the short shape speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthKind {
    /// 32: mobile node and home agent.
    MobileHome,
    /// 33: mobile node and foreign agent.
    MobileForeign,
    /// 34: foreign agent and home agent.
    ForeignHome,
}

impl AuthKind {
    /// The extension's type.
    pub fn kind(self) -> u8 {
        match self {
            Self::MobileHome => 32,
            Self::MobileForeign => 33,
            Self::ForeignHome => 34,
        }
    }
}

/// Generalised authentication extension (RFC 4721).
pub const GENERALISED: u8 = 36;
/// Sub-type of [`GENERALISED`]: mobile node and AAA.
pub const MN_AAA: u8 = 1;
/// Mobile node to foreign agent challenge (RFC 4721).
pub const CHALLENGE: u8 = 132;
/// Critical vendor extensions (RFC 3115).
pub const CRITICAL_VENDOR: std::ops::RangeInclusive<u8> = 37..=38;
const UDP_TUNNEL_REPLY: u8 = 44;
/// Normal vendor extensions (RFC 3115).
pub const NORMAL_VENDOR: std::ops::RangeInclusive<u8> = 133..=134;
const REVOCATION: u8 = 137;
/// Request for a tunnel over UDP (RFC 3519).
pub const UDP_TUNNEL_REQUEST: u8 = 144;
/// Bytes of an SPI.
pub(super) const SPI: usize = 4;

/// A vendor's extension (RFC 3115).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// 38 (or the older 37) critical, 134 (or 133) normal.
    pub kind: u8,
    /// Must be 0, may be anything; of a critical one 8 bits.
    pub reserved: u16,
    /// Enterprise number.
    pub vendor: u32,
    /// The vendor's type.
    pub vendor_type: u16,
    /// The vendor's data.
    pub value: Vec<u8>,
}

/// An extension. A known type whose data has not that type's layout is [`Extension::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// 0: one byte, no length.
    Pad,
    /// 32 to 34.
    Auth {
        /// Between whom: 32 mobile and home agent, 33 mobile and foreign, 34 foreign and home.
        kind: AuthKind,
        /// Security parameter index.
        spi: u32,
        /// As received; [`super::auth`] judges.
        authenticator: Vec<u8>,
    },
    /// 36: generalised authentication, sub-type [`MN_AAA`] or another.
    Generalised {
        /// [`MN_AAA`] is 1.
        sub_type: u8,
        /// Security parameter index; 2 is CHAP (RFC 4721, section 8).
        spi: u32,
        /// As received.
        authenticator: Vec<u8>,
    },
    /// 37, 38, 133, 134.
    Vendor(Vendor),
    /// 44: answer to [`Extension::UdpTunnelRequest`] (RFC 3519).
    UdpTunnelReply {
        /// 0: will tunnel, 64: declined.
        code: u8,
        /// F in bit 15.
        flags: u16,
        /// Keepalive interval in seconds; 0: the client's default.
        keepalive: u16,
    },
    /// 131: mobile node NAI (RFC 2794).
    Nai(Vec<u8>),
    /// 132 (RFC 4721).
    Challenge(Vec<u8>),
    /// 137: revocation support (RFC 3543).
    Revocation {
        /// I in bit 15.
        flags: u16,
        /// Of the sender's clock, in seconds.
        timestamp: u32,
    },
    /// 139 (RFC 4433).
    DynamicHa {
        /// True in the RFC's layout, false in the short layout that some implementations send.
        long: bool,
        /// 1 requested, 2 redirected.
        sub_type: u8,
        /// The home agent.
        address: Ipv4Addr,
    },
    /// 144 (RFC 3519).
    UdpTunnelRequest {
        /// Must be 0, may be anything.
        reserved: u8,
        /// F in bit 7, R in bit 6.
        flags: u8,
        /// Protocol number; 0: as the request's flags say.
        encapsulation: u8,
        /// Must be 0, may be anything.
        reserved2: u16,
    },
    /// Any other with an 8-bit length.
    Other {
        /// Extension type.
        kind: u8,
        /// What follows the length.
        data: Vec<u8>,
    },
    /// Any other with a 16-bit length.
    OtherLong {
        /// Extension type.
        kind: u8,
        /// Sub-type, or reserved.
        sub_type: u8,
        /// What follows the length.
        data: Vec<u8>,
    },
}

impl Extension {
    /// Gives bytes their meaning.
    ///
    /// # Errors
    /// [`DecodeError::AuthTooShort`] for an authenticator without room for its SPI.
    pub fn decode(located: &Located<'_>) -> Result<Self, DecodeError> {
        let data = located.data;
        let auth = || {
            let (spi, rest) =
                data.split_first_chunk::<SPI>().ok_or(DecodeError::AuthTooShort { kind: located.kind })?;
            Ok((u32::from_be_bytes(*spi), rest.to_vec()))
        };
        let short = |kind| {
            let (spi, authenticator) = auth()?;
            Ok(Self::Auth { kind, spi, authenticator })
        };
        match (located.kind, located.sub_type) {
            (PAD, _) => Ok(Self::Pad),
            (32, _) => short(AuthKind::MobileHome),
            (33, _) => short(AuthKind::MobileForeign),
            (34, _) => short(AuthKind::ForeignHome),
            (GENERALISED, Some(sub_type)) => {
                let (spi, authenticator) = auth()?;
                Ok(Self::Generalised { sub_type, spi, authenticator })
            }
            (NAI, _) => Ok(Self::Nai(data.to_vec())),
            (CHALLENGE, _) => Ok(Self::Challenge(data.to_vec())),
            (kind, sub_type) => {
                Ok(Self::structured(kind, sub_type, data).unwrap_or_else(|| match sub_type {
                    None => Self::Other { kind, data: data.to_vec() },
                    Some(sub_type) => Self::OtherLong { kind, sub_type, data: data.to_vec() },
                }))
            }
        }
    }

    /// Types whose data has a layout; `None` if it has another.
    fn structured(kind: u8, sub_type: Option<u8>, data: &[u8]) -> Option<Self> {
        let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        let vendor = |reserved, data: &[u8]| {
            let ([a, b, c, d, e, f], value) = data.split_first_chunk()?;
            Some(Self::Vendor(Vendor {
                kind,
                reserved,
                vendor: u32::from_be_bytes([*a, *b, *c, *d]),
                vendor_type: word(*e, *f),
                value: value.to_vec(),
            }))
        };
        match (kind, data) {
            (kind, _) if CRITICAL_VENDOR.contains(&kind) => vendor(sub_type?.into(), data),
            (kind, [high, low, rest @ ..]) if NORMAL_VENDOR.contains(&kind) => {
                vendor(word(*high, *low), rest)
            }
            (UDP_TUNNEL_REPLY, &[0, code, a, b, c, d]) => {
                Some(Self::UdpTunnelReply { code, flags: word(a, b), keepalive: word(c, d) })
            }
            (UDP_TUNNEL_REQUEST, &[0, reserved, flags, encapsulation, a, b]) => {
                Some(Self::UdpTunnelRequest { reserved, flags, encapsulation, reserved2: word(a, b) })
            }
            (REVOCATION, &[a, b, c, d, e, f]) => {
                Some(Self::Revocation { flags: word(a, b), timestamp: u32::from_be_bytes([c, d, e, f]) })
            }
            (DYNAMIC_HA, &[a, b, c, d]) => {
                Some(Self::DynamicHa { long: true, sub_type: sub_type?, address: Ipv4Addr::new(a, b, c, d) })
            }
            (DYNAMIC_HA, &[sub_type @ 1..=2, a, b, c, d]) => {
                Some(Self::DynamicHa { long: false, sub_type, address: Ipv4Addr::new(a, b, c, d) })
            }
            _ => None,
        }
    }

    /// Appends the extension's bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`], and [`EncodeError::Shape`] where the bytes would not be read as this extension;
    /// `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let done = self.append(out);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn append(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Pad => {
                out.push(PAD);
                Ok(())
            }
            Self::Auth { kind, spi, authenticator } => {
                short(out, kind.kind(), &[&spi.to_be_bytes(), authenticator])
            }
            Self::Generalised { sub_type, spi, authenticator } => {
                long(out, GENERALISED, *sub_type, &[&spi.to_be_bytes(), authenticator])
            }
            Self::Vendor(vendor) => append_vendor(out, vendor),
            Self::UdpTunnelReply { code, flags, keepalive } => {
                short(out, UDP_TUNNEL_REPLY, &[&[0, *code], &flags.to_be_bytes(), &keepalive.to_be_bytes()])
            }
            Self::Nai(nai) => short(out, NAI, &[nai]),
            Self::Challenge(challenge) => short(out, CHALLENGE, &[challenge]),
            Self::Revocation { flags, timestamp } => {
                short(out, REVOCATION, &[&flags.to_be_bytes(), &timestamp.to_be_bytes()])
            }
            Self::DynamicHa { sub_type, .. } if !matches!(sub_type, 1..=2) => {
                Err(EncodeError::Shape { kind: DYNAMIC_HA })
            }
            Self::DynamicHa { long: true, sub_type, address } => {
                long(out, DYNAMIC_HA, *sub_type, &[&address.octets()])
            }
            Self::DynamicHa { long: false, sub_type, address } => {
                short(out, DYNAMIC_HA, &[&[*sub_type], &address.octets()])
            }
            Self::UdpTunnelRequest { reserved, flags, encapsulation, reserved2 } => {
                let head = [0, *reserved, *flags, *encapsulation];
                short(out, UDP_TUNNEL_REQUEST, &[&head, &reserved2.to_be_bytes()])
            }
            Self::Other { kind, data } => {
                let start = out.len();
                if *kind == PAD || !matches!(shape(*kind), Shape::Short) {
                    return Err(EncodeError::Shape { kind: *kind });
                }
                short(out, *kind, &[data])?;
                if *kind == DYNAMIC_HA && is_long_dynamic_ha(&out[start..]) {
                    return Err(EncodeError::Shape { kind: *kind });
                }
                Ok(())
            }
            Self::OtherLong { kind, sub_type, data } => match shape(*kind) {
                Shape::Long => long(out, *kind, *sub_type, &[data]),
                Shape::Short | Shape::Unknown => Err(EncodeError::Shape { kind: *kind }),
            },
        }
    }
}

fn append_vendor(out: &mut Vec<u8>, vendor: &Vendor) -> Result<(), EncodeError> {
    let Vendor { kind, reserved, vendor, vendor_type, value } = vendor;
    let (vendor, vendor_type) = (vendor.to_be_bytes(), vendor_type.to_be_bytes());
    match u8::try_from(*reserved) {
        Ok(reserved) if CRITICAL_VENDOR.contains(kind) => {
            long(out, *kind, reserved, &[&vendor, &vendor_type, value])
        }
        _ if NORMAL_VENDOR.contains(kind) => {
            short(out, *kind, &[&reserved.to_be_bytes(), &vendor, &vendor_type, value])
        }
        _ => Err(EncodeError::Shape { kind: *kind }),
    }
}

pub(super) fn short(out: &mut Vec<u8>, kind: u8, data: &[&[u8]]) -> Result<(), EncodeError> {
    let length: usize = data.iter().map(|part| part.len()).sum();
    out.extend([kind, u8::try_from(length).map_err(|_| EncodeError::TooLong { kind, length })?]);
    for part in data {
        out.extend_from_slice(part);
    }
    Ok(())
}

fn long(out: &mut Vec<u8>, kind: u8, sub_type: u8, data: &[&[u8]]) -> Result<(), EncodeError> {
    let length: usize = data.iter().map(|part| part.len()).sum();
    let bytes = u16::try_from(length).map_err(|_| EncodeError::TooLong { kind, length })?.to_be_bytes();
    out.extend([kind, sub_type, bytes[0], bytes[1]]);
    for part in data {
        out.extend_from_slice(part);
    }
    Ok(())
}
