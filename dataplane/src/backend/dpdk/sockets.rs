//! The packet sockets under a port, of which the driver does not ask: what they dropped because nobody emptied their rings, and
//! whether they still hang on a device.

use std::{
    fs, io,
    mem::{size_of, zeroed},
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use nix::{libc, net::if_::if_nametoindex};

/// The driver's packet sockets on one kernel device. They live as long as the port is open.
#[derive(Debug)]
pub(super) struct PacketSockets {
    sockets: Vec<RawFd>,
    total: AtomicU64,
}

impl PacketSockets {
    /// Finds this process's packet sockets on `device` of the calling thread's network namespace.
    pub fn new(device: &str) -> io::Result<Self> {
        let index = if_nametoindex(device)?;
        let numbers =
            fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let sockets: Vec<_> = numbers.filter(|&fd| is_bound(fd, index)).collect();
        if sockets.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { sockets, total: AtomicU64::new(0) })
    }

    /// Whether they are bound to the device with this index. The kernel unbinds them when the device goes, also if it comes back
    /// with the same name and index.
    pub fn are_bound(&self, index: u32) -> bool {
        self.sockets.iter().all(|&fd| is_bound(fd, index))
    }

    /// Frames dropped since the start.
    pub fn total(&self) -> u64 {
        // The kernel counts from zero again after each answer.
        let new: u64 = self.sockets.iter().map(|&fd| since_asked(fd)).sum();
        self.total.fetch_add(new, Relaxed) + new
    }
}

/// Whether `fd` is a packet socket bound to the device with this index.
fn is_bound(fd: RawFd, index: u32) -> bool {
    // SAFETY: the structure is plain bytes; all zero is a value of it.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes; it refuses what is no socket.
    let result = unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut length) };
    result == 0
        && i32::from(address.sll_family) == libc::AF_PACKET
        && u32::try_from(address.sll_ifindex) == Ok(index)
}

fn since_asked(fd: RawFd) -> u64 {
    let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes of the structure.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut length,
        )
    };
    if result == 0 { stats.tp_drops.into() } else { 0 }
}
