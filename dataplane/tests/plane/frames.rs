//! Builds frames and takes them apart with an independent library.

use std::net::Ipv4Addr;

use common::{
    id::{PortId, WorkerId},
    mac::MacAddr,
    ring::frame_ring,
    snapshot::Snapshot,
    verdict::Verdict,
};
use dataplane::{
    backend::{Frame, sim::SimFrame},
    batch::Batch,
    harness::{AGENT, AGENT_MAC, Harness, MAC1},
    limit::{EventSender, ReplyLimiter},
    reassembly::Reassembly,
    stage::{Context, stages::StageList},
};
use etherparse::{
    EtherType, Icmpv4Header, Icmpv4Type, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, LinkExtHeader,
    LinkHeader, NetHeaders, PacketHeaders, TcpHeader, TransportHeader, UdpHeader,
};

/// A frame to be.
#[derive(Clone, Debug)]
pub struct Build {
    pub source: MacAddr,
    pub destination: MacAddr,
    /// Tags, outermost first.
    pub vlans: Vec<u16>,
    pub ip: Ipv4Header,
}

/// A burst of one frame, received on port 1 by worker 0 with `snapshot`, after `stages`.
pub fn burst_of_one(
    harness: &Harness,
    snapshot: &Snapshot,
    bytes: &[u8],
    stages: impl FnOnce(&mut Context<'_>, &mut Batch<SimFrame>),
) -> Batch<SimFrame> {
    let mut batch = Batch::default();
    let mut frame = harness.wire.allocate().expect("a frame");
    frame.append(bytes.len()).expect("room").copy_from_slice(bytes);
    batch.frames.push(frame);
    let (events, _seen) = rtrb::RingBuffer::new(16);
    let (mut punt, _punted) = frame_ring(4096);
    let mut reassembly = Reassembly::new(false);
    let (mut replies, mut events) = (ReplyLimiter::default(), EventSender::new(events));
    let mut cx = Context {
        worker: WorkerId(0),
        snapshot,
        published: &harness.control.snapshot,
        tables: harness.control.tables.by_ref(),
        now: harness.clock.now(),
        port: PortId(1),
        punt: &mut punt,
        registrations: None,
        reassembly: &mut reassembly,
        replies: &mut replies,
        events: &mut events,
    };
    batch.start();
    stages(&mut cx, &mut batch);
    batch
}

/// From the foreign agent on port 1.
pub fn from_agent(to: Ipv4Addr) -> Build {
    let ip = Ipv4Header::new(0, 64, IpNumber::UDP, AGENT.octets(), to.octets()).unwrap();
    Build { source: AGENT_MAC, destination: MAC1, vlans: Vec::new(), ip }
}

impl Build {
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ip.time_to_live = ttl;
        self
    }

    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlans.push(vlan);
        self
    }

    pub fn source_ip(mut self, source: impl Into<Ipv4Addr>) -> Self {
        self.ip.source = source.into().octets();
        self
    }

    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.destination = mac;
        self
    }

    pub fn dont_fragment(mut self, on: bool) -> Self {
        self.ip.dont_fragment = on;
        self
    }

    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.ip.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        self.ip.more_fragments = more;
        self.ip.dont_fragment = false;
        self
    }

    pub fn options<const N: usize>(mut self, options: [u8; N]) -> Self
    where
        Ipv4Options: From<[u8; N]>,
    {
        self.ip.options = options.into();
        self
    }

    pub fn link(&self, ethertype: u16) -> Vec<u8> {
        let mut bytes = [self.destination.0, self.source.0].concat();
        for vlan in &self.vlans {
            bytes.extend_from_slice(&[0x81, 0x00]);
            bytes.extend_from_slice(&vlan.to_be_bytes());
        }
        bytes.extend_from_slice(&ethertype.to_be_bytes());
        bytes
    }

    pub fn ip(mut self, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        self.ip.protocol = protocol;
        self.ip.set_payload_len(payload.len()).unwrap();
        let mut bytes = self.link(EtherType::IPV4.0);
        self.ip.header_checksum = self.ip.calc_header_checksum();
        self.ip.write(&mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    pub fn udp(self, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
        let udp = UdpHeader::with_ipv4_checksum(from, to, &self.ip, payload).unwrap();
        let bytes = [&udp.to_bytes()[..], payload].concat();
        self.ip(IpNumber::UDP, &bytes)
    }

    pub fn tcp(self, mut tcp: TcpHeader, payload: &[u8]) -> Vec<u8> {
        tcp.checksum = tcp.calc_checksum_ipv4(&self.ip, payload).unwrap();
        let bytes = [&tcp.to_bytes()[..], payload].concat();
        self.ip(IpNumber::TCP, &bytes)
    }

    pub fn icmp(self, kind: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
        let bytes = [&Icmpv4Header::with_checksum(kind, payload).to_bytes()[..], payload].concat();
        self.ip(IpNumber::ICMP, &bytes)
    }
}

/// Pads to the smallest Ethernet frame, with bytes that nothing should read.
pub fn pad(mut frame: Vec<u8>) -> Vec<u8> {
    while frame.len() < 60 {
        frame.push(0xee);
    }
    frame
}

/// A frame as `etherparse` read it, its checksums found right.
#[derive(Debug)]
pub struct Seen {
    pub source: MacAddr,
    pub destination: MacAddr,
    pub vlan: Option<u16>,
    pub ip: Ipv4Header,
    pub transport: Option<TransportHeader>,
    pub payload: Vec<u8>,
}

/// Reads a frame; every checksum in it must be right (a UDP checksum of 0 is none).
pub fn see(frame: &[u8]) -> Seen {
    let headers = PacketHeaders::from_ethernet_slice(frame).expect("a sound frame");
    let Some(LinkHeader::Ethernet2(link)) = headers.link else { panic!("no Ethernet header") };
    let vlan = headers.link_exts.first().map(|tag| match tag {
        LinkExtHeader::Vlan(vlan) => {
            assert_eq!((vlan.pcp.value(), vlan.drop_eligible_indicator), (0, false));
            vlan.vlan_id.value()
        }
        LinkExtHeader::Macsec(_) => panic!("no MACsec here"),
    });
    let Some(NetHeaders::Ipv4(ip, _)) = headers.net else { panic!("not IPv4") };
    assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "IPv4 header checksum");
    let payload = headers.payload.slice().to_vec();
    match &headers.transport {
        Some(TransportHeader::Udp(udp)) if udp.checksum != 0 => {
            assert_eq!(udp.checksum, udp.calc_checksum_ipv4(&ip, &payload).unwrap(), "UDP checksum");
        }
        Some(TransportHeader::Tcp(tcp)) => {
            assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(&ip, &payload).unwrap(), "TCP checksum");
        }
        Some(TransportHeader::Icmpv4(icmp)) => {
            assert_eq!(icmp.checksum, icmp.icmp_type.calc_checksum(&payload), "ICMP checksum");
        }
        _ => {}
    }
    Seen {
        source: MacAddr(link.source),
        destination: MacAddr(link.destination),
        vlan,
        ip,
        transport: headers.transport,
        payload,
    }
}

impl Seen {
    pub fn from(&self) -> Ipv4Addr {
        self.ip.source.into()
    }

    pub fn to(&self) -> Ipv4Addr {
        self.ip.destination.into()
    }

    pub fn udp(&self) -> &UdpHeader {
        let Some(TransportHeader::Udp(udp)) = &self.transport else { panic!("not UDP") };
        udp
    }

    pub fn icmp(&self) -> Icmpv4Type {
        let Some(TransportHeader::Icmpv4(icmp)) = &self.transport else { panic!("not ICMP") };
        icmp.icmp_type.clone()
    }
}

/// Sends one frame into a port and returns its verdict and all that left.
pub fn one(harness: &mut Harness, port: u16, frame: &[u8]) -> (Verdict, Vec<Vec<u8>>) {
    let before = totals(harness);
    assert!(harness.wire.feed(common::id::PortId(port), 0, frame), "the frame fits the queue");
    let sent = harness.run().concat();
    let after = totals(harness);
    let mut changed = Verdict::ALL.iter().zip(after.iter().zip(&before)).filter(|(_, (a, b))| a != b);
    let (verdict, (now, then)) = changed.next().expect("a verdict");
    assert_eq!(now - then, 1);
    assert!(changed.next().is_none(), "one verdict only");
    harness.received();
    (*verdict, sent)
}

/// Every verdict's total over all workers.
pub fn totals<S: StageList>(harness: &Harness<S>) -> Vec<u64> {
    Verdict::ALL.iter().map(|v| harness.control.stats.iter().map(|stats| stats.verdict(*v)).sum()).collect()
}

/// Takes the next frame out of worker 0's punt ring.
pub fn punted(harness: &mut Harness) -> Option<(common::id::InterfaceId, Vec<u8>)> {
    let mut buffer = Vec::new();
    let interface = harness.control.punts[0].receive(&mut buffer)?;
    Some((interface, buffer))
}
