//! Server load balancing for Mobile IP: the state that all workers share, and the one routine that decides.
//!
//! `real` and `farm` are one atomic word each, `director` is the only place that moves a session from one state
//! to another; the worker's Mobile IP stage and control's sweeper both call it.

mod director;
mod farm;
mod real;
mod vserver;

pub use director::{Director, Outcome, Request};
pub use farm::{FarmLive, PickError};
pub use real::{RealLive, RealState};
pub use vserver::{SlbStats, VserverLive};
