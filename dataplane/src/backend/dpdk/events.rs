//! What drivers tell of their own accord, from DPDK's interrupt thread: a link has changed, a device is gone.

use std::{
    os::raw::{c_int, c_void},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use capsule_ffi as ffi;
use common::port::PortError;

use super::port::Calls;

/// Ports of DPDK by number: the driver said that the device is gone.
static REMOVED: [AtomicBool; ffi::RTE_MAX_ETHPORTS as usize] =
    [const { AtomicBool::new(false) }; ffi::RTE_MAX_ETHPORTS as usize];

static LISTENER: Mutex<Option<Box<dyn Fn() + Send + Sync>>> = Mutex::new(None);

/// Turns on what interrupts the device has.
pub(super) fn ask_for(conf: &mut ffi::rte_eth_conf, device: &ffi::rte_eth_dev_info) {
    // SAFETY: null, or the driver's flags, which live as long as the port.
    let flags = unsafe { device.dev_flags.as_ref() }.copied().unwrap_or(0);
    conf.intr_conf.set_lsc(u32::from(flags & ffi::SHIM_DEV_INTR_LSC != 0));
    conf.intr_conf.set_rmv(u32::from(flags & ffi::SHIM_DEV_INTR_RMV != 0));
}

/// Hears of the events of the port `dev` that `conf` turned on.
pub(super) fn listen(call: &Calls<'_>, dev: u16, conf: &ffi::rte_eth_conf) -> Result<(), PortError> {
    let lsc = (conf.intr_conf.lsc() != 0).then_some(ffi::SHIM_EVENT_INTR_LSC);
    let rmv = (conf.intr_conf.rmv() != 0).then_some(ffi::SHIM_EVENT_INTR_RMV);
    for event in [lsc, rmv].into_iter().flatten() {
        // SAFETY: the port exists; the function is of the process and takes no argument of ours.
        call.run("rte_eth_dev_callback_register", || unsafe {
            ffi::rte_eth_dev_callback_register(dev, event, Some(happened), ptr::null_mut())
        })?;
    }
    Ok(())
}

/// Calls `f` at each event from here on.
pub(super) fn tell(f: Box<dyn Fn() + Send + Sync>) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(f);
}

/// Whether the driver said that the device is gone.
pub(super) fn is_removed(dev: u16) -> bool {
    REMOVED.get(usize::from(dev)).is_some_and(|removed| removed.load(Relaxed))
}

/// The number may be another device's next.
pub(super) fn forget(dev: u16) {
    if let Some(removed) = REMOVED.get(usize::from(dev)) {
        removed.store(false, Relaxed);
    }
}

/// DPDK calls it for every event that was asked for.
pub(super) extern "C" fn happened(
    dev: u16,
    event: ffi::rte_eth_event_type::Type,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    if event == ffi::SHIM_EVENT_INTR_RMV
        && let Some(removed) = REMOVED.get(usize::from(dev))
    {
        removed.store(true, Relaxed);
    }
    if let Some(listener) = &*LISTENER.lock().unwrap_or_else(PoisonError::into_inner) {
        listener();
    }
    0
}
