//! Bytes on the wire: total decoders and encoders, no policy.

pub mod mobile_ip;
