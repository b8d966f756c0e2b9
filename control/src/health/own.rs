//! Conditions of the process itself, which belong to no subsystem.

use super::{Condition, condition};

/// Tasks of a subsystem have died and rest before they are started again.
pub static TASKS_DIED: Condition =
    condition!("tasks-died", "Tasks of a subsystem that died", after: 0, above: none, unready: false);

/// A worker that moves does not take the newest snapshot. One that stands still is found before.
pub static WORKER_BEHIND: Condition =
    condition!("worker-behind", "A worker with an old configuration", after: 5, above: none, unready: false);

/// The kernel device under a port was given an address.
pub static DEVICE_ADDRESS: Condition = condition!(
    "device-address",
    "A kernel device under a port that was given an address",
    after: 0, above: none, unready: true
);

/// Few file descriptors are left: what needs a new one may fail.
pub static DESCRIPTORS: Condition = condition!("descriptors", "The process runs out of file descriptors", after: 0, above: 80, unready: false);

/// Whoever starts scripts for the process has ended; its end is a line of its own in the log.
pub static LAUNCHER_ENDED: Condition =
    condition!("launcher-ended", "No script is started", after: 0, above: none, unready: false).quiet();

/// All of them.
pub fn own() -> [&'static Condition; 5] {
    [&TASKS_DIED, &WORKER_BEHIND, &DEVICE_ADDRESS, &DESCRIPTORS, &LAUNCHER_ENDED]
}
