//! Bindings to DPDK 22.11 or later, with the old names that capsule 0.1.5 expects.
//!
//! capsule was written for DPDK 19.11. This crate takes the place of its binding crate: it is generated over
//! the installed headers, adds what was renamed or removed since (`compat`, `kni`, `eal`), and serves the
//! calls that the dataplane makes itself. DPDK's names are kept as they are.

mod compat;
mod eal;
mod kni;
mod mbuf;

#[allow(warnings, clippy::all, clippy::pedantic, missing_docs)]
mod bindings {
    use super::mbuf::rte_mbuf;

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
pub use compat::*;
pub use eal::rte_eal_init;
pub use kni::*;
pub use mbuf::rte_mbuf;

/// As in the C headers, for the one value that capsule names the old way.
#[allow(non_camel_case_types, missing_docs)]
pub mod rte_eth_rx_mq_mode {
    pub use super::bindings::rte_eth_rx_mq_mode::*;

    /// The name of `RTE_ETH_MQ_RX_RSS` up to 21.08.
    pub const ETH_MQ_RX_RSS: Type = super::bindings::SHIM_MQ_RX_RSS;
}
