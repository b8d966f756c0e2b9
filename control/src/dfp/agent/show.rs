//! `show ip dfp [agent NAME] [detail]`.

use std::fmt::{self, Write as _};

use super::view::{ManagerView, View};
use crate::dfp::{
    counter::Counter,
    packet::Protocol,
    view::{OrWildcard, PasswordView},
};

/// The text for several agents.
pub fn text(agents: &[View], detail: bool) -> String {
    let texts: Vec<_> = agents.iter().map(|agent| agent.text(detail)).collect();
    texts.join("\n")
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// A line of columns: each cell but the last fills its width, and at least one blank parts it from the next.
fn columns(out: &mut String, cells: &[(String, usize)]) {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().enumerate() {
        line.push_str(cell);
        let last = at + 1 == cells.len();
        let blanks = if last { 0 } else { width.saturating_sub(cell.chars().count()).max(1) };
        line.extend(std::iter::repeat_n(' ', blanks));
    }
    out.push_str(&line);
    out.push('\n');
}

impl View {
    fn text(&self, detail: bool) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, detail);
        out
    }

    fn write(&self, out: &mut String, detail: bool) -> fmt::Result {
        if detail {
            writeln!(out, "Unexpected errors: {}", self.counters.errors())?;
            for counter in Counter::ALL.into_iter().filter(|counter| self.counters.get(*counter) > 0) {
                writeln!(out, "  {}: {}", counter.name(), self.counters.get(counter))?;
            }
            out.push('\n');
        }
        self.write_agent(out, detail)?;
        if detail {
            self.write_weights(out)?;
            self.write_bind_ids(out)?;
        }
        Ok(())
    }

    fn write_agent(&self, out: &mut String, detail: bool) -> fmt::Result {
        let port = self.port.map_or_else(|| "<none>".to_owned(), |port| port.to_string());
        writeln!(out, "DFP Agent for service: {}", self.title())?;
        writeln!(out, "  Port: {port} Interval: {}", self.interval)?;
        writeln!(
            out,
            "  Current passwd: {} Pending passwd: {}",
            PasswordView::word(self.password.current),
            PasswordView::word(self.password.pending)
        )?;
        writeln!(out, "  Passwd timeout: {}", self.password.timeout)?;
        writeln!(out, "  Inservice: {} AppActive: {}", yes(self.inservice), yes(self.app_active))?;
        if let (true, Some(error)) = (detail, &self.listen_error) {
            writeln!(out, "  Cannot listen: {error}")?;
        }
        out.push_str("\n  Manager IP Address  Timeout\n  ------------------  -------\n");
        for manager in &self.managers {
            writeln!(out, "  {:<18}  {}", manager.address, manager.timeout)?;
        }
        Ok(())
    }

    /// One block for each port and protocol, in the order of the first row of each.
    fn write_weights(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\nWeight Table Report for Agent {}", self.title())?;
        let mut written: Vec<(u16, Protocol)> = Vec::new();
        for row in &self.weights {
            let of = (row.key.port, row.key.protocol);
            if written.contains(&of) {
                continue;
            }
            written.push(of);
            writeln!(out, "\nWeights for Port: {} Protocol: {}\n", OrWildcard(of.0), OrWildcard(of.1))?;
            out.push_str("IP Address      Bind ID  Weight\n--------------- -------  ------\n");
            for row in self.weights.iter().filter(|row| (row.key.port, row.key.protocol) == of) {
                let cells = [
                    (row.key.address.to_string(), 16),
                    (row.key.bind_id.to_string(), 9),
                    (row.weight.to_string(), 0),
                ];
                columns(out, &cells);
            }
        }
        Ok(())
    }

    /// One block for each server; its address is told where port and protocol do not tell it from another.
    fn write_bind_ids(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\nBind ID Table Report for Agent {}", self.title())?;
        for table in &self.bind_ids {
            let same = |other: &&crate::dfp::packet::BindTable| {
                (other.port, other.protocol) == (table.port, table.protocol)
            };
            write!(
                out,
                "\nBind IDs for Port: {} Protocol: {}",
                OrWildcard(table.port),
                OrWildcard(table.protocol)
            )?;
            if self.bind_ids.iter().filter(same).count() > 1 {
                write!(out, " IP Address: {}", table.server)?;
            }
            out.push_str("\n\nBind ID  Client IP      Client Mask\n-------  -------------- -----------\n");
            for entry in &table.entries {
                let cells = [
                    (entry.bind_id.to_string(), 9),
                    (entry.client.to_string(), 15),
                    (entry.mask.to_string(), 0),
                ];
                columns(out, &cells);
            }
        }
        Ok(())
    }

    fn title(&self) -> String {
        self.service.as_str().to_ascii_uppercase()
    }
}

impl ManagerView {
    /// The text of `show ip slb dfp manager IP`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "DFP Manager {}:{}", self.address, self.port)?;
        writeln!(out, "  Timeout = {}", self.timeout)?;
        writeln!(out, "  Security errors = {}", self.counters.security_errors())?;
        writeln!(out, "  Unexpected errors = {}", self.counters.errors())
    }
}
