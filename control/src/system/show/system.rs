//! `show version`, `show clock`, `show logging`.

use std::{fmt::Write as _, time::SystemTime};

use serde::Serialize;

use crate::manage::log::LogView;

/// `show version`.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// Of the program.
    pub version: &'static str,
    /// Of the dataplane's library, such as `DPDK 22.11.11`.
    pub dpdk: String,
    /// Of this director.
    pub hostname: String,
    /// Seconds since start.
    pub uptime_seconds: u64,
    /// Poll-mode workers.
    pub workers: usize,
    /// The startup file.
    pub startup: Option<String>,
}

/// The text of `show version`.
pub fn version(view: &VersionView) -> String {
    let mut out = format!("Homeward, Home Agent Director, version {}\n{}\n\n", view.version, view.dpdk);
    let _ = writeln!(out, "{} uptime is {}", view.hostname, uptime(view.uptime_seconds));
    if let Some(startup) = &view.startup {
        let _ = writeln!(out, "Configuration file is \"{startup}\"");
    }
    let plural = if view.workers == 1 { "" } else { "s" };
    let _ = writeln!(out, "{} poll-mode worker{plural}", view.workers);
    out
}

fn uptime(seconds: u64) -> String {
    let parts = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let mut left = seconds;
    let mut said = Vec::new();
    for (unit, name) in parts {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            said.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if said.is_empty() { "0 seconds".to_owned() } else { said.join(", ") }
}

/// The text of `show clock`: `15:26:03.513 UTC Mon Apr 21 2003`.
pub fn clock(now: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    at.strftime("%H:%M:%S%.3f UTC %a %b %-d %Y\n").to_string()
}

/// The text of `show logging`.
pub fn logging(view: &LogView) -> String {
    let mut out = format!(
        "Log buffer: {} of {} lines, {} since start\n\n",
        view.lines.len(),
        view.capacity,
        view.total
    );
    for line in &view.lines {
        let _ = writeln!(out, "{line}");
    }
    out
}
