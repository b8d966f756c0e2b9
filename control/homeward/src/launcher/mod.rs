//! Starts scripts for a process that may start no program: a process of its own, begun before the privileges of `homeward
//! run` are dropped and its system calls filtered.
//!
//! `start` begins it, `server` is its loop, `rules` say which files it runs, `running` runs one, `launched` is what a child
//! does before it becomes the script, and `family` finds what scripts leave behind. The other end of the socket is
//! `control::launcher`.

mod family;
pub mod launched;
mod rules;
mod running;
mod server;
mod start;

pub use self::{
    server::{Arguments, run},
    start::start,
};
