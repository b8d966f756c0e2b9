//! The kernel device under a packet-socket port: its MTU, which DPDK's checks stop at 1500, and its link, which DPDK takes
//! for up.

use std::{io, os::fd::AsRawFd};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// Sets the MTU of `device` in the calling thread's network namespace.
pub(super) fn set_mtu(device: &str, mtu: u16) -> io::Result<()> {
    let mut request = named(device)?;
    request.ifr_ifru.ifru_mtu = i32::from(mtu);
    ask(libc::SIOCSIFMTU, &mut request)
}

/// `device` of the calling thread's network namespace is up and has a carrier. From the driver, where it says so: the
/// flags follow up to a second later.
pub(super) fn runs(device: &str) -> io::Result<bool> {
    let mut request = named(device)?;
    ask(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel has filled in the flags.
    let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    let mut link = EthtoolValue { command: ETHTOOL_GLINK, value: 0 };
    request.ifr_ifru.ifru_data = (&raw mut link).cast();
    let carrier = match ask(libc::SIOCETHTOOL as libc::c_ulong, &mut request) {
        Ok(()) => link.value != 0,
        Err(_) => flags & libc::IFF_RUNNING != 0,
    };
    Ok(flags & libc::IFF_UP != 0 && carrier)
}

/// `struct ethtool_value` of linux/ethtool.h.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

const ETHTOOL_GLINK: u32 = 0x0a;

fn named(device: &str) -> io::Result<libc::ifreq> {
    // SAFETY: the structure is plain bytes; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = request.ifr_name.iter_mut();
    if device.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn ask(what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: the socket is open and the request, whose name ends in a zero, lives through the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), what, std::ptr::from_mut(request)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
