//! Packets to mobile nodes, and a home agent that knows where each of these is.

use std::{fs, net::Ipv4Addr, path::Path, sync::Arc};

use common::{
    config::Hugepages,
    id::InterfaceId,
    mac::MacAddr,
    mobile::{Bindings, Carrier, HomeNetwork, MobileTables, Tunnel},
    net::{NextHop, Route},
    snapshot::Snapshot,
    time::Nanos,
    wire::{
        ethernet::{Ethernet, IPV4},
        ipv4::{self, Ipv4},
        udp::{self, Udp},
    },
};
use dataplane::backend::sim::pcap;
use zerocopy::IntoBytes as _;

use super::{
    capture::{self, AGENT, DIRECTOR_MAC},
    case::Mode,
    homeward,
};

/// Bytes of a packet.
const PACKET: usize = 64;
/// First home address.
const HOME: u32 = 0x0a40_0000;
/// The home agent's own address.
const HOME_AGENT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
/// Who sends.
const CORRESPONDENT: (MacAddr, Ipv4Addr) = (MacAddr([2, 0, 0, 0, 0, 9]), Ipv4Addr::new(198, 51, 100, 1));

fn home(node: u32) -> Ipv4Addr {
    (HOME + node).into()
}

/// Writes a packet to each of so many nodes, in an order that has nothing to do with that in which they are known.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, nodes: u32) -> anyhow::Result<()> {
    let payload = PACKET - ipv4::LENGTH;
    let frames: Vec<Vec<u8>> = (0..nodes)
        .map(|at| {
            let mut frame = Ethernet::new(DIRECTOR_MAC, CORRESPONDENT.0, IPV4).as_bytes().to_vec();
            let header =
                Ipv4::new(CORRESPONDENT.1, home(capture::scattered(at, nodes)), ipv4::UDP, payload as u16, 0);
            frame.extend_from_slice(header.as_bytes());
            frame.extend_from_slice(Udp::new(5, 6, (payload - udp::LENGTH) as u16).as_bytes());
            frame.resize(frame.len() + payload - udp::LENGTH, 7);
            frame
        })
        .collect();
    fs::write(path, pcap::write(frames.iter().map(|frame| (0, &**frame))))?;
    Ok(())
}

/// The bindings of so many nodes, all at one foreign agent.
///
/// # Errors
/// If there is no memory for them, or not room for each.
pub fn tables(nodes: u32, gre: bool) -> anyhow::Result<MobileTables> {
    // Filled to the last one a table may find no place for one of some millions.
    let bindings = Bindings::with_random_key(nodes + nodes / 16, Hugepages::Auto)?;
    let tunnel = Tunnel { local: HOME_AGENT, remote: AGENT, carrier: Carrier::Ip, gre, reverse: true };
    for node in 0..nodes {
        bindings.set(home(node), &[tunnel], Nanos(1))?;
    }
    Ok(MobileTables::new(bindings))
}

/// The home agent's network: the foreign agent is a neighbour.
pub fn snapshot() -> Snapshot {
    let mut snapshot = homeward::snapshot(Mode::Dispatched, 1);
    let interface = InterfaceId(0);
    let mobile = Arc::make_mut(&mut snapshot.mobile);
    mobile.networks.insert(net(home(0), 10), HomeNetwork::Virtual);
    let network = Arc::make_mut(&mut snapshot.net);
    network.routes.insert(net(AGENT, 24), Route::Connected(interface));
    let neighbour = NextHop { interface, address: AGENT };
    Arc::make_mut(&mut network.neighbours).insert(neighbour, MacAddr([2, 0, 0, 0, 0, 0x33]));
    snapshot
}

fn net(address: Ipv4Addr, length: u8) -> ipnet::Ipv4Net {
    ipnet::Ipv4Net::new_assert(address, length).trunc()
}
