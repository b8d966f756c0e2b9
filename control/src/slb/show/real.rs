//! `show ip slb reals [detail]`.

use std::{fmt::Write as _, net::Ipv4Addr};

use serde::Serialize;

use super::Columns;

/// One real server as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RealView {
    /// Address of the real.
    pub real: Ipv4Addr,
    /// Destination port in directed mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Name of its farm.
    pub farm: String,
    /// Operational weight.
    pub weight: u32,
    /// Configured weight.
    pub admin_weight: u32,
    /// State's name.
    pub state: String,
    /// Live sessions.
    pub conns: u32,
    /// Most sessions.
    pub maxconns: u32,
    /// A session moves when its retries are greater; `None`: never.
    pub reassign: Option<u8>,
    /// Seconds in FAILED before a test.
    pub retry: u16,
    /// Seconds left of them, while FAILED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_remaining: Option<u64>,
    /// Failures are counted (`faildetect inband`).
    pub inband: bool,
    /// `numconns`.
    pub failconn_threshold: u32,
    /// Failures since the last clear.
    pub failconn_count: u32,
    /// `numclients`.
    pub failclient_threshold: u32,
    /// Distinct mobile nodes that failed since the last clear; foreign agents, where there is more than one.
    pub failclient_count: u32,
    /// Sessions ever given to it.
    pub total_established: u64,
    /// Failures ever.
    pub total_failures: u64,
    /// Failures of them that prove nothing: aimed by the Home Agent field, or beyond the share of their source.
    pub disregarded_failures: u64,
    /// Times that failures reached the thresholds while a DFP report or a registration of a probe said that it serves.
    pub doubted_failures: u64,
    /// Times that it went to FAILED.
    pub server_failures: u64,
    /// Next hop and its MAC, if resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjacency: Option<String>,
}

const COLUMNS: Columns<'_> = Columns {
    columns: &[("real", 0), ("farm name", 20), ("weight", 39), ("state", 47), ("conns", 62)],
    rule: 67,
};

/// The table, or the paragraphs of `detail`.
pub fn reals_text(reals: &[RealView], detail: bool) -> String {
    if detail {
        return reals.iter().map(RealView::detail).collect();
    }
    COLUMNS.text(reals.iter().map(|real| {
        [real.name(), real.farm.clone(), real.weight.to_string(), real.state.clone(), real.conns.to_string()]
    }))
}

impl RealView {
    /// Address, with the port of a port-bound real.
    pub fn name(&self) -> String {
        self.port.map_or_else(|| self.real.to_string(), |port| format!("{}:{port}", self.real))
    }

    fn detail(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_detail(&mut out);
        out
    }

    fn write_detail(&self, out: &mut String) -> std::fmt::Result {
        let reassign = self.reassign.map_or_else(|| "never".to_owned(), |retries| retries.to_string());
        writeln!(out, "{}, {}, state = {}, type = server", self.name(), self.farm, self.state)?;
        writeln!(out, "  conns = {}, dummy_conns = 0, maxconns = {}", self.conns, self.maxconns)?;
        writeln!(
            out,
            "  weight = {}, weight(admin) = {}, metric = {}, remainder = 0",
            self.weight,
            self.admin_weight,
            self.conns / self.weight.max(1)
        )?;
        writeln!(out, "  reassign = {reassign}, retry = {}", self.retry)?;
        writeln!(
            out,
            "  failconn threshold = {}, failconn count = {}",
            self.failconn_threshold, self.failconn_count
        )?;
        writeln!(
            out,
            "  failclient threshold = {}, failclient count = {}",
            self.failclient_threshold, self.failclient_count
        )?;
        writeln!(
            out,
            "  total conns established = {}, total conn failures = {}",
            self.total_established, self.total_failures
        )?;
        writeln!(out, "  server failures = {}", self.server_failures)?;
        // What IOS does not count is shown once there is something to show.
        if self.disregarded_failures + self.doubted_failures > 0 {
            writeln!(
                out,
                "  disregarded failures = {}, doubted = {}",
                self.disregarded_failures, self.doubted_failures
            )?;
        }
        if !self.inband {
            writeln!(out, "  faildetect inband = off")?;
        }
        if let Some(seconds) = self.retry_remaining {
            writeln!(out, "  retry remaining = {seconds}")?;
        }
        Ok(())
    }
}
