//! The packet buffer. DPDK has regrouped its fields more than once without moving them; `shim.c` asserts
//! every offset against the installed headers.

use std::os::raw::c_void;

/// A segment of a packet (`rte_mbuf_core.h`).
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rte_mbuf {
    /// Start of the room.
    pub buf_addr: *mut c_void,
    /// The same for the device.
    pub buf_iova: u64,
    /// Where the data starts in the room.
    pub data_off: u16,
    /// References; atomic in C, read it by `shim_pktmbuf_refcnt`.
    pub refcnt: u16,
    /// Segments of the packet, valid in the first.
    pub nb_segs: u16,
    /// Port that it came from.
    pub port: u16,
    /// `RTE_MBUF_F_*`.
    pub ol_flags: u64,
    /// What the device parsed.
    pub packet_type: u32,
    /// Bytes in all segments, valid in the first.
    pub pkt_len: u32,
    /// Bytes in this segment.
    pub data_len: u16,
    /// Tag that was stripped or is to be inserted.
    pub vlan_tci: u16,
    /// RSS hash.
    pub hash_rss: u32,
    /// The rest of the union.
    pub hash_high: u32,
    /// Outer tag.
    pub vlan_tci_outer: u16,
    /// Bytes of room.
    pub buf_len: u16,
    /// Where it goes when it is freed.
    pub pool: *mut crate::bindings::rte_mempool,
    /// Next segment.
    pub next: *mut rte_mbuf,
    /// Bit field: 7 bits length of layer 2, 9 bits layer 3, 8 bits layer 4, and more.
    pub tx_offload: u64,
    /// Room that the application owns.
    pub shinfo: *mut c_void,
    /// Bytes between the header and the room.
    pub priv_size: u16,
    /// Precision time protocol.
    pub timesync: u16,
    /// Dynamic fields.
    pub dynfield1: [u32; 9],
}

const _: () = assert!(size_of::<rte_mbuf>() == 128);
