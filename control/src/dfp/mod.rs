//! Dynamic Feedback Protocol (draft-eck-dfp-01): agents report weights of servers, a manager balances by them.
//!
//! `packet` is the bytes, `security` the keys, `stream` the framing on TCP.

pub mod counter;
pub mod packet;
pub mod security;
