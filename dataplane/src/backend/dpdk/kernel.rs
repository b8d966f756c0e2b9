//! The kernel device under a packet-socket port: its MTU, which DPDK's checks stop at 1500.

use std::{io, os::fd::AsRawFd};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// Sets the MTU of `device` in the calling thread's network namespace.
pub(super) fn set_mtu(device: &str, mtu: u16) -> io::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: the structure is plain bytes; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = request.ifr_name.iter_mut();
    if device.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_mtu = i32::from(mtu);
    // SAFETY: the socket is open and the request, whose name ends in a zero, lives through the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFMTU, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
