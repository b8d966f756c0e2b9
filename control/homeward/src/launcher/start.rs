//! Begins the launcher.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use control::launcher::LauncherProcess;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// This program, whatever has become of its file.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// Begins the launcher, which runs files of `scripts` as `user`, on one end of a pair of sockets.
///
/// From the main thread: the launcher hears of that thread's end.
///
/// # Errors
/// What the kernel says.
pub fn start(scripts: &Path, user: &str) -> io::Result<LauncherProcess> {
    let (socket, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut command = Command::new(PROGRAM);
    command.arg0("homeward").arg("launcher").arg("--scripts").arg(scripts).arg("--scripts-user").arg(user);
    let child = command.env_clear().stdin(theirs).stdout(Stdio::null()).spawn()?;
    Ok(LauncherProcess { socket, child })
}
