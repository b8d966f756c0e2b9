//! Dynamic Feedback Protocol (draft-eck-dfp-01): agents report weights of servers, a manager balances by them.
//!
//! `packet` is the bytes, `security` the keys, `stream` the framing on TCP, `inbound` all three as the receiving half
//! of a connection.

pub mod agent;
pub mod config;
pub mod counter;
pub mod debug;
pub mod inbound;
pub mod log;
pub mod manager;
pub mod packet;
pub mod password;
pub mod security;
pub mod stream;
pub mod view;
