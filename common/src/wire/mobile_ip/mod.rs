//! Mobile IPv4 messages (RFC 5944): the balancer's walk.

mod walk;

pub use walk::{Key, RRQ, RRQ_FIXED, Rrq, WalkError, walk};
