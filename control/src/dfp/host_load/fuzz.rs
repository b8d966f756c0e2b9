//! The entry of the fuzz target.

use common::time::Nanos;

use super::{CpuGroup, HostLoad, PerMille, Sample, parse};

/// Feeds arbitrary text as each of the kernel's files about a host, as it was and as it is; what is left of the host then.
pub fn fuzz_host_files(before: &str, now: &str) -> Option<HostLoad> {
    let sample = |text: &str, at| {
        let allowed = parse::allowed_cpus(text);
        let (idle, total) = parse::cpu_times(text, &allowed)?;
        let (quota, period) = parse::cpu_max(text).unwrap_or((1, 1));
        let used = parse::number(text, "usage_usec").unwrap_or(0);
        let group = CpuGroup { path: "/".into(), quota, period, used };
        Some(Sample { at, idle, total, groups: vec![group] })
    };
    for mount in parse::mounts(now) {
        for controller in mount.controllers.into_iter().flatten() {
            let _ = parse::own_group(now, Some(&controller));
        }
    }
    let _ = parse::own_group(now, None);
    let (last, this) = (sample(before, Nanos(0))?, sample(now, Nanos(10_000_000_000))?);
    let (available, whole) = parse::memory(now)?;
    Some(HostLoad { cpu: this.idle_since(&last), memory: PerMille::of(available, whole) })
}
