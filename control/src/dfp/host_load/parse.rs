//! The texts of `/proc`. Every function is total: what cannot be read is left out.

use std::collections::BTreeSet;

/// CPU ids that are looked at.
const CPUS: u32 = 4096;

/// `Cpus_allowed_list` of `/proc/self/status`; empty: unknown, all count.
pub(super) fn allowed_cpus(status: &str) -> BTreeSet<u32> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("");
    let mut cpus = BTreeSet::new();
    for part in list.trim().split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(low), Ok(high)) = (low.parse::<u32>(), high.parse::<u32>()) {
            cpus.extend(low..=high.min(CPUS));
        }
    }
    cpus
}

/// Idle and total ticks of the CPUs in `allowed` (all if it is empty) in `/proc/stat`.
pub(super) fn cpu_times(stat: &str, allowed: &BTreeSet<u32>) -> Option<(u64, u64)> {
    let lines = stat.lines().filter_map(|line| {
        let (cpu, times) = line.strip_prefix("cpu")?.split_once(' ')?;
        let cpu = cpu.parse().ok()?;
        (allowed.is_empty() || allowed.contains(&cpu)).then_some(times)
    });
    let times = lines.map(|times| {
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let times: Vec<u64> = times.split_whitespace().take(8).filter_map(|n| n.parse().ok()).collect();
        let sum = |times: &[u64]| times.iter().fold(0, |sum: u64, time| sum.saturating_add(*time));
        (sum(times.get(3..).map_or(&[], |idle| &idle[..idle.len().min(2)])), sum(&times))
    });
    times.reduce(|(idle, total), (idle_here, total_here)| {
        (idle.saturating_add(idle_here), total.saturating_add(total_here))
    })
}

/// Bytes available, and of all memory, in `/proc/meminfo`.
pub(super) fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let kilobytes = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((kilobytes("MemAvailable")?, kilobytes("MemTotal")?))
}

/// The number behind `key` in a file such as `cpu.stat` or `memory.stat`.
pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

/// `cpu.max`: quota and period; none: no limit.
pub(super) fn cpu_max(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// A mount of control groups: where, which part of the hierarchy, and the controllers (none: version 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) root: String,
    pub(super) point: String,
    pub(super) controllers: Option<Vec<String>>,
}

/// The mounts of control groups in `/proc/self/mountinfo`.
pub(super) fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (head, tail) = line.split_once(" - ")?;
            let head: Vec<&str> = head.split(' ').collect();
            let tail: Vec<&str> = tail.split(' ').collect();
            let controllers = match *tail.first()? {
                "cgroup2" => None,
                "cgroup" => Some(tail.get(2)?.split(',').map(str::to_owned).collect()),
                _ => return None,
            };
            Some(Mount { root: (*head.get(3)?).to_owned(), point: (*head.get(4)?).to_owned(), controllers })
        })
        .collect()
}

/// The own group in the hierarchy of `controller` (none: version 2) in `/proc/self/cgroup`.
pub(super) fn own_group<'t>(text: &'t str, controller: Option<&str>) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match controller {
            None => id == "0" && controllers.is_empty(),
            Some(wanted) => controllers.split(',').any(|one| one == wanted),
        };
        is_it.then_some(path)
    })
}
