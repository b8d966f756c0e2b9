//! Mobile IPv4 messages (RFC 5944): the balancer's walk, and whole messages for those that make or answer them.

pub mod auth;
mod code;
mod extension;
mod message;
mod plain;
mod shape;
pub mod tunnel_data;
mod walk;

pub use code::{Code, Flags};
pub use extension::{AuthKind, CHALLENGE, Extension, GENERALISED, MN_AAA, Vendor};
pub use message::{DecodeError, EncodeError, Message, RRP, RRP_FIXED, Reply, Request};
pub use plain::{Plain, plain};
pub use shape::{Extensions, Located};
pub use walk::{NodeKey, RRQ, RRQ_FIXED, Rrq, WalkError, walk};
