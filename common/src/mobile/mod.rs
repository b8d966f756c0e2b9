//! The home agent's data path: which mobile nodes are away from home, and through which tunnels packets reach them.
//!
//! [`Bindings`] is shared by whoever registers nodes and by all workers; [`MobilePart`] says where home is.

mod bindings;
mod part;
mod tunnel;
mod verdicts;

pub use self::{
    bindings::{BindingRecord, Bindings, MAX_CARE_OF},
    part::MobilePart,
    tunnel::{Carrier, Tunnel},
    verdicts::OWNER,
};
pub(crate) use verdicts::VERDICTS;
