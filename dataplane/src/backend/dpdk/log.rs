//! What DPDK says: every line goes to the log at debug level, and the last ones are kept, because most of its
//! calls return a bare number and print the reason.

use std::{
    collections::VecDeque,
    os::raw::c_char,
    sync::{Mutex, PoisonError},
};

/// Lines kept.
const KEPT: usize = 8;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Takes DPDK's log over for the rest of the process.
pub(super) fn install() {
    // SAFETY: `sink` is a function of the process and neither unwinds nor keeps the text.
    let result = unsafe { capsule_ffi::shim_log_to(Some(sink)) };
    if result != 0 {
        tracing::warn!("DPDK's log stays on standard error");
    }
}

/// Gives the log back to standard error; EAL closes what it has open when it ends.
pub(super) fn uninstall() {
    // SAFETY: null is the documented way back.
    unsafe { capsule_ffi::shim_log_to(None) };
}

/// Runs `f` and returns with its result what DPDK said meanwhile, the last lines joined.
pub(super) fn capture<T>(f: impl FnOnce() -> T) -> (T, String) {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let result = f();
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let said: Vec<&str> = lines.iter().map(String::as_str).collect();
    (result, said.join("; "))
}

/// `said`, or `otherwise` if DPDK said nothing.
pub(super) fn reason(said: String, otherwise: impl FnOnce() -> String) -> String {
    if said.is_empty() { otherwise() } else { said }
}

extern "C" fn sink(text: *const c_char, length: usize) {
    // SAFETY: the C library hands a buffer of `length` bytes for the time of the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        tracing::debug!(target: "dpdk", "{line}");
        let Ok(mut recent) = RECENT.lock() else { return };
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(line.to_owned());
    }
}
