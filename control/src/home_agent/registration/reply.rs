//! The reply (RFC 5944, section 3.4), in the order of its extensions: NAI, UDP Tunnel Reply, mobile-home authentication,
//! challenge, foreign-home authentication.

use std::net::Ipv4Addr;

use common::wire::mobile_ip::{
    AuthKind, Code, EncodeError, Extension, ReplyFixed, append_challenge, append_nai,
};

use super::{request::Request, sa::SecurityAssociation, udp_tunnel::Answer};

/// What a reply says.
pub(super) struct Reply {
    pub code: Code,
    /// Seconds; 0 in a denial.
    pub lifetime: u16,
    pub home: Ipv4Addr,
    pub home_agent: Ipv4Addr,
    pub identification: u64,
    pub answer: Answer,
    pub keepalive: u16,
}

/// Writes it; `out` is emptied before.
///
/// # Errors
/// None: what is copied was as long in the request.
pub(super) fn write(
    reply: &Reply,
    request: &Request<'_>,
    mobile: &SecurityAssociation,
    foreign: Option<&SecurityAssociation>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    out.clear();
    let Reply { code, lifetime, home: home_address, home_agent, identification, .. } = *reply;
    ReplyFixed { code, lifetime, home_address, home_agent, identification }.append(out);
    if let Some(nai) = request.nai {
        append_nai(out, nai)?;
    }
    if let Some((code, flags)) = reply.answer.fields() {
        let keepalive = if reply.answer == Answer::Declined { 0 } else { reply.keepalive };
        Extension::UdpTunnelReply { code, flags, keepalive }.encode(out)?;
    }
    mobile.outbound().sign(AuthKind::MobileHome, out);
    if let Some(challenge) = request.challenge {
        append_challenge(out, challenge)?;
    }
    if let Some(foreign) = foreign {
        foreign.outbound().sign(AuthKind::ForeignHome, out);
    }
    Ok(())
}
