//! `show ip slb serverfarms [name NAME] [detail]`.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Columns, RealView};

/// One server farm as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FarmView {
    /// Name of the farm.
    pub server_farm: String,
    /// `ROUNDROBIN` or `LEASTCONNS`.
    pub predictor: &'static str,
    /// `none`, `S` (server NAT), `C` (client NAT) or `S,C`.
    pub nat: &'static str,
    /// `bindid`.
    pub bind_id: u16,
    /// What its reals are asked.
    pub probes: Vec<String>,
    /// `failaction purge`.
    pub failaction_purge: bool,
    /// Virtual servers that use it.
    pub vservers: Vec<String>,
    /// In the order of the configuration.
    pub reals: Vec<RealView>,
}

const COLUMNS: Columns<'_> = Columns {
    columns: &[("server farm", 0), ("predictor", 16), ("nat", 29), ("reals", 35), ("bind id", 43)],
    rule: 51,
};

/// The table, or the paragraphs of `detail`.
pub fn farms_text(farms: &[FarmView], detail: bool) -> String {
    if detail {
        return farms.iter().map(FarmView::detail).collect();
    }
    COLUMNS.text(farms.iter().map(|farm| {
        [
            farm.server_farm.clone(),
            farm.predictor.to_owned(),
            farm.nat.to_owned(),
            farm.reals.len().to_string(),
            farm.bind_id.to_string(),
        ]
    }))
}

impl FarmView {
    fn detail(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_detail(&mut out);
        out
    }

    fn write_detail(&self, out: &mut String) -> std::fmt::Result {
        let purge = if self.failaction_purge { "purge" } else { "none" };
        let users = if self.vservers.is_empty() { "<none>".to_owned() } else { self.vservers.join(", ") };
        writeln!(
            out,
            "{}, predictor = {}, nat = {}, bind id = {}",
            self.server_farm, self.predictor, self.nat, self.bind_id
        )?;
        writeln!(out, "  failaction = {purge}, virtual servers = {users}")?;
        if !self.probes.is_empty() {
            writeln!(out, "  probes = {}", self.probes.join(", "))?;
        }
        for real in &self.reals {
            writeln!(
                out,
                "  real {}, weight = {}, state = {}, conns = {}",
                real.name(),
                real.weight,
                real.state,
                real.conns
            )?;
        }
        Ok(())
    }
}
