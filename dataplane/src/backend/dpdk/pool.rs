//! Packet buffers: one pool a NUMA node, sized so that every descriptor, burst and per-thread cache can be full
//! at once and the pool is still not dry.

use std::{ffi::CString, ptr::NonNull};

use capsule_ffi as ffi;
use common::{
    config::DataplaneConfig,
    port::{PoolInfo, PortError},
};

use super::{device::Device, error_text, fixed_text, log};
use crate::backend::BURST;

/// Buffers in a worker's cache; EAL fills it to half as many again before it flushes.
const CACHE: u32 = 256;
/// Buffers for what is held between queues: shared transmit queues, rings of the simulated wire, control.
const SLACK: u32 = 2048;
/// Bytes of header, private area and alignment of a buffer, at most.
const BUFFER_HEADER: u64 = 128 + 64 + 64;
const MB: u64 = 1 << 20;

/// What the pools must hold, known before EAL runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Buffers in the pool.
    pub buffers: u32,
    /// Bytes of data of each.
    pub room: usize,
}

impl Need {
    /// By the configuration: descriptors of all queues, and for each worker its vectors and cache.
    pub fn from_config(config: &DataplaneConfig, devices: &[Device]) -> Result<Self, PortError> {
        let workers = u32::from(config.workers);
        let queues = |asked: Option<u16>| u32::from(asked.unwrap_or(u16::from(config.workers)));
        let descriptors: u32 = config
            .ports
            .iter()
            .map(|port| {
                queues(port.rx_queues) * u32::from(port.rx_descriptors)
                    + queues(port.tx_queues) * u32::from(port.tx_descriptors)
            })
            .sum();
        let a_worker = CACHE * 3 / 2 + BURST as u32 * (config.ports.len() as u32 + 2);
        let room = config.ports.iter().zip(devices).map(|(port, device)| device.room(port.mtu)).max();
        let mut need = Self { buffers: descriptors + workers * a_worker + SLACK, room: room.unwrap_or(2048) };
        if let Some(memory) = config.memory_mb {
            let reason = format!("the configuration allows {memory} MB");
            if need.megabytes() > u64::from(memory) {
                return Err(PortError::Memory { needed_mb: need.megabytes(), reason });
            }
            let fitting = u64::from(memory) * MB / need.buffer_bytes();
            need.buffers = u32::try_from(fitting).unwrap_or(u32::MAX).max(need.buffers);
        }
        Ok(need)
    }

    /// Memory in MB, rounded up.
    pub fn megabytes(&self) -> u64 {
        (u64::from(self.buffers) * self.buffer_bytes()).div_ceil(MB)
    }

    fn buffer_bytes(&self) -> u64 {
        self.room as u64 + u64::from(ffi::RTE_PKTMBUF_HEADROOM) + BUFFER_HEADER
    }
}

/// A pool in the memory of one NUMA node.
#[derive(Debug)]
pub(super) struct Pool {
    raw: NonNull<ffi::rte_mempool>,
    /// NUMA node.
    pub socket: i32,
    /// Bytes of data of a buffer.
    pub room: usize,
}

// SAFETY: a pool is a lock-free structure made to be used by all threads; the pointer stays valid until `free`.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes the pool of NUMA node `socket`.
    pub fn new(socket: i32, need: Need) -> Result<Self, PortError> {
        let name = CString::new(format!("packets{socket}")).unwrap_or_default();
        let data_room = need.room + ffi::RTE_PKTMBUF_HEADROOM as usize;
        let memory = |reason: String| PortError::Memory { needed_mb: need.megabytes(), reason };
        let data_room =
            u16::try_from(data_room).map_err(|_| memory(format!("a buffer of {data_room} bytes")))?;
        // SAFETY: EAL runs, the name lives through the call.
        let (raw, said) = log::capture(|| unsafe {
            ffi::rte_pktmbuf_pool_create(name.as_ptr(), need.buffers, CACHE, 0, data_room, socket)
        });
        let raw = NonNull::new(raw).ok_or_else(|| memory(log::reason(said, || error_text(-1))))?;
        Ok(Self { raw, socket, room: need.room })
    }

    /// The pool as DPDK knows it.
    pub fn raw(&self) -> NonNull<ffi::rte_mempool> {
        self.raw
    }

    /// Name, size and fill.
    pub fn info(&self) -> PoolInfo {
        // SAFETY: the pool lives; name and size never change.
        let (name, size) = unsafe { (fixed_text(&self.raw.as_ref().name), self.raw.as_ref().size) };
        // SAFETY: the pool lives; the count is a sum of atomics and caches, approximate under traffic.
        let free = unsafe { ffi::rte_mempool_avail_count(self.raw.as_ptr()) };
        PoolInfo { name, size, free, room: self.room as u16 + ffi::RTE_PKTMBUF_HEADROOM as u16 }
    }

    /// Buffers that are out.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool lives.
        unsafe { ffi::rte_mempool_in_use_count(self.raw.as_ptr()) }
    }

    /// Gives the memory back. No buffer may be out and nobody may use the pool any more.
    pub fn free(self) {
        // SAFETY: the pool lives, and consuming it makes this the last use.
        unsafe { ffi::rte_mempool_free(self.raw.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::dpdk::tests::config;

    fn need(config: &DataplaneConfig) -> Result<Need, PortError> {
        let devices: Vec<Device> = config.ports.iter().map(|port| Device::new(port, 1)).collect();
        Need::from_config(config, &devices)
    }

    #[test]
    fn every_descriptor_vector_and_cache_has_a_buffer() {
        let mut config = config(&["net_ring0", "net_null0"]);
        config.workers = 2;
        config.ports[1].rx_queues = Some(1);
        config.ports[1].mtu = 9000;
        // 2 + 2 and 1 + 2 queues of 1024 descriptors.
        let descriptors = 7 * 1024;
        assert_eq!(
            need(&config).unwrap(),
            Need { buffers: descriptors + 2 * (384 + 4 * 64) + 2048, room: 9216 }
        );
    }

    #[test]
    fn a_budget_is_kept_or_refused_with_figures() {
        let mut config = config(&["net_ring0"]);
        config.memory_mb = Some(4);
        let text = need(&config).unwrap_err().to_string();
        assert_eq!(text, "packet memory: 11 MB needed, the configuration allows 4 MB");
        config.memory_mb = Some(64);
        let need = need(&config).unwrap();
        assert_eq!(need.megabytes(), 64);
        assert!(need.buffers > 20_000);
    }
}
