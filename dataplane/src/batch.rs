//! A vector of frames on its way through the stages, and what is known of each.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use common::{
    id::{InterfaceId, PortId, VserverId},
    slb::Request,
    verdict::Verdict,
};

use crate::backend::{BURST, Burst, Frame};

/// Where a frame goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// IPv4 with a sound header: whose is it?
    Classify,
    /// UDP for a virtual server in service.
    MobileIp,
    /// Transit.
    Forward,
    /// For an address that the dataplane answers itself, or ARP.
    Local,
    /// For the host.
    Punt,
    /// Rewritten for [`Packet::egress`]; counted so once the device took it.
    Transmit(Verdict),
    /// The end.
    Drop(Verdict),
}

/// The stages that take frames out of a batch, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Fresh frames.
    Parse,
    /// [`Next::Classify`].
    Classify,
    /// [`Next::MobileIp`].
    MobileIp,
    /// [`Next::Forward`].
    Forward,
    /// [`Next::Local`].
    Local,
    /// [`Next::Punt`].
    Punt,
    /// [`Next::Transmit`] and [`Next::Drop`].
    End,
}

const STAGES: usize = Stage::End as usize + 1;

/// What is known of a frame. Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Layer-3 interface on which it came.
    pub interface: InterfaceId,
    /// Where the network header begins: 14, or 18 with a tag in the bytes.
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
}

impl Packet {
    /// Nothing known.
    pub const EMPTY: Self = Self {
        interface: InterfaceId(0),
        l3: 14,
        header: 20,
        length: 20,
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

/// Up to 64 frames. Each is in the set of exactly one stage.
#[derive(Debug)]
pub struct Batch<F> {
    /// The frames.
    pub frames: Burst<F>,
    /// What is known of each.
    pub packets: [Packet; BURST],
    ends: [Next; BURST],
    sets: [u64; STAGES],
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
            ends: [Next::Punt; BURST],
            sets: [0; STAGES],
            exits: [Exit { port: PortId(0), verdict: Verdict::SLB_DISPATCHED }; BURST],
            single_egress: None,
            requests: ArrayVec::new(),
        }
    }
}

impl<F: Frame> Batch<F> {
    /// A frame and what is known of it.
    pub fn at(&mut self, index: usize) -> (&mut F, &mut Packet) {
        (&mut self.frames[index], &mut self.packets[index])
    }

    /// Takes the frames as they came from the port, and brings their headers near.
    pub fn start(&mut self) {
        self.requests.clear();
        for frame in &self.frames {
            frame.prefetch();
        }
        self.sets[Stage::Parse as usize] =
            u64::MAX.checked_shr((BURST - self.frames.len()) as u32).unwrap_or(0);
    }

    /// Sends fresh frames, `done` by position, straight to their [`Batch::exits`]; those with a request wait for the
    /// Mobile IP stage's second pass.
    pub fn complete(&mut self, done: u64) {
        let asked = self.requests.iter().fold(0, |set, (index, _)| set | 1 << index);
        self.sets[Stage::Parse as usize] &= !(done | asked);
        let exits = &self.exits[..self.frames.len()];
        if let Some(first) = exits.first()
            && asked == 0
            && self.sets[Stage::Parse as usize] == 0
            && exits.iter().fold(0, |difference, exit| difference | (exit.bits() ^ first.bits())) == 0
        {
            self.single_egress = Some(*first);
            return;
        }
        self.sets[Stage::End as usize] |= done;
        for index in Indices(done) {
            let Exit { port, verdict } = self.exits[index];
            self.packets[index].egress = port;
            self.ends[index] = Next::Transmit(verdict);
        }
    }

    /// Sends a frame on. It must be in no stage's set, or [`Batch::take`]n from it.
    pub fn send(&mut self, index: usize, next: Next) {
        let stage = match next {
            Next::Classify => Stage::Classify,
            Next::MobileIp => Stage::MobileIp,
            Next::Forward => Stage::Forward,
            Next::Local => Stage::Local,
            Next::Punt => Stage::Punt,
            Next::Transmit(_) | Next::Drop(_) => Stage::End,
        };
        self.ends[index] = next;
        self.sets[stage as usize] |= 1 << index;
    }

    /// Takes a stage's frames out of its set: their positions in order.
    pub fn take(&mut self, stage: Stage) -> Indices {
        Indices(std::mem::take(&mut self.sets[stage as usize]))
    }

    /// Takes every frame with its end, in the order of arrival.
    pub fn finish(&mut self) -> impl Iterator<Item = (F, Next, PortId)> {
        self.sets = [0; STAGES];
        self.frames
            .drain(..)
            .zip(self.ends.iter().zip(&self.packets))
            .map(|(frame, (next, packet))| (frame, *next, packet.egress))
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
