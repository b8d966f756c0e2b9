//! The kernel device under a port: whether it is still the same one, and of a packet socket its MTU, which DPDK's checks stop
//! at 1500, and its link, which DPDK takes for up.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// A device of the network namespace in which it was opened. What is asked of it needs no further file descriptor.
#[derive(Debug)]
pub(super) struct KernelDevice {
    name: String,
    socket: OwnedFd,
    /// As it was seen last.
    running: AtomicBool,
    /// Its number when the port was opened on it, and as it was seen last (0: not there).
    opened: u32,
    index: AtomicU32,
    /// The last look at it failed.
    unseen: AtomicBool,
}

impl KernelDevice {
    /// The device `name`, which may come later.
    pub fn new(name: &str) -> io::Result<Self> {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        let (running, index, unseen) = Default::default();
        let mut device = Self { name: name.to_owned(), socket, running, opened: 0, index, unseen };
        device.request()?;
        device.opened = device.index().unwrap_or(0);
        Ok(device)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number at this moment, if it is there; while the kernel does not say, the last answer stands.
    pub fn index(&self) -> Option<u32> {
        match self.look_up() {
            Ok(index) => {
                self.unseen.store(false, Relaxed);
                self.index.store(index, Relaxed);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => self.index.store(0, Relaxed),
            Err(error) => self.unseen(&error),
        }
        Some(self.index.load(Relaxed)).filter(|index| *index != 0)
    }

    /// Its number when the port was opened on it.
    pub fn opened(&self) -> u32 {
        self.opened
    }

    fn look_up(&self) -> io::Result<u32> {
        let mut request = self.request()?;
        self.ask(libc::SIOCGIFINDEX, &mut request)?;
        // SAFETY: the kernel has filled in the number.
        u32::try_from(unsafe { request.ifr_ifru.ifru_ifindex }).map_err(io::Error::other)
    }

    /// Sets its MTU.
    pub fn set_mtu(&self, mtu: u16) -> io::Result<()> {
        let mut request = self.request()?;
        request.ifr_ifru.ifru_mtu = i32::from(mtu);
        self.ask(libc::SIOCSIFMTU, &mut request)
    }

    /// It is up and has a carrier. A device that is not there does not run; while the kernel does not say, for want of
    /// memory for example, that is no news of the link: the last answer stands.
    pub fn is_running(&self) -> bool {
        match self.runs() {
            Ok(running) => self.running.store(running, Relaxed),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => self.running.store(false, Relaxed),
            Err(error) => self.unseen(&error),
        }
        self.running.load(Relaxed)
    }

    /// It could not be looked at, which is said once, and again after a look that succeeded.
    fn unseen(&self, error: &io::Error) {
        if !self.unseen.swap(true, Relaxed) {
            let mnemonic = "LINK-4-UNSEEN";
            tracing::warn!(
                mnemonic,
                "{}: the kernel does not say how it is, what it said last stands: {error}",
                self.name
            );
        }
    }

    /// From the driver, where it says so: the flags follow up to a second later.
    fn runs(&self) -> io::Result<bool> {
        let mut request = self.request()?;
        self.ask(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has filled in the flags.
        let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
        let mut link = EthtoolValue { command: ETHTOOL_GLINK, value: 0 };
        request.ifr_ifru.ifru_data = (&raw mut link).cast();
        let carrier = match self.ask(libc::SIOCETHTOOL as libc::c_ulong, &mut request) {
            Ok(()) => link.value != 0,
            Err(_) => flags & libc::IFF_RUNNING != 0,
        };
        Ok(flags & libc::IFF_UP != 0 && carrier)
    }

    fn request(&self) -> io::Result<libc::ifreq> {
        // SAFETY: the structure is plain bytes; all zero is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name = request.ifr_name.iter_mut();
        if self.name.len() >= name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in name.zip(self.name.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(request)
    }

    fn ask(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the socket is open and the request, whose name ends in a zero, lives through the call.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), what, std::ptr::from_mut(request)) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// `struct ethtool_value` of linux/ethtool.h.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

const ETHTOOL_GLINK: u32 = 0x0a;

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn the_link_is_seen_without_a_free_descriptor() {
        let loopback = KernelDevice::new("lo").unwrap();
        assert!(loopback.is_running());
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        let (other, running) = (KernelDevice::new("lo"), loopback.is_running());
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(other.is_err(), "no descriptor is left");
        assert!(running);
    }

    #[test]
    fn a_device_that_is_not_there_does_not_run() {
        let nowhere = KernelDevice::new("hw-nowhere").unwrap();
        assert!(!nowhere.is_running() && nowhere.index().is_none());
        assert_eq!(KernelDevice::new("lo").unwrap().index(), Some(1));
        assert!(KernelDevice::new("a-name-of-16-byte").is_err());
    }
}
