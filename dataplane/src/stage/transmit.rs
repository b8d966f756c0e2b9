//! The end of every frame: verdicts are counted, what leaves is grouped by port and given to the devices.

use arrayvec::ArrayVec;
use common::{id::PortId, verdict::Verdict};

use crate::{
    backend::{BURST, Burst, Frame, PortQueue},
    batch::{Batch, Exit, Next},
    counts::Counts,
};

/// How often a full transmit ring is tried again before frames are dropped.
const TRIES: usize = 4;

/// Frames that wait for one port, with the verdict that each will have once sent (`None`: not a received packet)
/// and its length.
#[derive(Debug)]
pub struct Outbox<F> {
    frames: Burst<F>,
    tags: ArrayVec<(Option<Verdict>, u32), BURST>,
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self { frames: Burst::new(), tags: ArrayVec::new() }
    }
}

/// Ends every frame of the batch. What leaves waits in `outboxes`, which are by port like `queues`.
pub fn run<Q: PortQueue>(
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    outboxes: &mut [Outbox<Q::Frame>],
    counts: &mut Counts,
) {
    if let Some(exit) = batch.single_egress.take() {
        return all(exit, batch, queues, outboxes, counts);
    }
    for (frame, next, egress) in batch.finish() {
        match next {
            Next::Transmit(verdict) => push(frame, Some(verdict), egress, queues, outboxes, counts),
            Next::Drop(verdict) => counts.end(verdict),
            Next::Classify | Next::MobileIp | Next::Forward | Next::Local | Next::Punt => {
                unreachable!("every stage sends all its frames on")
            }
        }
    }
}

/// Sends a whole batch that leaves alike.
fn all<Q: PortQueue>(
    Exit { port, verdict }: Exit,
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    outboxes: &mut [Outbox<Q::Frame>],
    counts: &mut Counts,
) {
    if let (Some(queue), Some(outbox)) = (queues.get_mut(port.index()), outboxes.get_mut(port.index()))
        && outbox.frames.is_empty()
    {
        let bytes = |frames: &[Q::Frame]| frames.iter().map(|frame| frame.total_len() as u64).sum::<u64>();
        let before = bytes(&batch.frames);
        let taken = queue.transmit(&mut batch.frames) as u64;
        counts.ends(verdict, taken);
        if let Some(cell) = counts.port(port) {
            cell.tx_packets += taken;
            cell.tx_bytes += before - bytes(&batch.frames);
        }
    }
    // What the device did not take at once is tried again as usual.
    for frame in batch.frames.drain(..) {
        push(frame, Some(verdict), port, queues, outboxes, counts);
    }
}

/// Puts one frame into its port's outbox; a full one is sent first.
pub fn push<Q: PortQueue>(
    frame: Q::Frame,
    verdict: Option<Verdict>,
    port: PortId,
    queues: &mut [Q],
    outboxes: &mut [Outbox<Q::Frame>],
    counts: &mut Counts,
) {
    let (Some(queue), Some(outbox)) = (queues.get_mut(port.index()), outboxes.get_mut(port.index())) else {
        match verdict {
            Some(_) => counts.end(Verdict::TX_DOWN),
            None => counts.inject_refused += 1,
        }
        return;
    };
    if outbox.frames.is_full() {
        flush(queue, outbox, counts);
    }
    outbox.tags.push((verdict, frame.total_len() as u32));
    outbox.frames.push(frame);
}

/// Gives all waiting frames to the device; those that it does not take are dropped.
pub fn flush<Q: PortQueue>(queue: &mut Q, outbox: &mut Outbox<Q::Frame>, counts: &mut Counts) {
    let port = queue.port();
    for _ in 0..TRIES {
        if outbox.frames.is_empty() {
            return;
        }
        let taken = queue.transmit(&mut outbox.frames);
        let mut bytes = 0;
        for (verdict, length) in outbox.tags.drain(..taken) {
            bytes += u64::from(length);
            match verdict {
                Some(verdict) => counts.end(verdict),
                None => counts.injected += 1,
            }
        }
        if let Some(cell) = counts.port(port) {
            cell.tx_packets += taken as u64;
            cell.tx_bytes += bytes;
        }
    }
    if let Some(cell) = counts.port(port) {
        cell.tx_full += outbox.frames.len() as u64;
    }
    outbox.frames.clear();
    for (verdict, _) in outbox.tags.drain(..) {
        match verdict {
            Some(_) => counts.end(Verdict::TX_FULL),
            None => counts.inject_tx_full += 1,
        }
    }
}
