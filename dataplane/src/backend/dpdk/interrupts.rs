//! EAL's thread for interrupts and alarms (`eal-intr-thread`). It is made when EAL starts, with all that the process
//! may do then, and only a callback of its own runs in it.

use std::{ffi::c_void, sync::mpsc, time::Duration};

use super::error_text;

/// The thread has nothing else to do when this is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done, and who waits for it.
struct Job(fn(), mpsc::Sender<()>);

/// Runs `f` in the thread, and waits until that is done.
///
/// # Errors
/// What DPDK says, or that the thread did not come to it.
pub fn in_interrupt_thread(f: fn()) -> Result<(), String> {
    let (done, wait) = mpsc::channel();
    let job = Box::into_raw(Box::new(Job(f, done)));
    // SAFETY: the callback alone takes the job over, once.
    let result = unsafe { capsule_ffi::rte_eal_alarm_set(1, Some(run), job.cast()) };
    if result != 0 {
        // SAFETY: no callback was registered, so it is still ours.
        drop(unsafe { Box::from_raw(job) });
        return Err(error_text(result));
    }
    wait.recv_timeout(PATIENCE).map_err(|_| "it does not run".to_owned())
}

unsafe extern "C" fn run(job: *mut c_void) {
    // SAFETY: made by `in_interrupt_thread` for this call, which is the only one.
    let Job(f, done) = *unsafe { Box::from_raw(job.cast::<Job>()) };
    f();
    // Nobody waits any more if it took too long.
    let _ = done.send(());
}
