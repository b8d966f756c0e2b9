//! Mobile IPv4 messages (RFC 5944): the balancer's walk, and whole messages for those that make or answer them.

pub mod auth;
mod code;
mod extension;
mod fixed;
mod message;
mod plain;
mod shape;
mod timestamp;
pub mod tunnel_data;
mod walk;

pub use code::{Code, Flags};
pub use extension::{
    AuthKind, CHALLENGE, CRITICAL_VENDOR, Extension, GENERALISED, MN_AAA, NORMAL_VENDOR, UDP_TUNNEL_REQUEST,
    Vendor,
};
pub use fixed::{ReplyFixed, RequestFixed, append_challenge, append_nai};
pub use message::{DecodeError, EncodeError, Message, RRP, RRP_FIXED, Reply, Request};
pub use plain::{Plain, plain};
pub use shape::{DYNAMIC_HA, Extensions, Located, NAI};
pub use timestamp::{NTP_EPOCH, timestamp};
pub use walk::{NodeKey, RRQ, RRQ_FIXED, Rrq, WalkError, walk};
