//! One step a file: a function over the frames of a batch that wait for it.
//!
//! `fast_path` sends on the usual packets at once; `parse` gives the others their first [`Next`](crate::batch::Next); `classify`, `mobile_ip`, `forward`, `local`
//! and `punt` take the frames sent to them and send each on exactly once; `transmit` takes what ended, counts
//! its verdict and buffers what leaves. `new_sessions` is a part of `mobile_ip`, `answer` is no stage but the generator of all answers.

pub mod answer;
pub mod classify;
pub mod fast_path;
pub mod forward;
pub mod local;
pub mod mobile_ip;
mod new_sessions;
pub mod parse;
pub mod punt;
pub mod transmit;

use arc_swap::ArcSwap;
use common::{
    id::{PortId, WorkerId},
    slb::Director,
    snapshot::Snapshot,
    time::Nanos,
};

use crate::limit::{EventSender, ReplyLimiter};

/// What the stages see beside the frames, for one burst.
#[derive(Debug)]
pub struct Context<'a> {
    /// Whose burst it is.
    pub worker: WorkerId,
    /// The configuration and the network.
    pub snapshot: &'a Snapshot,
    /// Where a newer snapshot may be.
    pub published: &'a ArcSwap<Snapshot>,
    /// Sessions.
    pub director: &'a Director,
    /// The time of this burst.
    pub now: Nanos,
    /// The port on which the burst came.
    pub port: PortId,
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
            director: self.director,
            now: self.now,
            port: self.port,
            replies: self.replies,
            events: self.events,
        }
    }
}
