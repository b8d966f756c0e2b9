//! The usual packet in the fewest steps: a repeated registration request, whole and plain, whose session stays where it
//! is. `parse`, `classify`, `mobile_ip` and `rewrite` come to the same end (a test holds both side by side).
//!
//! A request that is usual but no repeat goes on to `mobile_ip`. Whatever is unusual about a frame leaves it untouched to
//! `parse`, which knows all cases; nothing is dropped, answered or decided here. Two passes over a burst: the first reads
//! headers and asks for the slots in the session table, the second counts the requests and sends them, so that the table's
//! cache misses overlap.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use common::{
    id::InterfaceId,
    slb::{Identity, IdentityTag, KeySpace, Real, Request, Slot, Target, VirtualServer, VserverCounter},
    snapshot::Snapshot,
    time::Tick,
    verdict::Verdict,
    wire::{
        ethernet::{self, IPV4},
        ipv4::{self, DONT_FRAGMENT, UDP},
        mobile_ip::{self, Plain},
        udp,
    },
};

use super::{Context, classify::martian, stages::Stage};
use crate::{
    backend::{BURST, Frame},
    batch::{Batch, Exit, Indices, Packet},
    rewrite::{self, HEADERS},
};

/// Services that are remembered for a burst; requests to others take the slow path.
const SERVICES: usize = 8;

/// Where the headers of a plain packet begin.
const IP: usize = ethernet::LENGTH;
const UDP_HEADER: usize = IP + ipv4::LENGTH;

/// Any client's address that is none of the martians.
const ANY_CLIENT: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 0);

/// Sends on what it can of a fresh batch.
// Never inlined: what stands around the call must not cost it registers.
#[inline(never)]
pub fn run<F: Frame>(cx: &Context<'_>, batch: &mut Batch<F>) {
    let Some(mut burst) = BurstContext::new(cx) else { return };
    let mut parsed = [const { ParsedRequest::NONE }; BURST];
    for (frame, request) in batch.frames.iter().zip(&mut parsed) {
        // Without a result the request stays one of nothing.
        let _ = burst.parse(frame, request);
    }
    let (mut done, mut asked) = (0, 0);
    for (index, (frame, request)) in batch.frames.iter_mut().zip(&mut parsed).enumerate() {
        if let Some((target, slot)) = burst.repeat(request, frame) {
            batch.exits[index] = Exit { port: target.port, verdict: target.verdict };
            request.slot = slot;
            done |= 1 << index;
        } else if let Some(request) = burst.to_slow_path(request, frame, &mut batch.packets[index]) {
            batch.requests.push((index as u8, request));
            asked |= 1 << index;
        }
    }
    for index in Indices(done) {
        let request = &parsed[index];
        cx.tables.slb.record_client(request.slot, (Ipv4Addr::from_bits(request.client), request.client_port));
    }
    batch.complete(done, asked, Stage::MOBILE_IP);
}

/// What holds for all frames of a burst.
struct BurstContext<'a> {
    cx: &'a Context<'a>,
    targets: &'a [Option<Target>],
    interface: InterfaceId,
    now: Tick,
    /// Of the port's untagged interface.
    mac: [u8; 6],
    services: ArrayVec<Service<'a>, SERVICES>,
    /// The service used last, and its key.
    last: usize,
    key: u64,
    /// The client whose address was found right last: few send many requests.
    client: Ipv4Addr,
}

/// A virtual server that admits everybody.
struct Service<'a> {
    /// IPv4 address and UDP port as they lie in a packet, with the source port's place empty.
    key: u64,
    vserver: &'a VirtualServer,
    tag: IdentityTag,
    /// Of a session that is refreshed now.
    deadline: Tick,
}

/// What the first pass finds of a request.
struct ParsedRequest {
    identity: Identity,
    /// Where its session lies, once that is known.
    slot: Slot,
    client: u32,
    client_port: u16,
    /// Of the IPv4 packet, in bytes.
    length: u16,
    /// Where the NAI lies, and its bytes.
    nai: (u16, u8),
    /// From one; zero is none.
    service: u8,
    /// The Home Agent field names the virtual address.
    names_service: bool,
}

impl ParsedRequest {
    const NONE: Self = Self {
        identity: Identity::ZERO,
        slot: Slot::FIRST,
        client: 0,
        client_port: 0,
        length: 0,
        nai: (0, 0),
        service: 0,
        names_service: false,
    };
}

impl<'a> BurstContext<'a> {
    /// `None` if the port has no untagged interface in service, if that one checks sources, or if sessions are being debugged:
    /// all that is done on the slow path.
    fn new(cx: &'a Context<'a>) -> Option<Self> {
        let snapshot = cx.snapshot;
        let id = snapshot.net.ports.get(cx.port.index())?.untagged?;
        let interface = snapshot.net.interfaces.get(id.index())?;
        if !interface.up || interface.source_check.is_some() {
            return None;
        }
        let targets = &*snapshot.targets;
        if snapshot.slb.debug_sessions || targets.is_empty() {
            return None;
        }
        Some(Self {
            cx,
            targets,
            interface: id,
            now: cx.now.tick(),
            mac: interface.mac.0,
            services: ArrayVec::new(),
            last: 0,
            key: u64::MAX,
            client: ANY_CLIENT,
        })
    }

    /// The first pass: fills in what a usual request says, its service last.
    #[inline(always)]
    fn parse<F: Frame>(&mut self, frame: &F, request: &mut ParsedRequest) -> Option<()> {
        const SERVICE: u64 = 0xffff_0000_ffff_ffff;
        let data = frame.data();
        let head = data.first_chunk::<HEADERS>()?;
        let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let plain = head[..ethernet::offset::SOURCE] == self.mac
            && head[ethernet::offset::SOURCE..ethernet::offset::ETHERTYPE] != self.mac
            && half(ethernet::offset::ETHERTYPE) == IPV4
            && head[IP] == ipv4::VERSION_AND_WORDS
            && half(IP + ipv4::offset::FRAGMENT) & (ipv4::MORE_FRAGMENTS | ipv4::FRAGMENT_OFFSET) == 0
            && head[IP + ipv4::offset::TTL] > 1
            && head[IP + ipv4::offset::PROTOCOL] == UDP
            && frame.total_len() == data.len()
            && frame.stripped_vlan().is_none();
        let length = half(IP + ipv4::offset::TOTAL_LENGTH);
        let end = IP + usize::from(length);
        // A frame that is longer than its packet and than Ethernet's minimum is cut on the slow path.
        if !plain || end > data.len() || data.len() > end.max(ethernet::MINIMUM) {
            return None;
        }
        let source = IP + ipv4::offset::SOURCE;
        let client = Ipv4Addr::new(head[source], head[source + 1], head[source + 2], head[source + 3]);
        if !frame.ip_checksum_ok().unwrap_or_else(|| sums_up(head)) {
            return None;
        }
        if self.client != client {
            if martian(client) {
                return None;
            }
            self.client = client;
        }
        let key = u64::from_le_bytes(std::array::from_fn(|byte| head[IP + ipv4::offset::DESTINATION + byte]))
            & SERVICE;
        if self.key != key {
            self.select_service(key)?;
        }
        let service = self.services.get(self.last)?;
        let udp_end = UDP_HEADER + usize::from(half(UDP_HEADER + udp::offset::LENGTH));
        let Plain { nai, home_agent } = mobile_ip::plain(data.get(HEADERS..udp_end)?)?;
        request.names_service = match home_agent {
            0 | u32::MAX => false,
            agent if agent == u32::from(service.vserver.address) => true,
            _ => return None,
        };
        let identity = self.cx.tables.slb.tagged_identity(service.tag, nai);
        self.cx.tables.slb.prefetch(identity);
        request.identity = identity;
        request.client = u32::from(client);
        request.client_port = half(UDP_HEADER + udp::offset::SOURCE);
        request.length = length;
        request.nai = (nai.as_ptr().addr().wrapping_sub(data.as_ptr().addr()) as u16, nai.len() as u8);
        request.service = self.last as u8 + 1;
        Some(())
    }

    /// Makes the service of an address and port the last one used: the first virtual server there, if it admits
    /// everybody.
    #[cold]
    fn select_service(&mut self, key: u64) -> Option<()> {
        if let Some(known) = self.services.iter().position(|known| known.key == key) {
            (self.last, self.key) = (known, key);
            return Some(());
        }
        let [a, b, c, d, _, _, e, f] = key.to_le_bytes();
        let (snapshot, port) = (self.cx.snapshot, u16::from_be_bytes([e, f]));
        let owner = snapshot.net.owners.get(&Ipv4Addr::new(a, b, c, d))?;
        let mut vservers = owner.as_virtual()?.vservers.iter().filter_map(|id| snapshot.vserver(*id));
        let vserver = vservers.find(|vserver| vserver.port == 0 || vserver.port == port)?;
        if !vserver.clients.is_empty() {
            return None;
        }
        let tag = self.cx.tables.slb.tag(vserver, KeySpace::Nai);
        let deadline = self.now.after(vserver.idle);
        self.services.try_push(Service { key, vserver, tag, deadline }).ok()?;
        (self.last, self.key) = (self.services.len() - 1, key);
        Some(())
    }

    /// The second pass: counts the request and rewrites the frame, or changes nothing.
    #[inline(always)]
    fn repeat<F: Frame>(&self, request: &ParsedRequest, frame: &mut F) -> Option<(&'a Target, Slot)> {
        let service = self.services.get(usize::from(request.service.checked_sub(1)?))?;
        let head = frame.data_mut().first_chunk_mut::<HEADERS>()?;
        let times = (self.now, service.deadline);
        let (target, slot) =
            self.cx.tables.slb.repeat(self.targets, request.identity, request.length, times)?;
        if request.names_service {
            service.vserver.live.count(self.cx.worker, VserverCounter::HaFieldSet);
        }
        send(head, target);
        Some((target, slot))
    }

    /// A request that was recognised and is no repeat, as the other stages would know it.
    #[inline(always)]
    fn to_slow_path<F: Frame>(
        &self,
        request: &ParsedRequest,
        frame: &F,
        packet: &mut Packet,
    ) -> Option<Request> {
        let service = self.services.get(usize::from(request.service.checked_sub(1)?))?;
        let head = frame.data().first_chunk::<HEADERS>()?;
        let vserver = service.vserver;
        let client = Ipv4Addr::from_bits(request.client);
        if request.names_service {
            vserver.live.count(self.cx.worker, VserverCounter::HaFieldSet);
        }
        *packet = Packet {
            interface: self.interface,
            length: request.length,
            ethertype: IPV4,
            dont_fragment: head[IP + ipv4::offset::FRAGMENT] & DONT_FRAGMENT.to_be_bytes()[0] != 0,
            ttl: head[IP + ipv4::offset::TTL],
            protocol: UDP,
            source: client,
            destination: vserver.address,
            nai: request.nai,
            vserver: vserver.id,
            ..Packet::EMPTY
        };
        Some(Request {
            vserver: vserver.id,
            identity: request.identity,
            client,
            client_port: request.client_port,
            deregistration: false,
            home_agent: None,
        })
    }
}

/// Rewrites a plain request for a target.
#[inline(always)]
fn send(head: &mut [u8; HEADERS], target: &Target) {
    if let Some((address, port)) = target.dnat {
        rewrite::destination_nat(head, address, port);
    }
    rewrite::set_next_hop(head, target.link);
}

/// Sends an examined request to a real, if its frame is plain and there is no more to it than that; else changes nothing.
pub fn send_to<F: Frame>(
    snapshot: &Snapshot,
    frame: &mut F,
    packet: &mut Packet,
    real: &Real,
) -> Option<Verdict> {
    let target = snapshot.targets.get(usize::from(real.id.index))?.as_ref()?;
    let plain = packet.ttl > 1
        && packet.length <= target.mtu
        && target.id == real.id
        && (usize::from(packet.l3), usize::from(packet.header)) == (ethernet::LENGTH, ipv4::LENGTH)
        && frame.total_len() == frame.data().len()
        && frame.total_len() <= packet.end().max(ethernet::MINIMUM);
    if !plain {
        return None;
    }
    send(frame.data_mut().first_chunk_mut()?, target);
    packet.egress = target.port;
    Some(target.verdict)
}

/// The words of an IPv4 header with a right checksum, in any order of bytes, sum up to a multiple of all ones
/// (RFC 1071); 2^16 leaves 1, so words of 32 bits do as well.
#[inline(always)]
fn sums_up(head: &[u8; HEADERS]) -> bool {
    let word = |at: usize| u64::from(u32::from_le_bytes(std::array::from_fn(|byte| head[IP + at + byte])));
    let sum = word(0) + word(4) + word(8) + word(12) + word(16);
    sum.is_multiple_of(u64::from(u16::MAX))
}
