//! The packet sockets under a port, of which the driver does not ask: what they dropped because nobody emptied their rings, and
//! whether they still hang on a device.

use std::{
    fs, io,
    mem::{size_of, zeroed},
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use common::wire::ethernet;
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

    /// Cuts frames with a tag that is not 802.1Q's to their addresses. The kernel hands over tag and frame apart, and the driver puts
    /// every tag back as one of 802.1Q, also a service tag (802.1ad).
    pub fn mark_foreign_tags(&self) -> io::Result<()> {
        let mut code = foreign_tag_filter();
        let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
        self.sockets.iter().try_for_each(|&fd| {
            // SAFETY: the kernel copies the program, which lives through the call.
            let result = unsafe {
                libc::setsockopt(
                    fd,
                    libc::SOL_SOCKET,
                    libc::SO_ATTACH_FILTER,
                    (&raw const program).cast(),
                    size_of::<libc::sock_fprog>() as libc::socklen_t,
                )
            };
            if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        })
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

/// Socket filter (linux/filter.h): the whole frame, unless it had a tag of another type than 802.1Q's.
fn foreign_tag_filter() -> [libc::sock_filter; 6] {
    /// Of `SKF_AD_OFF` on: what the kernel knows beside the bytes.
    const TAG_PRESENT: u32 = 0xffff_f000 + 48;
    const TAG_TYPE: u32 = 0xffff_f000 + 60;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        step(LOAD, 0, 0, TAG_PRESENT),
        step(JUMP_EQUAL, 3, 0, 0),
        step(LOAD, 0, 0, TAG_TYPE),
        step(JUMP_EQUAL, 1, 0, u32::from(ethernet::DOT1Q)),
        step(RETURN, 0, 0, ethernet::offset::ETHERTYPE as u32),
        step(RETURN, 0, 0, u32::MAX),
    ]
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
