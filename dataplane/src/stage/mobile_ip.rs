//! Registration requests to a virtual server: checked, attributed to a mobile node, given to a real.
//!
//! Two passes over the frames: the first decodes and hashes all of them and asks for their slots in the session
//! table, the second decides, so that the table's cache misses overlap.

use std::net::Ipv4Addr;

use common::{
    event::{Event, SessionChange, SessionEvent},
    id::{RealId, VserverId},
    slb::{
        Balancer, IdentityTag, KeySpace, Outcome, Real, Request, VirtualServer, VserverCounter, display_hash,
    },
    snapshot::Snapshot,
    verdict::Verdict,
    wire::{
        mobile_ip::{self, NodeKey, Plain, Rrq},
        udp,
    },
};

use super::{
    Context, fast_path, new_sessions,
    output::{DestinationNat, output},
    parse::contiguous,
    stages::Stage,
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// Sends every request to its real. It may run again in a burst, for requests that were in tunnels.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    let recognised = batch.requests.len();
    let mut tags = Tags::default();
    for index in batch.take(Stage::MOBILE_IP) {
        let (frame, packet) = batch.at(index);
        match examine(cx, &mut tags, frame, packet) {
            Ok(request) => {
                cx.tables.slb.prefetch(request.identity);
                batch.requests.push((index as u8, request));
            }
            Err(verdict) => batch.send(index, Next::Drop(verdict)),
        }
    }
    if recognised > 0 && batch.requests.len() > recognised {
        // New sessions begin in the order of arrival.
        batch.requests.sort_unstable_by_key(|(index, _)| *index);
    }
    if recognised == batch.requests.len() {
        new_sessions::run(cx, batch);
    } else {
        for at in 0..batch.requests.len() {
            alone(cx, batch, at);
        }
    }
    batch.requests.clear();
}

/// Decides about the request at a place.
pub(super) fn alone<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>, at: usize) {
    let (index, request) = batch.requests[at];
    let (frame, packet) = batch.at(index.into());
    let next = decide(cx, frame, packet, &request);
    batch.send(index.into(), next);
}

/// The last tag of an identity: most requests of a burst have it in common.
#[derive(Debug, Default)]
struct Tags(Option<(VserverId, KeySpace, IdentityTag)>);

impl Tags {
    #[inline]
    fn of(&mut self, slb: &Balancer, vserver: &VirtualServer, space: KeySpace) -> IdentityTag {
        match self.0 {
            Some((id, last, tag)) if id == vserver.id && last == space => tag,
            _ => {
                let tag = slb.tag(vserver, space);
                self.0 = Some((vserver.id, space, tag));
                tag
            }
        }
    }
}

/// Checks a request in the order of the specification and says for whom it is.
#[inline]
fn examine<F: Frame>(
    cx: &Context<'_>,
    tags: &mut Tags,
    frame: &mut F,
    packet: &Packet,
) -> Result<Request, Verdict> {
    // Classification found it in this snapshot.
    let vserver = cx.snapshot.vserver(packet.vserver).ok_or(Verdict::NO_SERVICE)?;
    parse(cx, tags, vserver, frame, packet).inspect_err(|verdict| {
        if let Some(counter) = VserverCounter::from_verdict(*verdict) {
            vserver.live.count(cx.worker, counter);
        }
    })
}

#[inline]
fn parse<F: Frame>(
    cx: &Context<'_>,
    tags: &mut Tags,
    vserver: &VirtualServer,
    frame: &mut F,
    packet: &Packet,
) -> Result<Request, Verdict> {
    if packet.payload() < udp::LENGTH {
        return Err(Verdict::UDP_LENGTH);
    }
    contiguous(frame, packet.end())?;
    let datagram = udp::parse(&frame.data()[packet.l4()..packet.end()]).map_err(|_| Verdict::UDP_LENGTH)?;
    let payload = datagram.payload;
    let rrq = mobile_ip::walk(payload)?;
    if rrq.unknown_nonskippable > 0 {
        vserver.live.count(cx.worker, VserverCounter::ExtUnknown);
    }
    let home_agent = requested_real(cx, vserver, rrq.home_agent)?;
    let key = rrq.key().ok_or(Verdict::NO_IDENTITY)?;
    let (space, key) = match &key {
        NodeKey::Nai(nai) => (KeySpace::Nai, *nai),
        NodeKey::HomeAddress(home) => {
            vserver.live.count(cx.worker, VserverCounter::NoNai);
            (KeySpace::HomeAddress, &home[..])
        }
    };
    Ok(Request {
        vserver: vserver.id,
        identity: cx.tables.slb.tagged_identity(tags.of(cx.tables.slb, vserver, space), key),
        client: packet.source,
        client_port: datagram.header.source(),
        deregistration: rrq.lifetime == 0,
        home_agent,
    })
}

/// What the Home Agent field asks for: a real of the farm, or nothing in particular.
#[inline]
fn requested_real(
    cx: &Context<'_>,
    vserver: &VirtualServer,
    agent: Ipv4Addr,
) -> Result<Option<RealId>, Verdict> {
    if agent.is_unspecified() || agent.is_broadcast() {
        return Ok(None);
    }
    vserver.live.count(cx.worker, VserverCounter::HaFieldSet);
    if agent == vserver.address {
        return Ok(None);
    }
    match member(cx.snapshot, vserver, agent) {
        None if vserver.strict_home_agent => Err(Verdict::HA_FIELD_MISMATCH),
        real => Ok(real),
    }
}

fn member(snapshot: &Snapshot, vserver: &VirtualServer, address: Ipv4Addr) -> Option<RealId> {
    let farms = [Some(vserver.farm), vserver.backup].into_iter().flatten();
    let mut reals = farms.filter_map(|id| snapshot.farm(id)).flat_map(|farm| &farm.reals);
    reals.find(|id| snapshot.real(**id).is_some_and(|real| real.address == address)).copied()
}

fn decide<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet, request: &Request) -> Next {
    match handle(cx, frame, packet, request) {
        Outcome::Forward { real, change } => deliver(cx, frame, packet, request, (real, change)),
        Outcome::NoReal => Next::Drop(Verdict::NO_REAL),
        Outcome::Shed => Next::Drop(Verdict::OVERLOAD),
        Outcome::OverRate => Next::Drop(Verdict::CLIENT_RATE),
        Outcome::Stale => {
            let newest = cx.published.load();
            let mut cx = cx.with(&newest);
            match handle(&mut cx, frame, packet, request) {
                Outcome::Forward { real, change } => deliver(&mut cx, frame, packet, request, (real, change)),
                Outcome::Shed => Next::Drop(Verdict::OVERLOAD),
                Outcome::OverRate => Next::Drop(Verdict::CLIENT_RATE),
                Outcome::NoReal | Outcome::Stale => Next::Drop(Verdict::NO_REAL),
            }
        }
    }
}

fn handle<F: Frame>(cx: &mut Context<'_>, frame: &F, packet: &Packet, request: &Request) -> Outcome {
    let hash = || request_hash(frame, packet);
    let (debug, events) = (cx.snapshot.slb.debug_sessions, &mut *cx.events);
    cx.tables.slb.handle(cx.snapshot, request, &hash, cx.now.tick(), cx.worker, |end| {
        if debug {
            events.push(Event::Session(end.into()));
        }
    })
}

/// Sends a request to its real.
pub(super) fn deliver<F: Frame>(
    cx: &mut Context<'_>,
    frame: &mut F,
    packet: &mut Packet,
    request: &Request,
    (id, change): (RealId, Option<SessionChange>),
) -> Next {
    match cx.snapshot.real(id) {
        Some(real) => forward(cx, frame, packet, request, real, change),
        None => Next::Drop(Verdict::NO_REAL),
    }
}

#[inline]
fn forward<F: Frame>(
    cx: &mut Context<'_>,
    frame: &mut F,
    packet: &mut Packet,
    request: &Request,
    real: &Real,
    change: Option<SessionChange>,
) -> Next {
    if cx.snapshot.slb.debug_sessions
        && let Some(change) = change
    {
        cx.events.push(Event::Session(SessionEvent {
            change,
            vserver: request.vserver,
            real: real.id,
            client: request.client,
            client_port: request.client_port,
            display_hash: request_hash(frame, packet),
            nai: nai(frame, packet),
        }));
    }
    let snapshot = cx.snapshot;
    if let Some(verdict) = fast_path::send_to(snapshot, frame, packet, real) {
        return Next::Transmit(verdict);
    }
    let Some(adjacency) = &real.adjacency else { return Next::Drop(Verdict::NO_ADJACENCY) };
    let directed = snapshot.farm(real.farm).is_some_and(|farm| farm.nat_server);
    if directed {
        let nat = DestinationNat { destination: Some(real.address), port: real.port };
        output(cx, frame, packet, adjacency, nat, Verdict::SLB_DIRECTED)
    } else {
        output(cx, frame, packet, adjacency, DestinationNat::default(), Verdict::SLB_DISPATCHED)
    }
}

/// A request that was walked before.
fn walked<'a, F: Frame>(frame: &'a F, packet: &Packet) -> Option<Rrq<'a>> {
    mobile_ip::walk(payload(frame, packet)?).ok()
}

/// The payload of a datagram that was examined before.
fn payload<'a, F: Frame>(frame: &'a F, packet: &Packet) -> Option<&'a [u8]> {
    udp::parse(&frame.data()[packet.l4()..packet.end()]).ok().map(|datagram| datagram.payload)
}

/// The NAI of a request; empty if it has none.
fn nai<F: Frame>(frame: &F, packet: &Packet) -> Box<[u8]> {
    walked(frame, packet).and_then(|rrq| rrq.nai).unwrap_or_default().into()
}

/// The hash of its key that `show` prints; reading the frame anew is cheaper than to hash every request.
fn request_hash<F: Frame>(frame: &F, packet: &Packet) -> u32 {
    if let Some(Plain { nai, .. }) = payload(frame, packet).and_then(mobile_ip::plain) {
        return display_hash(nai);
    }
    match walked(frame, packet).as_ref().and_then(Rrq::key) {
        Some(NodeKey::Nai(nai)) => display_hash(nai),
        Some(NodeKey::HomeAddress(home)) => display_hash(&home),
        None => 0,
    }
}
