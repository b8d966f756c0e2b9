//! The order of processing.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use common::wire::mobile_ip::{Code, EncodeError, RequestFixed};

use super::{
    Agent,
    binding::{Mark, Second},
    counters::{Counter, Kind},
    discard::Discard,
    effects::{Cause, Effect, Effects},
    home_agent_field::{own_address, reply_source},
    host::Host,
    identity::Identity,
    judge::{Authentic, Decision, judge},
    now::Now,
    policy::Policy,
    replay::{self, Freshness},
    reply::{self, Reply},
    request::{Received, Request, spi},
    sa::{SecurityAssociation, by_spi},
    udp_tunnel::Answer,
    violation::{Peer, Reason, Violation},
};

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller's buffer has a reply.
    Reply {
        /// What it says.
        code: Code,
        /// Its source.
        from: SocketAddrV4,
        /// Its destination.
        to: SocketAddrV4,
        /// The mobile node asked from its home address: it is at home, and the reply must not go through a binding.
        at_home: bool,
    },
    /// Nothing is sent.
    Discarded(Discard),
}

/// What a request has shown of itself by the time its authenticator is looked at.
struct Claim<'a> {
    policy: &'a Policy,
    received: &'a Received<'a>,
    request: &'a Request<'a>,
    identity: Identity<'a>,
    host: Option<&'a Arc<Host>>,
    mobile: &'a SecurityAssociation,
    foreign: Option<&'a SecurityAssociation>,
    spi: u32,
    mark: Mark,
}

/// How a request ends that is not simply answered.
enum End {
    Discard(Discard),
    Deny(Code),
    Repeat,
}

impl From<Discard> for End {
    fn from(reason: Discard) -> Self {
        Self::Discard(reason)
    }
}

impl Agent {
    /// Processes a datagram that came to port 434. A reply is written to `reply`, which is emptied before.
    pub fn process(
        &mut self,
        policy: &Policy,
        received: &Received<'_>,
        now: Now,
        reply: &mut Vec<u8>,
        effects: &mut impl Effects,
    ) -> Outcome {
        reply.clear();
        if !policy.service {
            return self.discard(received, None, Discard::ServiceOff, effects);
        }
        let request = match Request::read(received) {
            Ok(request) => request,
            Err(reason) => return self.discard(received, None, reason, effects),
        };
        let Some(identity) = request.identity() else {
            // Who shows nothing at all lacks the proof first.
            let bare = request.mobile_home.is_none();
            let reason = if bare { Discard::NoAuthorization } else { Discard::NoIdentity };
            return self.discard(received, None, reason, effects);
        };
        if request.has_aaa {
            self.counters.add(Counter::AaaUnverified, 1);
        }
        let claim = match self.claim(policy, received, &request, identity, now, effects) {
            Ok(claim) => claim,
            Err(reason) => return self.discard(received, Some(identity), reason, effects),
        };
        let kind = self.kind(&request.fixed, Some(identity));
        match self.answer(&claim, now, reply, effects) {
            Ok((code, repeated)) => {
                if repeated {
                    self.counters.repeat(kind);
                } else {
                    self.counters.reply(kind, code);
                    if let Some(host) = claim.host {
                        host.counters.add(code, now.monotonic);
                    }
                }
                report(received, Some(identity), format_args!("code {code}"), effects);
                Outcome::Reply {
                    code,
                    from: SocketAddrV4::new(reply_source(policy, received), received.destination.port()),
                    to: received.source,
                    at_home: *received.source.ip() == request.fixed.home_address,
                }
            }
            Err(reason) => {
                reply.clear();
                self.discard(received, Some(identity), reason, effects)
            }
        }
    }

    /// The kind of a request: a first binding, another one, or less.
    fn kind(&self, fixed: &RequestFixed, identity: Option<Identity<'_>>) -> Kind {
        if fixed.lifetime == 0 {
            return Kind::Deregistration;
        }
        let known = identity.and_then(|identity| self.table.find(identity));
        let bound = known.is_some_and(|at| !self.table.node(at).bindings.is_empty());
        if bound { Kind::Again } else { Kind::Initial }
    }

    fn discard(
        &mut self,
        received: &Received<'_>,
        identity: Option<Identity<'_>>,
        reason: Discard,
        effects: &mut impl Effects,
    ) -> Outcome {
        let fixed = RequestFixed::read(received.payload);
        let kind = fixed.map_or(Kind::Initial, |fixed| self.kind(&fixed, identity));
        self.counters.discard(kind, reason);
        report(received, identity, format_args!("ignored, {}", reason.word()), effects);
        Outcome::Discarded(reason)
    }

    /// Step 5, the first half: the associations that a request names.
    fn claim<'a>(
        &mut self,
        policy: &'a Policy,
        received: &'a Received<'a>,
        request: &'a Request<'a>,
        identity: Identity<'a>,
        now: Now,
        effects: &mut impl Effects,
    ) -> Result<Claim<'a>, Discard> {
        let mut violated = |agent: &mut Self, spi, reason| {
            let violation = Violation {
                peer: Peer::Mobile(identity),
                source: *received.source.ip(),
                spi,
                identification: request.fixed.identification,
                at: now.ntp,
                reason,
            };
            agent.violate(&violation, effects);
        };
        let (located, index) = match request.authorization() {
            Ok(found) => found,
            Err(reason) => {
                let what =
                    if reason == Discard::NoAuthorization { Reason::MissingExtension } else { Reason::Other };
                violated(self, 0, what);
                return Err(reason);
            }
        };
        let Some(peer) = policy.associations.mobile_node(identity, policy.strip_realm) else {
            violated(self, index, Reason::NoAssociation);
            return Err(Discard::NoAssociation);
        };
        let Some(mobile) = by_spi(peer, index) else {
            violated(self, index, Reason::BadSpi);
            return Err(Discard::BadSpi);
        };
        let foreign = policy.associations.foreign_agent(*received.source.ip()).and_then(|peer| {
            let named = request.foreign_home.as_ref().and_then(spi);
            named.and_then(|named| by_spi(peer, named)).or(peer.first())
        });
        let authenticator = located.data.last_chunk::<16>().copied().unwrap_or_default();
        let mark = *authenticator.first_chunk().unwrap_or(&[0; 8]);
        Ok(Claim {
            policy,
            received,
            request,
            identity,
            host: policy.host(identity),
            mobile,
            foreign,
            spi: index,
            mark,
        })
    }

    fn violate(&mut self, violation: &Violation<'_>, effects: &mut impl Effects) {
        self.violations.note(violation);
        effects.apply(Effect::Violation(violation));
    }

    /// Steps 5 to 16: the code, and whether it was said before.
    fn answer(
        &mut self,
        claim: &Claim<'_>,
        now: Now,
        out: &mut Vec<u8>,
        effects: &mut impl Effects,
    ) -> Result<(Code, bool), Discard> {
        let fixed = &claim.request.fixed;
        let denial = |code| Reply {
            code,
            lifetime: 0,
            home: fixed.home_address,
            home_agent: own_address(claim.policy, claim.received),
            identification: fixed.identification,
            answer: Answer::None,
            keepalive: 0,
        };
        let (reply, repeated) = match self.decide(claim, now, effects) {
            Ok(reply) => (reply, false),
            Err(End::Discard(reason)) => return Err(reason),
            Err(End::Deny(code)) => (denial(code), false),
            Err(End::Repeat) => (self.repeat(claim, now), true),
        };
        let unproven = repeated || matches!(reply.code, Code::MN_AUTHENTICATION | Code::IDENTIFICATION);
        if unproven && !self.unproven.admits(*claim.received.source.ip(), now.monotonic.tick()) {
            return Err(Discard::RateLimited);
        }
        let reply = match reply.code {
            Code::IDENTIFICATION => {
                Reply { identification: replay::resynchronise(fixed.identification, now.ntp), ..reply }
            }
            _ => reply,
        };
        let written: Result<(), EncodeError> =
            reply::write(&reply, claim.request, claim.mobile, claim.foreign, out);
        debug_assert!(written.is_ok(), "what was as long in the request has room in the reply");
        Ok((reply.code, repeated))
    }

    /// Steps 5 to 16 without the writing.
    fn decide(&mut self, claim: &Claim<'_>, now: Now, effects: &mut impl Effects) -> Result<Reply, End> {
        let Claim { policy, received, request, identity, .. } = *claim;
        let (located, _) = request.authorization()?;
        if claim.mobile.inbound().verify_at(request.payload, &located).is_err() {
            self.violate(
                &claim.violation(Peer::Mobile(identity), claim.spi, Reason::BadAuthenticator, now),
                effects,
            );
            return Err(End::Deny(Code::MN_AUTHENTICATION));
        }
        let at = self.table.find(identity);
        let node = at.map(|at| self.table.node(at));
        let tolerance = claim.mobile.replay().unwrap_or(policy.replay);
        let identification = request.fixed.identification;
        let freshness =
            replay::judge(identification, claim.mark, node, self.table.floor(), now.ntp, tolerance);
        let repeated = freshness == Freshness::Repeated && self.can_repeat(claim, at);
        if freshness != Freshness::Fresh && !repeated {
            self.violate(
                &claim.violation(Peer::Mobile(identity), claim.spi, Reason::BadIdentifier, now),
                effects,
            );
            return Err(End::Deny(Code::IDENTIFICATION));
        }
        self.check_foreign_agent(claim, now, effects)?;
        if repeated {
            return Err(End::Repeat);
        }
        self.counters.add(Counter::NormalVendorMobile, request.normal_vendor[0].into());
        self.counters.add(Counter::NormalVendorForeign, request.normal_vendor[1].into());
        let node = at.map(|at| self.table.node(at));
        let authentic = Authentic { request, received, identity, host: claim.host, spi: claim.spi, node };
        let decided = judge(policy, &self.table, &authentic)
            .and_then(|decision| self.apply(claim, decision, now, effects));
        let accepted = decided.as_ref().ok().map(|reply| (claim.mark, reply.code));
        // Also one that is denied must not be accepted later.
        self.table.note(identity, identification, accepted, now);
        decided.map_err(End::Deny)
    }

    /// Step 7.
    fn check_foreign_agent(
        &mut self,
        claim: &Claim<'_>,
        now: Now,
        effects: &mut impl Effects,
    ) -> Result<(), End> {
        let Claim { policy, received, request, .. } = *claim;
        let address = *received.source.ip();
        let index = request.foreign_home.as_ref().and_then(spi).unwrap_or(0);
        let (reason, end) = match (policy.associations.foreign_agent(address), &request.foreign_home) {
            (None, None) => return Ok(()),
            (None, Some(_)) => (Reason::NoAssociation, End::Discard(Discard::UnknownForeignAgent)),
            (Some(_), None) if request.fixed.lifetime == 0 => return Ok(()),
            (Some(_), None) => (Reason::MissingExtension, End::Deny(Code::FA_AUTHENTICATION)),
            (Some(peer), Some(located)) => {
                let holds = |one: &SecurityAssociation| {
                    one.inbound().verify_at(request.payload, located).is_ok() && request.foreign_home_in_place
                };
                let reason = match by_spi(peer, index) {
                    Some(association) if holds(association) => return Ok(()),
                    Some(_) => Reason::BadAuthenticator,
                    None => Reason::BadSpi,
                };
                (reason, End::Deny(Code::FA_AUTHENTICATION))
            }
        };
        self.violate(&claim.violation(Peer::Foreign(address), index, reason, now), effects);
        Err(end)
    }

    /// Step 16, and deregistration.
    fn apply(
        &mut self,
        claim: &Claim<'_>,
        decision: Decision,
        now: Now,
        effects: &mut impl Effects,
    ) -> Result<Reply, Code> {
        let identification = claim.request.fixed.identification;
        match decision {
            Decision::Deregister { home, home_agent, care_of } => {
                if let Some(at) = self.table.find(claim.identity)
                    && self.table.node(at).home == home
                {
                    let chosen = |care: Ipv4Addr| care_of.is_none_or(|wanted| wanted == care);
                    self.table.end(at, |one| chosen(one.care_of), Cause::Deregistered, now, effects);
                }
                let answer = Answer::None;
                let code = Code::ACCEPTED;
                Ok(Reply { code, lifetime: 0, home, home_agent, identification, answer, keepalive: 0 })
            }
            Decision::Register { home, network, grant, keep, code } => {
                if !self.table.install(claim.identity, (home, &network), &grant, keep, now, effects) {
                    return Err(Code::NO_RESOURCES);
                }
                Ok(Reply {
                    code,
                    lifetime: grant.granted,
                    home,
                    home_agent: grant.home_agent,
                    identification,
                    answer: grant.answer,
                    keepalive: claim.policy.nat_traversal.map_or(0, |nat| nat.keepalive),
                })
            }
        }
    }

    /// The reply to the last accepted request is still true: its binding is there, or it was a deregistration.
    fn can_repeat(&self, claim: &Claim<'_>, at: Option<u32>) -> bool {
        let fixed = &claim.request.fixed;
        let binding = at.and_then(|at| self.table.node(at).bindings.get(fixed.care_of));
        fixed.lifetime == 0 || binding.is_some_and(|one| one.identification() == fixed.identification)
    }

    /// The reply of the last accepted request, with what is left of the lifetime.
    fn repeat(&self, claim: &Claim<'_>, now: Now) -> Reply {
        let fixed = &claim.request.fixed;
        let node = self.table.find(claim.identity).map(|at| self.table.node(at));
        let code = node.and_then(|node| node.accepted).map_or(Code::ACCEPTED, |(_, code)| code);
        let same = |node: &'_ super::binding::Node| node.bindings.get(fixed.care_of).cloned();
        let binding = node.filter(|_| fixed.lifetime != 0).and_then(same);
        let own = own_address(claim.policy, claim.received);
        let home =
            node.map(|node| node.home).filter(|_| binding.is_some() || fixed.home_address.is_unspecified());
        let second = Second::from(now.monotonic);
        Reply {
            code,
            lifetime: binding.as_ref().map_or(0, |one| one.expires.remaining(second, one.granted)),
            home: home.unwrap_or(fixed.home_address),
            home_agent: binding.as_ref().map_or(own, |one| one.home_agent),
            identification: fixed.identification,
            answer: binding.as_ref().map_or(Answer::None, |one| one.answer),
            keepalive: claim.policy.nat_traversal.map_or(0, |nat| nat.keepalive),
        }
    }
}

impl<'a> Claim<'a> {
    fn violation(&self, peer: Peer<'a>, spi: u32, reason: Reason, now: Now) -> Violation<'a> {
        Violation {
            peer,
            source: *self.received.source.ip(),
            spi,
            identification: self.request.fixed.identification,
            at: now.ntp,
            reason,
        }
    }
}

/// A line for debugging; all of it is printable.
fn report(
    received: &Received<'_>,
    identity: Option<Identity<'_>>,
    what: std::fmt::Arguments<'_>,
    effects: &mut impl Effects,
) {
    if !effects.debugging() {
        return;
    }
    let source = received.source;
    match identity {
        Some(identity) => {
            effects.apply(Effect::Debug(format_args!("registration of {identity} from {source}: {what}")));
        }
        None => effects.apply(Effect::Debug(format_args!("registration from {source}: {what}"))),
    }
}
