//! The traffic: RRQs, one a node, 118-byte frames with a NAI of 28 bytes and Mobile-Home authentication, as the
//! generator's bundled scenario `capture` makes them.

use std::{
    fs::File,
    io::{BufWriter, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use common::mac::MacAddr;
use pktgen::{pcap, scenario::Scenario};

use super::{
    data,
    source::{Frames, Source},
};

/// Where the RRQs go.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
/// The foreign agent.
pub const AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
/// The port's address.
pub const DIRECTOR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Bytes of a frame, without FCS.
pub const FRAME: usize = 118;

/// A prime far from any number of nodes.
const SCATTER: u64 = 1_000_000_007;

/// Headers of a capture file and of a frame in it.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The file of a queue: with several, each has a share of the nodes, as a NIC's queues do.
pub fn of_source(path: &Path, queue: u8) -> PathBuf {
    if queue == 0 { path.to_owned() } else { path.with_extension(format!("{queue}.pcap")) }
}

/// Writes the frames of a source as `net_pcap` reads them: one a node in order, or for mixed traffic as many, of which each
/// fifth is a new node's and the others are those of known ones in a scattered order.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, source: &Source) -> anyhow::Result<()> {
    if source.frames == Frames::Data {
        return data::write(&of_source(path, 0), source.sessions);
    }
    let file = |queue| Ok::<_, anyhow::Error>(BufWriter::new(File::create(of_source(path, queue))?));
    if source.frames == Frames::Requests && source.workers == 1 {
        let mut out = file(0)?;
        generate(source.sessions, &mut out)?;
        out.flush()?;
        return Ok(());
    }
    let mut all = Vec::with_capacity(FILE_HEADER + source.sessions as usize * (RECORD_HEADER + FRAME));
    generate(source.sessions, &mut all)?;
    let (header, records) = all.split_at(FILE_HEADER);
    for queue in 0..source.workers {
        let mut out = file(queue)?;
        out.write_all(header)?;
        for at in (0..source.sessions).skip(queue.into()).step_by(source.workers.into()) {
            let node = if source.frames == Frames::Mixed { mixed(at, source.known()) } else { at };
            out.write_all(&records[node as usize * (RECORD_HEADER + FRAME)..][..RECORD_HEADER + FRAME])?;
        }
        out.flush()?;
    }
    Ok(())
}

/// The node of the frame `at` in mixed traffic.
fn mixed(at: u32, known: u32) -> u32 {
    let (group, place) = (at / 5, at % 5);
    if place == 4 {
        return known + group;
    }
    scattered(group * 4 + place, known)
}

/// The node at a place of a scattered order: a step that shares no factor with the number of nodes visits each once.
pub fn scattered(at: u32, nodes: u32) -> u32 {
    (u64::from(at) * SCATTER % u64::from(nodes)) as u32
}

/// The NAI of a node of the capture.
pub fn nai(node: u32) -> String {
    format!("mip-user{node:09}@ispxyz.com")
}

/// The frames of a source of one queue, in memory.
///
/// # Errors
/// If the scenario makes other frames.
pub fn frames(source: &Source) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut file = Vec::new();
    generate(source.sessions, &mut file)?;
    let records: Vec<&[u8]> = file[FILE_HEADER..].chunks_exact(RECORD_HEADER + FRAME).collect();
    let node = |at| if source.frames == Frames::Mixed { mixed(at, source.known()) } else { at };
    Ok((0..source.sessions).map(|at| records[node(at) as usize][RECORD_HEADER..].to_vec()).collect())
}

fn generate(nodes: u32, out: &mut impl Write) -> anyhow::Result<()> {
    let scenario = Scenario::load(Path::new("capture"))?;
    let (frames, bytes) = pcap::write(&scenario, Some(nodes.into()), out)?;
    let record = (RECORD_HEADER + FRAME) as u64;
    ensure!(frames == u64::from(nodes) && bytes == FILE_HEADER as u64 + frames * record, "{bytes} bytes");
    Ok(())
}
