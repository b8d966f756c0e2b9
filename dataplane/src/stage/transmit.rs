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

/// What a frame counts as once it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// A received packet that ends so.
    Received(Verdict),
    /// A copy of one.
    Replica,
    /// A frame of the host.
    Host,
}

/// Frames that wait for one port, each with its account and its length.
#[derive(Debug)]
pub struct TxBuffer<F> {
    frames: Burst<F>,
    tags: ArrayVec<(Account, u32), BURST>,
}

impl<F> Default for TxBuffer<F> {
    fn default() -> Self {
        Self { frames: Burst::new(), tags: ArrayVec::new() }
    }
}

impl Account {
    #[inline]
    fn sent(self, counts: &mut Counts) {
        match self {
            Self::Received(verdict) => counts.end(verdict),
            Self::Replica => counts.replicas += 1,
            Self::Host => counts.injected += 1,
        }
    }

    #[cold]
    fn refused(self, counts: &mut Counts) {
        match self {
            Self::Received(_) => counts.end(Verdict::TX_DOWN),
            Self::Replica => counts.replicas_dropped += 1,
            Self::Host => counts.inject_refused += 1,
        }
    }

    #[cold]
    fn full(self, counts: &mut Counts) {
        match self {
            Self::Received(_) => counts.end(Verdict::TX_FULL),
            Self::Replica => counts.replicas_dropped += 1,
            Self::Host => counts.inject_tx_full += 1,
        }
    }
}

/// Ends every received frame of the batch. What leaves waits in `tx_buffers`, which are by port like `queues`.
pub fn run<Q: PortQueue>(
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) {
    if let Some(exit) = batch.single_egress.take() {
        return all(exit, batch, queues, tx_buffers, counts);
    }
    for (frame, next, egress) in batch.finish() {
        match next {
            Next::Transmit(verdict) => {
                push(frame, Account::Received(verdict), egress, queues, tx_buffers, counts);
            }
            Next::Drop(verdict) => counts.end(verdict),
            Next::To(_) | Next::Host => counts.end(Verdict::UNENDED),
        }
    }
}

/// Ends every frame of a batch of the host's; what stages dropped counts as refused.
pub fn host<Q: PortQueue>(
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) {
    for (frame, next, egress) in batch.finish() {
        match next {
            Next::Host | Next::Transmit(_) => push(frame, Account::Host, egress, queues, tx_buffers, counts),
            Next::To(_) | Next::Drop(_) => Account::Host.refused(counts),
        }
    }
}

/// Puts the copies that a stage made into their tx_buffers.
#[cold]
pub fn replicas<Q: PortQueue>(
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) {
    let (replicas, refused) = batch.take_replicas();
    counts.replicas_dropped += refused;
    for (frame, egress) in replicas {
        push(frame, Account::Replica, egress, queues, tx_buffers, counts);
    }
}

/// Sends a whole batch that leaves alike.
fn all<Q: PortQueue>(
    Exit { port, verdict }: Exit,
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) {
    if let (Some(queue), Some(tx_buffer)) = (queues.get_mut(port.index()), tx_buffers.get_mut(port.index()))
        && tx_buffer.frames.is_empty()
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
        push(frame, Account::Received(verdict), port, queues, tx_buffers, counts);
    }
}

/// Puts one frame into its port's tx_buffer; a full one is sent first.
// A call would cost more than the work: its arguments do not fit into registers.
#[inline(always)]
pub fn push<Q: PortQueue>(
    frame: Q::Frame,
    account: Account,
    port: PortId,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) {
    let (Some(queue), Some(tx_buffer)) = (queues.get_mut(port.index()), tx_buffers.get_mut(port.index()))
    else {
        return account.refused(counts);
    };
    if tx_buffer.frames.is_full() {
        flush(queue, tx_buffer, counts);
    }
    tx_buffer.tags.push((account, frame.total_len() as u32));
    tx_buffer.frames.push(frame);
}

/// Gives all waiting frames to the device; those that it does not take are dropped.
#[inline(never)]
pub fn flush<Q: PortQueue>(queue: &mut Q, tx_buffer: &mut TxBuffer<Q::Frame>, counts: &mut Counts) {
    let port = queue.port();
    for _ in 0..TRIES {
        if tx_buffer.frames.is_empty() {
            return;
        }
        let taken = queue.transmit(&mut tx_buffer.frames);
        let mut bytes = 0;
        for (account, length) in tx_buffer.tags.drain(..taken) {
            bytes += u64::from(length);
            account.sent(counts);
        }
        if let Some(cell) = counts.port(port) {
            cell.tx_packets += taken as u64;
            cell.tx_bytes += bytes;
        }
    }
    if let Some(cell) = counts.port(port) {
        cell.tx_full += tx_buffer.frames.len() as u64;
    }
    tx_buffer.frames.clear();
    for (account, _) in tx_buffer.tags.drain(..) {
        account.full(counts);
    }
}
