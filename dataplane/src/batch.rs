//! A vector of frames on its way through the stages, and what is known of each.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use common::{
    id::{InterfaceId, PortId, VserverId},
    slb::Request,
    verdict::Verdict,
    wire::{ethernet, ipv4},
};

use crate::{
    backend::{BURST, Burst, Frame},
    stage::stages::Stage,
};

/// Where a frame goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To a stage, which may be an earlier one.
    To(Stage),
    /// Rewritten for [`Packet::egress`]; counted so once the device took it.
    Transmit(Verdict),
    /// A frame of the host for [`Packet::egress`]; it has no verdict.
    Host,
    /// Nowhere: it is dropped and counted so.
    Drop(Verdict),
}

/// What is known of a frame. Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Layer-3 interface on which it came.
    pub interface: InterfaceId,
    /// Where the network header begins: behind the Ethernet header, and the tag if there is one in the bytes.
    pub l3: u16,
    /// Bytes of the IPv4 header.
    pub header: u16,
    /// IPv4 total length: header and payload.
    pub length: u16,
    /// EtherType behind the tag.
    pub ethertype: u16,
    /// Fragment offset is not 0, or more fragments follow.
    pub fragment: bool,
    /// Fragment offset is not 0.
    pub later_fragment: bool,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// The Ethernet destination is a group address.
    pub group: bool,
    /// Time to live on arrival.
    pub ttl: u8,
    /// IPv4 protocol.
    pub protocol: u8,
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
    /// Where the NAI of a plain request lies, and its bytes; 0 if that is not known.
    pub nai: (u16, u8),
    /// The virtual server that classification chose.
    pub vserver: VserverId,
    /// Port of the device that transmits it.
    pub egress: PortId,
    /// How many packets it was taken out of.
    pub reentered: u8,
}

impl Packet {
    /// Nothing known.
    pub const EMPTY: Self = Self {
        interface: InterfaceId(0),
        l3: ethernet::LENGTH as u16,
        header: ipv4::LENGTH as u16,
        length: ipv4::LENGTH as u16,
        ethertype: 0,
        fragment: false,
        later_fragment: false,
        dont_fragment: false,
        group: false,
        ttl: 0,
        protocol: 0,
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::UNSPECIFIED,
        nai: (0, 0),
        vserver: VserverId(0),
        egress: PortId(0),
        reentered: 0,
    };

    /// Where the IPv4 payload begins.
    pub fn l4(&self) -> usize {
        usize::from(self.l3) + usize::from(self.header)
    }

    /// Where the IPv4 packet ends.
    pub fn end(&self) -> usize {
        usize::from(self.l3) + usize::from(self.length)
    }

    /// Bytes of IPv4 payload.
    pub fn payload(&self) -> usize {
        usize::from(self.length - self.header)
    }
}

/// How a frame leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Of the device that transmits it.
    pub port: PortId,
    /// Counted once the device took it.
    pub verdict: Verdict,
}

impl Exit {
    fn bits(self) -> u32 {
        u32::from(self.port.0) << 8 | self.verdict.index() as u32
    }
}

/// Up to 64 frames. Each waits for one stage, or has an end.
#[derive(Debug)]
pub struct Batch<F> {
    /// As received; a stage names a frame by its index.
    pub frames: Burst<F>,
    /// What is known of each.
    pub packets: [Packet; BURST],
    /// The last that was said of each; of a fresh one [`Next::To`] the first stage.
    ends: [Next; BURST],
    /// Frames that wait, by stage.
    sets: [u64; Stage::ROOM],
    /// Stages to run, a bit each.
    pending: u32,
    /// Copies that a stage made, with their ports; sent before another stage runs.
    replicas: ArrayVec<(F, PortId), BURST>,
    /// Copies for which there was no room.
    replicas_refused: u64,
    /// The last that was given.
    identification: u16,
    /// Of frames that leave without passing the stages.
    pub exits: [Exit; BURST],
    /// All frames leave so; no stage has any.
    pub single_egress: Option<Exit>,
    /// Requests of the Mobile IP stage between its two passes, with their positions.
    pub requests: ArrayVec<(u8, Request), BURST>,
}

impl<F> Default for Batch<F> {
    fn default() -> Self {
        Self {
            frames: Burst::new(),
            packets: [Packet::EMPTY; BURST],
            ends: [FRESH; BURST],
            sets: [0; Stage::ROOM],
            pending: 0,
            replicas: ArrayVec::new(),
            replicas_refused: 0,
            identification: 0,
            exits: [Exit { port: PortId(0), verdict: Verdict::SLB_DISPATCHED }; BURST],
            single_egress: None,
            requests: ArrayVec::new(),
        }
    }
}

/// Said of a frame of which no stage said anything.
const FRESH: Next = Next::To(Stage::PARSE);

impl<F: Frame> Batch<F> {
    /// A frame and what is known of it.
    pub fn at(&mut self, index: usize) -> (&mut F, &mut Packet) {
        (&mut self.frames[index], &mut self.packets[index])
    }

    /// Takes the frames as they came from the port, and brings their headers near.
    pub fn start(&mut self) {
        for frame in &self.frames {
            frame.prefetch();
        }
        self.enter(Stage::PARSE);
    }

    /// Gives all frames to a stage.
    pub fn enter(&mut self, stage: Stage) {
        let all = u64::MAX.checked_shr((BURST - self.frames.len()) as u32).unwrap_or(0);
        self.sets[stage.index()] = all;
        self.pending = u32::from(all != 0) << stage.index();
    }

    /// Ends what the fast path did with a fresh batch: frames of `done`, by position, leave by their [`Batch::exits`];
    /// those of `asked` are in `requests`, for which `stage` runs; the others are parsed.
    pub fn complete(&mut self, done: u64, asked: u64, stage: Stage) {
        let parse = Stage::PARSE.index();
        self.sets[parse] &= !(done | asked);
        self.pending = u32::from(self.sets[parse] != 0) << parse | u32::from(asked != 0) << stage.index();
        let exits = &self.exits[..self.frames.len()];
        if let Some(first) = exits.first()
            && self.pending == 0
            && exits.iter().fold(0, |difference, exit| difference | (exit.bits() ^ first.bits())) == 0
        {
            self.single_egress = Some(*first);
            return;
        }
        for index in Indices(done) {
            let Exit { port, verdict } = self.exits[index];
            self.packets[index].egress = port;
            self.ends[index] = Next::Transmit(verdict);
        }
    }

    /// The first stage that has something to do.
    #[inline]
    pub fn first_pending(&self) -> Option<Stage> {
        Stage::first_of(self.pending)
    }

    /// Sends a frame on. It must be in no stage's set, or [`Batch::take`]n from it.
    #[inline]
    pub fn send(&mut self, index: usize, next: Next) {
        self.ends[index] = next;
        if let Next::To(stage) = next {
            self.sets[stage.index()] |= 1 << index;
            self.pending |= 1 << stage.index();
        }
    }

    /// Takes a stage's frames out of its set: their positions in order.
    #[inline]
    pub fn take(&mut self, stage: Stage) -> Indices {
        self.pending &= !(1 << stage.index());
        Indices(std::mem::take(&mut self.sets[stage.index()]))
    }

    /// Sends a copy of a frame, as it is now, by another port. Copies share the frame's bytes: nobody may write them from
    /// here on. The frame itself needs its own end as ever.
    ///
    /// There is room for [`Batch::replica_room`] more until the stage returns; a stage with more to send sends the frame to
    /// itself and goes on in its next run. What exceeds the room is dropped and counted.
    pub fn replicate(&mut self, index: usize, egress: PortId) {
        if self.replicas.try_push((self.frames[index].share(), egress)).is_err() {
            self.replicas_refused += 1;
        }
    }

    /// Sends a frame that a stage has made out of another, as [`Batch::replicate`] does; none: there was no buffer for it.
    pub fn send_replica(&mut self, frame: Option<F>, egress: PortId) {
        let sent = frame.is_some_and(|frame| self.replicas.try_push((frame, egress)).is_ok());
        self.replicas_refused += u64::from(!sent);
    }

    /// A number for the identification of a packet that may be cut on its way: another one each time, until they all have been.
    pub fn identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// How many copies can be made until the stage returns.
    pub fn replica_room(&self) -> usize {
        self.replicas.remaining_capacity()
    }

    /// True if there are copies to send.
    #[inline]
    pub fn has_replicas(&self) -> bool {
        !self.replicas.is_empty()
    }

    /// Takes the copies with their ports, and the number of those for which there was no room.
    pub fn take_replicas(&mut self) -> (impl Iterator<Item = (F, PortId)>, u64) {
        (self.replicas.drain(..), std::mem::take(&mut self.replicas_refused))
    }

    /// Takes every frame with what was said last of it, in the order of arrival.
    pub fn finish(&mut self) -> impl Iterator<Item = (F, Next, PortId)> {
        if self.pending != 0 {
            self.sets = [0; Stage::ROOM];
            self.pending = 0;
        }
        let ends = std::mem::replace(&mut self.ends, [FRESH; BURST]);
        self.frames
            .drain(..)
            .zip(ends.into_iter().zip(&self.packets))
            .map(|(frame, (end, packet))| (frame, end, packet.egress))
    }
}

/// Positions in a batch, rising.
#[derive(Clone, Debug)]
pub struct Indices(pub(crate) u64);

impl Iterator for Indices {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(index)
    }
}
