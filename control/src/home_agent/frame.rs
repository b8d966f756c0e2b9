//! A registration request as it came to a port, and its reply as it leaves there.

use std::net::SocketAddrV4;

use common::{
    mac::MacAddr,
    wire::{
        ethernet,
        ipv4::{self, Ipv4},
        udp::{self, Udp},
    },
};
use zerocopy::IntoBytes as _;

use super::registrar::Datagram;

/// A request, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFrame<'a> {
    /// Link header, with its tags.
    link: &'a [u8],
    /// What is in it.
    pub datagram: Datagram<'a>,
}

impl<'a> RequestFrame<'a> {
    /// Of a frame; none: it is no UDP datagram in IPv4.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let ethernet = ethernet::parse(frame).ok()?;
        let packet = ipv4::parse(ethernet.payload).ok()?;
        if packet.header.protocol != ipv4::UDP {
            return None;
        }
        let (source, destination) = (packet.header.source(), packet.header.destination());
        let datagram = udp::parse(packet.payload).ok()?;
        Some(Self {
            link: &frame[..frame.len() - ethernet.payload.len()],
            datagram: Datagram {
                ends: [
                    SocketAddrV4::new(source, datagram.header.source()),
                    SocketAddrV4::new(destination, datagram.header.destination()),
                ],
                checksum_ok: datagram.checksum_ok(source, destination),
                payload: datagram.payload,
            },
        })
    }

    /// Writes the frame of a reply into `out`: to `next_hop`, or back to the sender.
    pub fn reply(
        &self,
        [from, to]: [SocketAddrV4; 2],
        next_hop: Option<MacAddr>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        const MACS: usize = ethernet::offset::ETHERTYPE;
        let [destination, source] = [0, ethernet::offset::SOURCE].map(|at| &self.link[at..at + 6]);
        let (length, udp) = (payload.len() as u16, udp::LENGTH as u16);
        out.clear();
        out.extend_from_slice(next_hop.as_ref().map_or(source, |mac| &mac.0));
        out.extend_from_slice(destination);
        out.extend_from_slice(&self.link[MACS..]);
        out.extend_from_slice(Ipv4::new(*from.ip(), *to.ip(), ipv4::UDP, udp + length, 0).as_bytes());
        let datagram = out.len();
        out.extend_from_slice(Udp::new(from.port(), to.port(), length).as_bytes());
        out.extend_from_slice(payload);
        udp::fill_checksum(&mut out[datagram..], *from.ip(), *to.ip());
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;

    fn request(vlan: Option<u16>, payload: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1]);
        let ends = ([15, 1, 1, 51], [10, 1, 1, 51]);
        let mut frame = Vec::new();
        match vlan {
            Some(vlan) => builder
                .single_vlan(vlan.try_into().unwrap())
                .ipv4(ends.0, ends.1, 7)
                .udp(40000, 434)
                .write(&mut frame, payload),
            None => builder.ipv4(ends.0, ends.1, 7).udp(40000, 434).write(&mut frame, payload),
        }
        .unwrap();
        frame
    }

    #[test]
    fn a_reply_goes_back_with_sound_headers_and_the_same_tag() {
        for vlan in [None, Some(15)] {
            let frame = request(vlan, b"request");
            let request = RequestFrame::parse(&frame).unwrap();
            let Datagram { ends: [source, destination], checksum_ok, payload } = request.datagram;
            assert_eq!((payload, checksum_ok), (&b"request"[..], true));
            let ends = [destination, source];
            for next_hop in [None, Some(MacAddr([2, 0, 0, 0, 0, 7]))] {
                let mut reply = Vec::new();
                request.reply(ends, next_hop, b"a reply", &mut reply);
                let to = next_hop.map_or([2, 0, 0, 0, 0, 9], |mac| mac.0);
                assert_eq!((&reply[..6], &reply[6..12]), (&to[..], &[2, 0, 0, 0, 0, 1][..]));
                let sliced = SlicedPacket::from_ethernet(&reply).unwrap();
                assert_eq!(sliced.vlan_ids().first().map(|vlan| vlan.value()), vlan);
                let net = sliced.net.unwrap();
                let ip = net.ipv4_ref().unwrap().header();
                assert_eq!((ip.source(), ip.destination()), ([10, 1, 1, 51], [15, 1, 1, 51]));
                assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!("no UDP") };
                assert_eq!((udp.source_port(), udp.destination_port()), (434, 40000));
                assert_eq!(udp.payload(), b"a reply");
                let sum =
                    udp.to_header().calc_checksum_ipv4_raw(ip.source(), ip.destination(), udp.payload());
                assert_eq!(udp.checksum(), sum.unwrap());
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_told_and_none_is_right() {
        let mut frame = request(None, b"request");
        frame[45] ^= 1;
        assert!(!RequestFrame::parse(&frame).unwrap().datagram.checksum_ok);
        frame[40..42].fill(0);
        assert!(RequestFrame::parse(&frame).unwrap().datagram.checksum_ok);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_stops_it(cut in 0..64_usize, at in 0..64_usize, byte: u8) {
            let mut frame = request(Some(15), b"request");
            frame[at % 53] = byte;
            let _ = RequestFrame::parse(&frame[..cut.min(frame.len())]);
            let _ = RequestFrame::parse(&frame);
        }
    }
}
