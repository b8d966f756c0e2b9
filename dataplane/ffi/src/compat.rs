//! Names that DPDK has dropped and capsule still uses.

use std::os::raw::c_int;

use crate::bindings;

/// Hash over IP addresses.
pub const ETH_RSS_IP: u64 = bindings::SHIM_RSS_IP;
/// Hash over TCP ports.
pub const ETH_RSS_TCP: u64 = bindings::SHIM_RSS_TCP;
/// Hash over UDP ports.
pub const ETH_RSS_UDP: u64 = bindings::SHIM_RSS_UDP;
/// Hash over SCTP ports.
pub const ETH_RSS_SCTP: u64 = bindings::SHIM_RSS_SCTP;
/// Buffers of one pool, never shared, are freed without a look at each.
pub const DEV_TX_OFFLOAD_MBUF_FAST_FREE: u64 = bindings::SHIM_TX_OFFLOAD_MBUF_FAST_FREE;

/// NUMA node of a CPU, as libnuma names the question; EAL has the answer, so libnuma is not needed.
///
/// # Safety
///
/// EAL must have been started.
pub unsafe fn numa_node_of_cpu(cpu: c_int) -> c_int {
    let lcore = u32::try_from(cpu).unwrap_or(0);
    let lcore = if lcore < bindings::SHIM_MAX_LCORE { lcore } else { 0 };
    // SAFETY: the index is below RTE_MAX_LCORE; EAL fills the table for every CPU when it starts.
    unsafe { bindings::rte_lcore_to_socket_id(lcore) as c_int }
}
