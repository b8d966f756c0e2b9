//! EAL's arguments: memory, buses and what the configuration adds.

use std::{
    ffi::{CStr, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use common::{
    config::{DataplaneConfig, Hugepages},
    port::PortError,
};

use super::device::is_pci;

/// Memory beside the packets' (rings, port data, capsule's own pool), in MB.
const OVERHEAD_MB: u64 = 64;

/// Decides on huge pages for `need_mb` MB of packets; auto says once when it goes without.
pub(super) fn huge(config: &DataplaneConfig, need_mb: u64) -> Result<bool, PortError> {
    if config.hugepages == Hugepages::Off {
        return Ok(false);
    }
    let free = free_huge_mb();
    let wanted = need_mb + OVERHEAD_MB;
    if free >= wanted {
        return Ok(true);
    }
    if config.hugepages == Hugepages::Required {
        let reason = format!("huge pages are required and {free} MB of {wanted} MB are free");
        return Err(PortError::Memory { needed_mb: wanted, reason });
    }
    tracing::info!("huge pages: {free} MB of {wanted} MB are free, running without");
    Ok(false)
}

/// The arguments beside those that capsule makes (program name, process type, file prefix, main core).
///
/// Nobody else may attach, and no file outlives the process: `--in-memory`, or without huge pages, where EAL
/// refuses that, `--no-shconf`. Telemetry's socket has no reader here.
pub(super) fn arguments(config: &DataplaneConfig, huge: bool, need_mb: u64) -> Vec<String> {
    let mut arguments: Vec<String> = vec!["--no-telemetry".into()];
    if huge {
        // One file a memory segment list: vhost takes eight regions at most.
        arguments.extend(["--in-memory".into(), "--single-file-segments".into()]);
    } else {
        arguments.extend([
            "--no-shconf".into(),
            "--no-huge".into(),
            "-m".into(),
            (need_mb + OVERHEAD_MB).to_string(),
        ]);
    }
    let names = config.ports.iter().map(|port| port.device.split(',').next().unwrap_or_default());
    let pci: Vec<&str> = names.filter(|name| is_pci(name)).collect();
    if pci.is_empty() {
        arguments.push("--no-pci".into());
    }
    for port in config.ports.iter().filter(|port| pci.iter().any(|name| port.device.starts_with(name))) {
        arguments.extend(["--allow".into(), port.device.clone()]);
    }
    arguments.extend(config.eal.iter().flat_map(|extra| extra.split_ascii_whitespace()).map(str::to_owned));
    arguments
}

/// Where EAL keeps what other processes would look for; empty here, and left behind by EAL.
pub(super) fn runtime_directory() -> PathBuf {
    // SAFETY: EAL runs; the string is its own and lives until EAL ends.
    let path = unsafe { CStr::from_ptr(capsule_ffi::rte_eal_get_runtime_dir()) };
    PathBuf::from(OsStr::from_bytes(path.to_bytes()))
}

/// Free huge pages of all sizes, in MB.
fn free_huge_mb() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
    sizes
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let free = fs::read_to_string(entry.path().join("free_hugepages")).ok()?;
            Some(kilobytes * free.trim().parse::<u64>().ok()? / 1024)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::dpdk::tests::{config, port};

    #[test]
    fn arguments_follow_the_configuration() {
        let mut config = config(&["net_ring0", "net_null0"]);
        assert_eq!(
            arguments(&config, false, 36).join(" "),
            "--no-telemetry --no-shconf --no-huge -m 100 --no-pci"
        );
        config.ports.push(port(2, "0000:3b:00.0,dropless_pkt=1"));
        config.eal = Some(" --log-level  pmd:8 ".into());
        assert_eq!(
            arguments(&config, true, 36).join(" "),
            "--no-telemetry --in-memory --single-file-segments --allow 0000:3b:00.0,dropless_pkt=1 --log-level pmd:8"
        );
    }

    #[test]
    fn required_huge_pages_that_are_not_there_are_refused_with_figures() {
        let mut config = config(&[]);
        config.hugepages = Hugepages::Required;
        let text = huge(&config, 1 << 40).unwrap_err().to_string();
        assert!(text.contains("1099511627840 MB needed, huge pages are required and"), "{text}");
        config.hugepages = Hugepages::Auto;
        assert!(!huge(&config, 1 << 40).unwrap());
    }
}
