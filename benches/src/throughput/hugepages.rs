//! Huge pages for both programs, given back at the end.

use std::{fs, path::Path};

use anyhow::{Context, ensure};

const RESERVED: &str = "/proc/sys/vm/nr_hugepages";

/// The reservation that stood before, put back when dropped.
#[derive(Debug)]
pub struct Reservation(u64);

/// Reserves `megabytes` MB in 2 MB pages beside those that are in use.
pub fn reserve(megabytes: u64) -> anyhow::Result<Reservation> {
    let before: u64 = fs::read_to_string(RESERVED)?.trim().parse()?;
    let reservation = Reservation(before);
    let wanted = (megabytes.div_ceil(2) + in_use(before)?).max(before);
    fs::write(RESERVED, wanted.to_string()).with_context(|| format!("{RESERVED} (needs root)"))?;
    let got: u64 = fs::read_to_string(RESERVED)?.trim().parse()?;
    ensure!(got >= wanted, "{megabytes} MB of huge pages wanted, {} MB to be had", got * 2);
    let mounted = fs::read_to_string("/proc/mounts")?.contains(" hugetlbfs ");
    if !mounted {
        fs::create_dir_all("/dev/hugepages")?;
        let status = std::process::Command::new("mount")
            .args(["-t", "hugetlbfs", "none", "/dev/hugepages"])
            .status()?;
        ensure!(status.success() || Path::new("/dev/hugepages").exists(), "hugetlbfs cannot be mounted");
    }
    Ok(reservation)
}

/// Of so many reserved pages, how many a program has taken.
fn in_use(reserved: u64) -> anyhow::Result<u64> {
    let facts = fs::read_to_string("/proc/meminfo")?;
    let free = facts.lines().find_map(|line| line.strip_prefix("HugePages_Free:")?.trim().parse().ok());
    Ok(reserved.saturating_sub(free.unwrap_or(0)))
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Err(error) = fs::write(RESERVED, self.0.to_string()) {
            eprintln!("{RESERVED}: {error}");
        }
    }
}
