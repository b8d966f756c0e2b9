//! What is counted: so many packets of a kind through one worker.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use anyhow::ensure;
use clap::ValueEnum;
use common::{
    config::{Hugepages, Poll},
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
};
use dataplane::{clock::FakeClock, worker::Worker};
use serde::{Deserialize, Serialize};

use super::memory_port::MemoryQueue;
use crate::throughput::{
    capture,
    case::Mode,
    homeward::{create_sessions, snapshot},
    source::{Frames, Source},
};

/// Mobile nodes of the capture, and of the one whose every request is a new node's.
const NODES: [u32; 2] = [1024, 16_384];

/// A kind of traffic with a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// Repeated requests, MAC rewrite.
    Dispatched,
    /// Repeated requests, server NAT.
    Directed,
    /// Every request a new session; MAC rewrite.
    New,
    /// Four of five requests repeated, the fifth a new session; MAC rewrite.
    Mixed,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Dispatched, Self::Directed, Self::New, Self::Mixed];
}

/// Runs `bursts` bursts of 64 frames.
///
/// # Errors
/// If a packet was not forwarded as its kind says.
pub fn run(kind: Kind, bursts: u32) -> anyhow::Result<()> {
    let packets = bursts * 64;
    let (nodes, mode) = match kind {
        Kind::Dispatched => (NODES[0], Mode::Dispatched),
        Kind::Directed => (NODES[0], Mode::Directed),
        Kind::New | Kind::Mixed => (NODES[1], Mode::Dispatched),
    };
    ensure!(nodes == NODES[0] || packets <= nodes, "{packets} packets, {nodes} nodes");
    let frames = if kind == Kind::Mixed { Frames::Mixed } else { Frames::Requests };
    let source = Source { frames, ..Source::nodes(nodes) };
    let frames: Arc<[Vec<u8>]> = capture::frames(&source)?.into();
    let director = Balancer::new(nodes * 2, Hugepages::Off, 1, SessionKey::new([7; 16]))?;
    let (ends, control) = link(1, 1, Tables::new(director));
    let snapshot = snapshot(mode, 1);
    create_sessions(&control.tables.slb, &snapshot, source.known(), FakeClock::default().now().tick());
    control.snapshot.store(Arc::new(snapshot));
    let queue = MemoryQueue::new(frames);
    let sent = Arc::clone(&queue.sent);
    let mut ends = ends.into_iter();
    let mut worker = Worker::new(
        ends.next().ok_or_else(|| anyhow::anyhow!("a link has a worker's end"))?,
        vec![queue],
        Poll::Always,
        FakeClock::default(),
    );
    let received = worker.step(bursts as usize);
    let (sent, sessions) = (sent.load(Relaxed), control.tables.slb.occupancy());
    ensure!(received == packets as usize && sent == u64::from(packets), "{received} received, {sent} sent");
    let begun = if source.frames == Frames::Mixed { packets / 5 } else { nodes.min(packets) };
    ensure!(sessions == u64::from(source.known() + begun), "{sessions} sessions");
    Ok(())
}
