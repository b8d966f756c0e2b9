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

/// What the launcher needs: to become another user, and to kill what that user has started.
const LAUNCHER: [Capability; 3] = [Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_KILL];

/// What of that a child of the launcher needs until it is another user.
const LAUNCHED: [Capability; 2] = [Capability::CAP_SETUID, Capability::CAP_SETGID];

/// Drops what the launcher does not need. No program that it starts has more than [`LAUNCHED`], whoever it runs as.
///
/// # Errors
/// What the kernel says: it would be more than it should.
pub fn keep_for_launcher() -> Result<(), CapsError> {
    nix::sys::prctl::set_no_new_privs().map_err(|error| CapsError::from(error.to_string()))?;
    try_keep(&HashSet::from(LAUNCHER), &HashSet::from(LAUNCHED), &HashSet::new())
}

/// As [`drop_all`], where to go on with more is worse than not to.
///
/// # Errors
/// What the kernel says.
pub fn leave_none() -> Result<(), CapsError> {
    try_keep(&HashSet::new(), &HashSet::new(), &HashSet::new())
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
    if let Err(error) = try_keep(wanted, &HashSet::new(), wanted) {
        tracing::warn!("privileges are not dropped: {error}");
    }
}

/// Of what is held: what stays, what programs that are started inherit, and what they may have at most.
fn try_keep(wanted: &CapsHashSet, inherited: &CapsHashSet, bounding: &CapsHashSet) -> Result<(), CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let of_held = |wanted: &CapsHashSet| held.intersection(wanted).copied().collect::<CapsHashSet>();
    let kept = of_held(wanted);
    caps::clear(None, CapSet::Ambient)?;
    // First, for it may not grow beyond the bounding set.
    caps::set(None, CapSet::Inheritable, &of_held(inherited))?;
    if held.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::all().difference(&of_held(bounding)) {
            // The kernel may be older than the list.
            let _ = caps::drop(None, CapSet::Bounding, *capability);
        }
    }
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
