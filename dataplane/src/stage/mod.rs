//! One step a file: a function over the frames of a batch that wait for it, listed in `stages`.
//!
//! `fast_path` sends on the usual packets at once; the others wait for `parse`. The worker runs the first stage of the list
//! that has frames until none has any; each sends its frames on, `reentry` back to the start if they were in another packet.
//! `transmit` takes what ended, counts its verdict and buffers what leaves. `new_sessions` is a part of `mobile_ip`; `answer`
//! is no stage but the generator of all answers.

pub mod answer;
pub mod classify;
pub mod fast_path;
pub mod forward;
pub mod local;
pub mod mobile_ip;
mod new_sessions;
pub mod output;
pub mod parse;
pub mod path_mtu;
pub mod punt;
pub mod reassemble;
pub mod reentry;
pub mod registration;
pub mod stages;
pub mod transmit;
pub mod tunnel_in;
pub mod tunnel_out;

use arc_swap::ArcSwap;
use common::{
    id::{PortId, WorkerId},
    ring::FrameSender,
    snapshot::Snapshot,
    tables::TablesRef,
    time::Nanos,
};

use crate::{
    limit::{EventSender, ReplyLimiter},
    reassembly::Reassembly,
};

/// No port.
pub const HOST: PortId = PortId(u16::MAX);

/// What the stages see beside the frames, for one burst.
#[derive(Debug)]
pub struct Context<'a> {
    /// The worker that runs them.
    pub worker: WorkerId,
    /// The configuration and the network.
    pub snapshot: &'a Snapshot,
    /// Where a newer snapshot may be.
    pub published: &'a ArcSwap<Snapshot>,
    /// Every subsystem's.
    pub tables: TablesRef<'a>,
    /// The time of this burst.
    pub now: Nanos,
    /// The port on which the burst came; [`HOST`] for frames of the host.
    pub port: PortId,
    /// The ring to the kernel.
    pub punt: &'a mut FrameSender,
    /// The ring to the home agent, if there is one.
    pub registrations: Option<&'a mut FrameSender>,
    /// Parts of packets to ourselves.
    pub reassembly: &'a mut Reassembly,
    /// Limits of what is answered.
    pub replies: &'a mut ReplyLimiter,
    /// Events for control.
    pub events: &'a mut EventSender,
}

impl Context<'_> {
    /// The same with another snapshot.
    fn with<'b>(&'b mut self, snapshot: &'b Snapshot) -> Context<'b> {
        Context {
            worker: self.worker,
            snapshot,
            published: self.published,
            tables: self.tables,
            now: self.now,
            port: self.port,
            punt: self.punt,
            registrations: self.registrations.as_deref_mut(),
            reassembly: self.reassembly,
            replies: self.replies,
            events: self.events,
        }
    }
}
