//! What the machine has to give: free memory, free huge pages, and what control groups leave of either.

use std::{fs, io};

/// Bytes of ordinary memory that are left to the rest of the program: EAL, packet buffers, control.
pub(super) const RESERVE: u64 = 128 << 20;

/// Bytes to be had, and what stands in the way of more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Free, less what others are left.
    pub bytes: u64,
    /// File with the limit of a control group, if that allows less than the machine has.
    pub limit: Option<String>,
}

impl Room {
    /// The smaller of both.
    fn within(self, group: Option<Self>) -> Self {
        group.filter(|group| group.bytes < self.bytes).unwrap_or(self)
    }
}

/// Bytes that the machine has to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Available {
    /// Ordinary memory, without the [`RESERVE`].
    pub ordinary: Room,
    /// Huge pages of 2 MB.
    pub huge: Room,
    /// Huge pages that the machine has, used ones included.
    pub huge_pages: u64,
}

impl Available {
    /// Looks at the machine.
    ///
    /// # Errors
    /// There is no `/proc/meminfo`.
    pub fn read() -> io::Result<Self> {
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        Ok(Self::from_meminfo(&meminfo, |path| fs::read_to_string(path).ok()))
    }

    /// From the text of `/proc/meminfo` and other files of the kernel.
    pub fn from_meminfo(meminfo: &str, read: impl Fn(&str) -> Option<String>) -> Self {
        let field = |name: &str| {
            let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        let page = field("Hugepagesize").unwrap_or(0);
        let free = field("HugePages_Free").unwrap_or(0).saturating_sub(field("HugePages_Rsvd").unwrap_or(0));
        // Only 2 MB pages are asked for.
        let huge = if page == 2048 { (free * page) << 10 } else { 0 };
        let ordinary = field("MemAvailable").unwrap_or(u64::MAX >> 10) << 10;
        let mut ordinary = Room { bytes: ordinary, limit: None }.within(tightest(&MEMORY, &read));
        ordinary.bytes = ordinary.bytes.saturating_sub(RESERVE);
        Self {
            ordinary,
            huge: Room { bytes: huge, limit: None }.within(tightest(&HUGETLB, &read)),
            huge_pages: if page == 2048 { field("HugePages_Total").unwrap_or(0) } else { 0 },
        }
    }
}

/// A hierarchy of control groups as the kernel shows it.
struct Hierarchy {
    /// Controller in `/proc/self/cgroup`; empty: version 2.
    controller: &'static str,
    mount: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// Field of `memory.stat` with what the kernel gives back before it refuses.
    reclaimable: Option<&'static str>,
}

const fn version2(
    mount: &'static str,
    names: [&'static str; 2],
    reclaimable: Option<&'static str>,
) -> Hierarchy {
    Hierarchy { controller: "", mount, limit: names[0], usage: names[1], reclaimable }
}

const MEMORY: [Hierarchy; 3] = [
    version2("/sys/fs/cgroup", ["memory.max", "memory.current"], Some("inactive_file")),
    version2("/sys/fs/cgroup/unified", ["memory.max", "memory.current"], Some("inactive_file")),
    Hierarchy {
        controller: "memory",
        mount: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        usage: "memory.usage_in_bytes",
        reclaimable: Some("total_inactive_file"),
    },
];

const HUGETLB: [Hierarchy; 3] = [
    version2("/sys/fs/cgroup", ["hugetlb.2MB.max", "hugetlb.2MB.current"], None),
    version2("/sys/fs/cgroup/unified", ["hugetlb.2MB.max", "hugetlb.2MB.current"], None),
    Hierarchy {
        controller: "hugetlb",
        mount: "/sys/fs/cgroup/hugetlb",
        limit: "hugetlb.2MB.limit_in_bytes",
        usage: "hugetlb.2MB.usage_in_bytes",
        reclaimable: None,
    },
];

/// The least that the groups of this process, and those around them, still allow.
fn tightest(hierarchies: &[Hierarchy], read: &impl Fn(&str) -> Option<String>) -> Option<Room> {
    let groups = read("/proc/self/cgroup")?;
    let rooms = hierarchies.iter().flat_map(|hierarchy| {
        let group = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers.split(',').any(|name| name == hierarchy.controller).then_some(path)
        });
        // In a container the path may be the host's, and the mount's root is the container's own group.
        let around = group.into_iter().flat_map(|path| {
            let path = path.trim_end_matches('/');
            path.rmatch_indices('/').map(move |(at, _)| &path[..at]).chain([path])
        });
        around.filter_map(|path| hierarchy.room(path, read))
    });
    rooms.min_by_key(|room| room.bytes)
}

impl Hierarchy {
    fn room(&self, group: &str, read: &impl Fn(&str) -> Option<String>) -> Option<Room> {
        let file = |name: &str| format!("{}{group}/{name}", self.mount);
        let limit = file(self.limit);
        // "max" is no number, and no limit.
        let allowed: u64 = read(&limit)?.trim().parse().ok()?;
        let used: u64 = read(&file(self.usage))?.trim().parse().ok()?;
        let back = self.reclaimable.and_then(|field| {
            let stat = read(&file("memory.stat"))?;
            let line = stat.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' '))?;
            line.trim().parse::<u64>().ok()
        });
        let used = used.saturating_sub(back.unwrap_or(0));
        Some(Room { bytes: allowed.saturating_sub(used), limit: Some(limit) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemAvailable:    1048576 kB\nHugePages_Total:     100\nHugePages_Free:       60\n\
        HugePages_Rsvd:       10\nHugepagesize:       2048 kB\n";

    fn with(files: &[(&str, &str)]) -> Available {
        Available::from_meminfo(MEMINFO, |path| {
            files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn without_groups_the_machine_is_the_limit() {
        let available = with(&[]);
        assert_eq!(available.ordinary, Room { bytes: (1 << 30) - RESERVE, limit: None });
        assert_eq!(available.huge, Room { bytes: 100 << 20, limit: None });
        assert_eq!(available.huge_pages, 100);
    }

    #[test]
    fn the_tightest_group_of_version_2_counts_without_what_it_gives_back() {
        let available = with(&[
            ("/proc/self/cgroup", "0::/system.slice/homeward.service\n"),
            ("/sys/fs/cgroup/system.slice/homeward.service/memory.max", "max\n"),
            ("/sys/fs/cgroup/system.slice/homeward.service/memory.current", "1000\n"),
            ("/sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
            ("/sys/fs/cgroup/system.slice/memory.current", "104857600\n"),
            ("/sys/fs/cgroup/system.slice/memory.stat", "file 7\ninactive_file 4857600\n"),
            ("/sys/fs/cgroup/hugetlb.2MB.max", "4194304\n"),
            ("/sys/fs/cgroup/hugetlb.2MB.current", "2097152\n"),
        ]);
        let limit = Some("/sys/fs/cgroup/system.slice/memory.max".to_owned());
        assert_eq!(available.ordinary, Room { bytes: 536_870_912 - 100_000_000 - RESERVE, limit });
        let limit = Some("/sys/fs/cgroup/hugetlb.2MB.max".to_owned());
        assert_eq!(available.huge, Room { bytes: 2 << 20, limit });
    }

    #[test]
    fn a_group_of_version_1_is_found_by_its_controller_and_at_the_mount_of_a_container() {
        let own = "9:cpu,cpuacct:/x\n4:memory:/docker/abc\n3:hugetlb:/h\n0::/\n";
        let available = with(&[
            ("/proc/self/cgroup", own),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "300000000\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "100000000\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 50000000\n"),
            ("/sys/fs/cgroup/hugetlb/h/hugetlb.2MB.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/hugetlb/h/hugetlb.2MB.usage_in_bytes", "0\n"),
        ]);
        assert_eq!(available.ordinary.bytes, 250_000_000 - RESERVE);
        assert_eq!(available.ordinary.limit.as_deref(), Some("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
        assert_eq!(
            available.huge,
            Room { bytes: 100 << 20, limit: None },
            "a limit above what is there is none"
        );
    }

    #[test]
    fn a_group_that_is_used_up_leaves_nothing() {
        let available = with(&[
            ("/proc/self/cgroup", "4:memory:/a\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
            ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2000\n"),
        ]);
        assert_eq!(available.ordinary.bytes, 0);
    }
}
