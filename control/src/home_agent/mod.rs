//! The home agent of Mobile IPv4 (RFC 5944).

pub mod registration;
