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

/// The groups of this process; none if the kernel names none.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    root: PathBuf,
    mounts: Vec<Mount>,
    /// `/proc/self/cgroup`
    own: String,
}

impl Groups {
    pub(super) fn find(root: &Path) -> Self {
        let text = |path: &str| read(&root.join(path)).unwrap_or_default();
        let mounts = mounts(&text("proc/self/mountinfo"));
        Self { root: root.to_owned(), mounts, own: text("proc/self/cgroup") }
    }

    /// Folders of the own group in the hierarchy of `controller` (none: version 2) and of those above, innermost first.
    fn folders(&self, controller: Option<&str>) -> Vec<PathBuf> {
        let is_it = |mount: &&Mount| match controller {
            None => mount.controllers.is_none(),
            Some(wanted) => mount.controllers.iter().flatten().any(|one| one == wanted),
        };
        let mount = self.mounts.iter().find(is_it);
        let group = own_group(&self.own, controller);
        mount.zip(group).map(|(mount, group)| levels(&self.root, mount, group)).unwrap_or_default()
    }

    /// Every limit of CPU time.
    pub(super) fn cpu(&self) -> Vec<CpuGroup> {
        let second = self.folders(None).into_iter().filter_map(|path| {
            let (quota, period) = cpu_max(&read(&path.join("cpu.max")).ok()?)?;
            let used = number(&read(&path.join("cpu.stat")).ok()?, "usage_usec")?.checked_mul(1000)?;
            Some(CpuGroup { path, quota, period, used })
        });
        // The two hierarchies of version 1 have the same groups, level by level.
        let accounts = self.folders(Some("cpuacct"));
        let first = self.folders(Some("cpu")).into_iter().zip(accounts).filter_map(|(path, account)| {
            // No limit is -1, which is no number here.
            let quota = value(&path, "cpu.cfs_quota_us")?;
            let period = value(&path, "cpu.cfs_period_us")?;
            Some(CpuGroup { quota, period, used: value(&account, "cpuacct.usage")?, path })
        });
        second.chain(first).filter(|group| group.quota > 0).collect()
    }

    /// Bytes left and allowed, for every limit of memory. Pages of files that are not in use count as left: the
    /// kernel takes them back first.
    pub(super) fn memory(&self) -> Vec<(u64, u64)> {
        let second = ["memory.max", "memory.current", "inactive_file"];
        let first = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
        let mut limits = Vec::new();
        for (controller, [limit, usage, inactive]) in [(None, second), (Some("memory"), first)] {
            limits.extend(self.folders(controller).into_iter().filter_map(|folder| {
                // No limit is the word `max`, or a number beyond any memory, whose share left is then all.
                let (limit, used) = (value(&folder, limit)?, value(&folder, usage)?);
                let stat = read(&folder.join("memory.stat")).ok();
                let idle = stat.and_then(|stat| number(&stat, inactive)).unwrap_or(0);
                Some((limit.saturating_sub(used.saturating_sub(idle)), limit))
            }));
        }
        limits
    }
}

/// The number that is all of a file.
fn value(folder: &Path, name: &str) -> Option<u64> {
    read(&folder.join(name)).ok()?.trim().parse().ok()
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
