//! The kernel NIC interface, which DPDK has removed: capsule names it, nothing can use it.

#![allow(non_camel_case_types, missing_docs, reason = "the names are those of DPDK")]

use std::os::raw::{c_char, c_int, c_uint};

use crate::{bindings::rte_mempool, mbuf::rte_mbuf};

/// `-ENOTSUP`.
const NOT_SUPPORTED: c_int = -95;

/// A device; none can exist.
#[repr(C)]
#[derive(Debug)]
pub struct rte_kni {
    _private: [u8; 0],
}

/// What a device was made from.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct rte_kni_conf {
    /// Name of the kernel device.
    pub name: [c_char; 32],
    pub group_id: u16,
    /// Size of a buffer.
    pub mbuf_size: u32,
    pub mac_addr: [u8; 6],
}

/// What the kernel asked of a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct rte_kni_ops {
    pub port_id: u16,
    pub change_mtu: Option<unsafe extern "C" fn(u16, c_uint) -> c_int>,
    /// Up or down.
    pub config_network_if: Option<unsafe extern "C" fn(u16, u8) -> c_int>,
    pub config_mac_address: Option<unsafe extern "C" fn(u16, *mut u8) -> c_int>,
    pub config_promiscusity: Option<unsafe extern "C" fn(u16, u8) -> c_int>,
}

/// Returns `-ENOTSUP`.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_init(_max: c_uint) -> c_int {
    NOT_SUPPORTED
}

/// Returns null.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_alloc(
    _pool: *mut rte_mempool,
    _conf: *const rte_kni_conf,
    _ops: *mut rte_kni_ops,
) -> *mut rte_kni {
    std::ptr::null_mut()
}

/// Returns `-ENOTSUP`.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_release(_kni: *mut rte_kni) -> c_int {
    NOT_SUPPORTED
}

/// Returns `-ENOTSUP`.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_handle_request(_kni: *mut rte_kni) -> c_int {
    NOT_SUPPORTED
}

/// Receives nothing.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_rx_burst(_kni: *mut rte_kni, _mbufs: *mut *mut rte_mbuf, _count: c_uint) -> c_uint {
    0
}

/// Takes nothing.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_tx_burst(_kni: *mut rte_kni, _mbufs: *mut *mut rte_mbuf, _count: c_uint) -> c_uint {
    0
}

/// An empty name.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_get_name(_kni: *const rte_kni) -> *const c_char {
    c"".as_ptr()
}

/// Does nothing.
///
/// # Safety
///
/// None needed.
pub unsafe fn rte_kni_close() {}
