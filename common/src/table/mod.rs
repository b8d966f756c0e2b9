//! The session table that all workers share: fixed capacity, lock-free, one 128-bit word a session.
//!
//! [`Word`] is what a slot holds, [`Table`] where it lies and every step that changes it, and `insert.rs` the only
//! multi-step one. Nothing here knows reals, farms or timers: `slb::Director` gives the words their meaning.
//! `DESIGN.md` beside this file has the algorithm, why at most one slot of an identity is live, and what is not proved.

mod available;
mod cell;
mod insert;
mod memory;
mod slots;
mod word;

pub use cell::{Cell128, Cold, HeapStorage, PageStorage, Storage};
pub use insert::{Insert, Newcomer};
pub use memory::{CapacityError, Geometry, Shortage};
pub use slots::{Glimpse, Slot, Table};
pub use word::{Session, Word};
