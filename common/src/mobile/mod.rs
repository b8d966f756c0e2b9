//! The home agent's data path: which mobile nodes are away from home, and through which tunnels packets reach them.
//!
//! [`MobileTables`] are shared by whoever registers nodes and by all workers; [`MobilePart`] says where home is.

mod bindings;
mod part;
mod tables;
mod tunnel;
mod verdicts;

pub use self::{
    bindings::{BindingRecord, Bindings, MAX_CARE_OF},
    part::{HomeNetwork, MobilePart},
    tables::MobileTables,
    tunnel::{Carrier, Tunnel},
    verdicts::OWNER,
};
pub(crate) use verdicts::VERDICTS;
