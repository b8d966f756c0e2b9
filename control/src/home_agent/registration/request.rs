//! A registration request as the home agent reads it: one walk, nothing copied.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::wire::mobile_ip::{
    AuthKind, CHALLENGE, CRITICAL_VENDOR, DYNAMIC_HA, DecodeError, Extension, Extensions, GENERALISED,
    Located, MN_AAA, NAI, NORMAL_VENDOR, RRQ_FIXED, RequestFixed, UDP_TUNNEL_REQUEST,
};

use super::{discard::Discard, identity::Identity};

/// A pad.
const PAD: u8 = 0;
/// Sub-type of a Dynamic HA extension: the mobile node wants this one (RFC 4433).
const REQUESTED: u8 = 1;
/// Types below 128 whose shape is known and which mean nothing to a home agent, so that they forbid the whole message: gateway
/// foreign agent, GRE key, route optimisation.
const NOT_OURS: [u8; 4] = [46, 48, 49, 50];
/// Bytes of an authentication extension's data: SPI and MD5.
const AUTHENTICATION: usize = 20;

/// A datagram that came to our port.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// To which of our addresses, or to which broadcast address.
    pub destination: SocketAddrV4,
    /// The destination is a broadcast address of one of our networks.
    pub destination_is_broadcast: bool,
    /// The UDP checksum is right, or there is none.
    pub checksum_ok: bool,
    /// What the datagram holds.
    pub payload: &'a [u8],
}

/// Who put an extension into the request: what stands before the mobile-home authentication is of the mobile node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Mobile,
    Foreign,
}

/// What a tunnel over UDP shall be like (RFC 3519, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UdpTunnelRequest {
    /// F: even without a NAT.
    pub forced: bool,
    /// R: the registration's port is not the tunnel's.
    pub learn_port: bool,
    /// Protocol number; 0: as the request's flags say.
    pub encapsulation: u8,
}

/// The request. Of extensions that come twice the first counts.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub payload: &'a [u8],
    pub fixed: RequestFixed,
    pub nai: Option<&'a [u8]>,
    /// Something stands where, or as often as, it must not (RFC 2794, section 2; RFC 4721, section 6).
    pub disordered: bool,
    pub mobile_home: Option<Located<'a>>,
    pub foreign_home: Option<Located<'a>>,
    /// The foreign-home authentication is the only one, after the mobile-home one, and the last extension.
    pub foreign_home_in_place: bool,
    pub has_aaa: bool,
    pub challenge: Option<&'a [u8]>,
    pub critical_vendor: Option<From>,
    /// Of the mobile node, of the foreign agent.
    pub normal_vendor: [u32; 2],
    pub dynamic_ha: Option<Ipv4Addr>,
    pub udp_tunnel: [Option<UdpTunnelRequest>; 2],
}

impl<'a> Request<'a> {
    /// Steps 2 to 4 of the processing order: what cannot be walked or forbids itself is discarded.
    pub fn read(received: &Received<'a>) -> Result<Self, Discard> {
        if !received.checksum_ok {
            return Err(Discard::Checksum);
        }
        let payload = received.payload;
        let mut request = Self {
            payload,
            fixed: RequestFixed::read(payload)?,
            nai: None,
            disordered: false,
            mobile_home: None,
            foreign_home: None,
            foreign_home_in_place: false,
            has_aaa: false,
            challenge: None,
            critical_vendor: None,
            normal_vendor: [0; 2],
            dynamic_ha: None,
            udp_tunnel: [None; 2],
        };
        let mut mobile_foreign = false;
        for located in Extensions::new(payload, RRQ_FIXED) {
            request.note(&located?, &mut mobile_foreign)?;
        }
        Ok(request)
    }

    fn note(&mut self, located: &Located<'a>, mobile_foreign: &mut bool) -> Result<(), Discard> {
        let from = if self.mobile_home.is_some() { From::Foreign } else { From::Mobile };
        let kind = located.kind;
        if kind == PAD {
            return Ok(());
        }
        // Whatever follows a foreign-home authentication is not covered by it.
        self.foreign_home_in_place = false;
        if kind == AuthKind::MobileHome.kind() {
            self.disordered |= self.mobile_home.is_some() || self.has_aaa;
            self.mobile_home.get_or_insert(*located);
        } else if kind == AuthKind::MobileForeign.kind() {
            *mobile_foreign = true;
        } else if kind == AuthKind::ForeignHome.kind() {
            self.foreign_home_in_place = self.foreign_home.is_none() && from == From::Foreign;
            self.foreign_home.get_or_insert(*located);
        } else if kind == GENERALISED {
            self.has_aaa |= located.sub_type == Some(MN_AAA);
        } else if kind == NAI && !located.data.is_empty() {
            self.disordered |= self.nai.is_some() || from == From::Foreign || *mobile_foreign;
            self.nai.get_or_insert(located.data);
        } else if kind == CHALLENGE {
            self.challenge.get_or_insert(located.data);
        } else if CRITICAL_VENDOR.contains(&kind) {
            self.critical_vendor.get_or_insert(from);
        } else if NORMAL_VENDOR.contains(&kind) {
            self.normal_vendor[from as usize] += 1;
        } else if kind == DYNAMIC_HA || kind == UDP_TUNNEL_REQUEST {
            self.note_structured(located, from);
        } else if NOT_OURS.contains(&kind) {
            return Err(Discard::UnknownNonSkippable);
        }
        Ok(())
    }

    /// Types whose data has a layout; with another one they are skipped.
    fn note_structured(&mut self, located: &Located<'a>, from: From) {
        match Extension::decode(located) {
            Ok(Extension::DynamicHa { sub_type: REQUESTED, address, .. }) => {
                self.dynamic_ha.get_or_insert(address);
            }
            Ok(Extension::UdpTunnelRequest { flags, encapsulation, reserved2: 0, .. }) => {
                let (forced, learn_port) = (flags & 0x80 != 0, flags & 0x40 != 0);
                let wanted = UdpTunnelRequest { forced, learn_port, encapsulation };
                self.udp_tunnel[from as usize].get_or_insert(wanted);
            }
            _ => {}
        }
    }

    /// Who registers: its NAI, else its home address.
    pub fn identity(&self) -> Option<Identity<'a>> {
        match self.nai {
            Some(nai) => Some(Identity::Nai(nai)),
            None if self.fixed.home_address.is_unspecified() => None,
            None => Some(Identity::Address(self.fixed.home_address)),
        }
    }

    /// The mobile-home authentication and its SPI.
    pub fn authorization(&self) -> Result<(Located<'a>, u32), Discard> {
        let located = self.mobile_home.ok_or(Discard::NoAuthorization)?;
        let spi = spi(&located).ok_or(Discard::AuthTooShort)?;
        if located.data.len() == AUTHENTICATION { Ok((located, spi)) } else { Err(Discard::AuthLength) }
    }
}

/// The SPI of an authentication extension; `None` if there is no room for one.
pub(super) fn spi(located: &Located<'_>) -> Option<u32> {
    located.data.first_chunk().map(|spi| u32::from_be_bytes(*spi))
}

impl std::convert::From<DecodeError> for Discard {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Short { .. } => Self::TooShort,
            DecodeError::Kind { .. } => Self::NotRequest,
            DecodeError::ExtTruncated { .. } => Self::ExtTruncated,
            DecodeError::ExtOverrun { .. } => Self::ExtOverrun,
            DecodeError::UnknownNonSkippable { .. } => Self::UnknownNonSkippable,
            DecodeError::AuthTooShort { .. } => Self::AuthTooShort,
        }
    }
}
