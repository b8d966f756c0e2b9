//! Server load balancing for Mobile IP: the state that all workers share, and the one routine that decides.
//!
//! `real` and `farm` are one atomic word each, `balancer` is the only place that moves a session from one state
//! to another; the worker's Mobile IP stage and control's sweeper both call it.

mod account;
mod balancer;
mod client_rate;
mod facts;
mod failures;
mod farm;
mod foreign_agents;
mod identity;
mod keyed_hash;
mod part;
mod real;
mod request;
mod session;
mod sessions;
mod verdicts;
mod vserver;

pub use crate::table::{Identity, Slot};
pub use balancer::{Alarm, BATCH, Balancer, Shedding};
pub use client_rate::{Cell64, ClientRate};
pub use facts::{Probe, RealState};
pub use farm::{FarmLive, Peek, PickError, Picked, Purpose};
pub use foreign_agents::{ForeignAgents, Source};
pub use hw::PageBacking;
pub use identity::{IdentityTag, KeySpace, SessionKey, display_hash, display_hashes};
pub use part::{ClientRule, Farm, Predictor, Real, SlbPart, Target, VirtualServer};
pub use real::{RealLive, RealSettings, RealStatus};
pub use request::{Outcome, Request, SessionEnd, SessionInfo};
pub use session::Session;
pub use verdicts::OWNER;
pub(crate) use verdicts::VERDICTS;
pub use vserver::{SlbCounter, SlbStats, VserverCounter, VserverLive};
