//! Bytes on the wire: total decoders and encoders, no policy.
//!
//! Fixed headers are `zerocopy` views, valid at any alignment: `parse` gives the header and what follows it, and
//! refuses only bytes that cannot be such a header at all. Mobile IP messages are in [`mobile_ip`].

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod mobile_ip;
pub mod tcp;
pub mod udp;

/// The bytes are not such a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than the header has.
    #[error("{header}: {got} bytes, {need} needed")]
    Short {
        /// Name of the header.
        header: &'static str,
        /// Bytes that it has.
        need: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// A field that must have another value.
    #[error("{header}: {field} is {value}")]
    Field {
        /// Name of the header.
        header: &'static str,
        /// Name of the field.
        field: &'static str,
        /// What it says.
        value: u32,
    },
}
