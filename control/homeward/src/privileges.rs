//! After the start a thread keeps only what it still needs: a fault in a parser must not own the machine.

use std::collections::HashSet;

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// What control needs: shadows, routes and neighbours, packet sockets, a low HTTP port, the group of its socket.
const CONTROL: [Capability; 4] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_CHOWN,
];

/// No program that this process starts gains anything by its file (set-user-ID, file capabilities). For every thread that is
/// started from here on.
pub fn forbid_new() {
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        tracing::warn!("no_new_privs is not set: {error}");
    }
}

/// Drops what control does not need, in this thread and those that it starts from here on.
pub fn keep_for_control() {
    keep(&HashSet::from(CONTROL));
}

/// Drops everything in this thread: a worker, or EAL's interrupt thread, touches only memory and descriptors that it already has.
pub fn drop_all() {
    keep(&HashSet::new());
}

fn keep(wanted: &CapsHashSet) {
    if let Err(error) = try_keep(wanted) {
        tracing::warn!("privileges are not dropped: {error}");
    }
}

fn try_keep(wanted: &CapsHashSet) -> Result<(), CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = held.intersection(wanted).copied().collect();
    if held.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::all().difference(&kept) {
            // The kernel may be older than the list.
            let _ = caps::drop(None, CapSet::Bounding, *capability);
        }
    }
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
