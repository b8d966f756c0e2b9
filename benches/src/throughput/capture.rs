//! The traffic: a capture of RRQs, one a node, 118-byte frames as `net_pcap` reads them.

use std::{
    fs::File,
    io::{BufWriter, Write},
    net::Ipv4Addr,
    path::Path,
};

use common::mac::MacAddr;

/// Where the RRQs go.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
/// The port's address.
pub const DIRECTOR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Bytes of a frame, without FCS.
pub const FRAME: usize = 118;

const AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
const AGENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Writes `nodes` RRQs of as many nodes, in order, as a little-endian pcap file.
pub fn write(path: &Path, nodes: u32) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    for node in 0..nodes {
        for word in [0, 0, FRAME as u32, FRAME as u32] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame(node))?;
    }
    out.flush()
}

/// One node's RRQ: fixed part, NAI, MN-HA extension with an empty authenticator; UDP checksum 0.
pub fn frame(node: u32) -> [u8; FRAME] {
    let nai = format!("mip-user{node:09}@ispxyz.com");
    let mut bytes = Vec::with_capacity(FRAME);
    bytes.extend(DIRECTOR_MAC.0);
    bytes.extend(AGENT_MAC.0);
    bytes.extend([8, 0]);
    let length = (FRAME - 14) as u16;
    let mut ip = [0; 20];
    (ip[0], ip[8], ip[9]) = (0x45, 64, 17);
    ip[2..4].copy_from_slice(&length.to_be_bytes());
    ip[4..6].copy_from_slice(&(node as u16).to_be_bytes());
    ip[12..16].copy_from_slice(&AGENT.octets());
    ip[16..20].copy_from_slice(&VIP.octets());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ip[10..12].copy_from_slice(&(!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes());
    bytes.extend(ip);
    bytes.extend([1, 178, 1, 178]);
    bytes.extend((length - 20).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend([1, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(AGENT.octets());
    bytes.extend(0xc2b9_f5a0_u32.to_be_bytes());
    bytes.extend(node.to_be_bytes());
    bytes.extend([131, nai.len() as u8]);
    bytes.extend(nai.into_bytes());
    bytes.extend([32, 20, 0, 0, 1, 0]);
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(0))
}
