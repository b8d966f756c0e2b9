//! Callgrind around a run of this program.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::run::Kind;

/// Bursts of the two runs whose difference is counted, so that start and end cancel out.
const BURSTS: [u32; 2] = [64, 192];

/// Instructions a packet of `kind`, in tenths.
///
/// # Errors
/// If valgrind is missing or the run fails.
pub fn instructions(kind: Kind) -> anyhow::Result<f64> {
    let [few, many] = BURSTS;
    let difference =
        whole(kind, many)?.checked_sub(whole(kind, few)?).context("the longer run was shorter")?;
    Ok(difference as f64 / f64::from((many - few) * 64))
}

/// Instructions of one run.
fn whole(kind: Kind, bursts: u32) -> anyhow::Result<u64> {
    let out = std::env::temp_dir().join(format!("homeward-callgrind-{}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
        .arg(std::env::current_exe()?)
        .args(["run", &serde_json::to_string(&kind)?.replace('"', ""), "--bursts", &bursts.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("valgrind (package valgrind)")?;
    ensure!(output.status.success(), "valgrind said: {}", String::from_utf8_lossy(&output.stderr));
    let total = read(&out);
    std::fs::remove_file(&out)?;
    total
}

/// The `summary:` or `totals:` line of callgrind's file.
fn read(path: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let line =
        text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.and_then(|count| count.trim().parse().ok()).context("callgrind wrote no total")
}
