//! Tables that all workers share: fixed capacity, lock-free, one 128-bit word an entry.
//!
//! [`Word`] is what a slot holds, [`Table`] where it lies and every step that changes it, and `insert.rs` the only
//! multi-step one. Nothing here knows what the entries are: a subsystem's [`Entry`] gives the words their meaning.
//! `DESIGN.md` beside this file has the bits, the algorithm, why at most one slot of a key is live, and what is not
//! proved.

mod available;
mod cell;
mod entry;
mod insert;
mod memory;
mod slab;
mod slots;
mod usage;
mod word;

pub use cell::{Cell128, HeapStorage, PageStorage, Storage};
pub use entry::{ColdWords, Entry, Identity};
pub use insert::{Insert, NewEntry};
pub use memory::{CapacityError, Geometry, Shortage};
pub use slab::{Slab, SlabIndex};
pub use slots::{OptimisticRead, Slot, Table};
pub use usage::TableUsage;
pub use word::{Payload, Word};
