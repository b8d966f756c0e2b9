//! Ports on DPDK, hosted by capsule.
//!
//! [`start`] brings up EAL, the pools and the ports of a configuration; [`Started::run_workers`], or
//! [`Started::run`] for other loops, gives each worker its queues and runs the workers' loops inside one capsule pipeline a core until the stop flag is set. Only this
//! folder names capsule or DPDK. Why capsule is the host and not the framework: `docs/decisions/0001-capsule-as-host.md`.
//!
//! EAL starts once in a process, and [`start`] and [`Started::run`] belong to the process's main thread.

#![allow(unsafe_code)]

mod control;
mod cores;
mod device;
mod eal;
mod events;
mod frame;
mod host;
mod hosted;
mod interrupts;
mod kernel;
mod log;
mod macs;
mod pool;
mod port;
mod queue;
mod reopen;
mod shared_tx;
mod sockets;
#[cfg(test)]
mod tests;

use std::{
    ffi::CStr,
    os::raw::{c_char, c_int},
};

pub use capsule::UnixSignal;
pub use frame::DpdkFrame;
pub use host::{Started, start};
pub use hosted::{Step, WorkerLoop};
pub use interrupts::in_interrupt_thread;
pub use queue::DpdkQueue;

/// The library in use, such as `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: returns a constant C string.
    unsafe { CStr::from_ptr(capsule_ffi::rte_version()) }.to_string_lossy().into_owned()
}

/// What DPDK calls the error: negative results are error numbers, -1 means `rte_errno`.
fn error_text(result: c_int) -> String {
    // SAFETY: reads a thread-local integer.
    let number = if result == -1 { unsafe { capsule_ffi::_rte_errno() } } else { -result };
    // SAFETY: returns a C string for every number, valid until the thread's next call; copied at once.
    let text = unsafe { CStr::from_ptr(capsule_ffi::rte_strerror(number)) };
    text.to_string_lossy().into_owned()
}

/// A C array of characters that ends at the first zero.
fn fixed_text(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|&c| c as u8).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
