//! The own control groups, each with those above it, and what limits them.

use std::path::{Path, PathBuf};

use super::{
    parse::{Mount, cpu_max, mounts, number, own_group},
    read,
};

/// Most levels that are looked at.
const LEVELS: usize = 32;

/// A group with a limit of CPU time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CpuGroup {
    pub(super) path: PathBuf,
    /// Microseconds allowed in each period.
    pub(super) quota: u64,
    /// Microseconds.
    pub(super) period: u64,
    /// Nanoseconds used ever.
    pub(super) used: u64,
}

/// Folders of the own groups by what they account, innermost first. Version 1 has a hierarchy for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    unified: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
    cpuacct: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

impl Groups {
    /// The groups of this process; none if the kernel names none.
    pub(super) fn find(root: &Path) -> Self {
        let text = |path: &str| read(&root.join(path)).unwrap_or_default();
        let (mountinfo, own) = (text("proc/self/mountinfo"), text("proc/self/cgroup"));
        let mounts = mounts(&mountinfo);
        let of = |controller: Option<&str>| -> Vec<PathBuf> {
            let is_it = |mount: &&Mount| match (controller, &mount.controllers) {
                (None, None) => true,
                (Some(wanted), Some(has)) => has.iter().any(|one| one == wanted),
                _ => false,
            };
            let mount = mounts.iter().find(is_it);
            let group = own_group(&own, controller);
            mount.zip(group).map(|(mount, group)| levels(root, mount, group)).unwrap_or_default()
        };
        Self {
            unified: of(None),
            cpu: of(Some("cpu")),
            cpuacct: of(Some("cpuacct")),
            memory: of(Some("memory")),
        }
    }

    /// Every limit of CPU time.
    pub(super) fn cpu(&self) -> Vec<CpuGroup> {
        let file = |folder: &Path, name: &str| read(&folder.join(name)).ok();
        let second = self.unified.iter().filter_map(|folder| {
            let (quota, period) = cpu_max(&file(folder, "cpu.max")?)?;
            let used = number(&file(folder, "cpu.stat")?, "usage_usec")?.checked_mul(1000)?;
            Some(CpuGroup { path: folder.clone(), quota, period, used })
        });
        // The two hierarchies of version 1 have the same groups, level by level.
        let first = self.cpu.iter().zip(&self.cpuacct).filter_map(|(limit, account)| {
            // No limit is -1, which is no number here.
            let quota = file(limit, "cpu.cfs_quota_us")?.trim().parse().ok()?;
            let period = file(limit, "cpu.cfs_period_us")?.trim().parse().ok()?;
            let used = file(account, "cpuacct.usage")?.trim().parse().ok()?;
            Some(CpuGroup { path: limit.clone(), quota, period, used })
        });
        second.chain(first).filter(|group| group.quota > 0).collect()
    }

    /// Bytes left and allowed, for every limit of memory. Pages of files that are not in use count as left: the
    /// kernel takes them back first.
    pub(super) fn memory(&self) -> Vec<(u64, u64)> {
        let second =
            self.unified.iter().map(|folder| (folder, "memory.max", "memory.current", "inactive_file"));
        let first = self
            .memory
            .iter()
            .map(|folder| (folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"));
        second
            .chain(first)
            .filter_map(|(folder, limit, usage, inactive)| {
                let file = |name: &str| read(&folder.join(name)).ok();
                // No limit is the word `max`, or a number beyond any memory, whose share left is then all.
                let limit: u64 = file(limit)?.trim().parse().ok()?;
                let used: u64 = file(usage)?.trim().parse().ok()?;
                let idle = file("memory.stat").and_then(|stat| number(&stat, inactive)).unwrap_or(0);
                Some((limit.saturating_sub(used.saturating_sub(idle)), limit))
            })
            .collect()
    }
}

/// The folder of `group` and those above it up to the mount. A group outside what is mounted (in a container) is seen
/// as the mount itself.
fn levels(root: &Path, mount: &Mount, group: &str) -> Vec<PathBuf> {
    let inside = if mount.root == "/" {
        Some(group)
    } else {
        group.strip_prefix(mount.root.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let inside = inside.unwrap_or("").trim_matches('/');
    let inside = if inside.split('/').any(|part| part == "..") { "" } else { inside };
    let top = root.join(mount.point.trim_start_matches('/'));
    let bottom = top.join(inside);
    bottom
        .ancestors()
        .take_while(|folder| folder.starts_with(&top))
        .take(LEVELS)
        .map(Path::to_owned)
        .collect()
}
