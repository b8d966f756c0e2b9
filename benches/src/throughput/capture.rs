//! The traffic: RRQs, one a node, 118-byte frames with a NAI of 28 bytes and Mobile-Home authentication, as the
//! generator's bundled scenario `capture` makes them.

use std::{
    fs::File,
    io::{BufWriter, Write},
    net::Ipv4Addr,
    path::Path,
};

use anyhow::ensure;
use common::mac::MacAddr;
use pktgen::{pcap, scenario::Scenario};

/// Where the RRQs go.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
/// The port's address.
pub const DIRECTOR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Bytes of a frame, without FCS.
pub const FRAME: usize = 118;

/// Headers of a capture file and of a frame in it.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Writes `nodes` RRQs of as many nodes, in order, as `net_pcap` reads them.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, nodes: u32) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    generate(nodes, &mut out)?;
    out.flush()?;
    Ok(())
}

/// The same frames in memory.
///
/// # Errors
/// If the scenario makes other frames.
pub fn frames(nodes: u32) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut file = Vec::new();
    generate(nodes, &mut file)?;
    let records = file[FILE_HEADER..].chunks_exact(RECORD_HEADER + FRAME);
    Ok(records.map(|record| record[RECORD_HEADER..].to_vec()).collect())
}

fn generate(nodes: u32, out: &mut impl Write) -> anyhow::Result<()> {
    let scenario = Scenario::load(Path::new("capture"))?;
    let (frames, bytes) = pcap::write(&scenario, Some(nodes.into()), out)?;
    let record = (RECORD_HEADER + FRAME) as u64;
    ensure!(frames == u64::from(nodes) && bytes == FILE_HEADER as u64 + frames * record, "{bytes} bytes");
    Ok(())
}
