//! `show ip slb dfp [agent IP PORT|detail|weights]`.

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
};

use super::{
    config::DfpAgent,
    view::{AgentView, View, WeightView},
};
use crate::{
    dfp::{
        counter::Counter,
        packet::{Protocol, Row},
        view::{OrWildcard, PasswordView},
    },
    slb::show::Columns,
};

const COLUMNS: Columns<'_> = Columns {
    columns: &[("Agent IP", 0), ("Port", 16), ("Timeout", 24), ("Retry Count", 33), ("Interval", 46)],
    rule: 63,
};

/// `180 (Default)`.
fn interval(seconds: u16) -> String {
    let default = if seconds == DfpAgent::DEFAULT_INTERVAL { " (Default)" } else { "" };
    format!("{seconds}{default}")
}

impl View {
    /// The text of `show ip slb dfp`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_head(&mut out);
        out.push_str(&COLUMNS.text(self.agents.iter().map(|agent| {
            [
                agent.address.to_string(),
                agent.port.to_string(),
                agent.timeout.to_string(),
                agent.retry_count.to_string(),
                interval(agent.interval),
            ]
        })));
        out
    }

    fn write_head(&self, out: &mut String) -> fmt::Result {
        let password = &self.password;
        out.push_str("DFP Manager:\n");
        writeln!(
            out,
            "  Current passwd: {} Pending passwd: {}",
            PasswordView::word(password.current),
            PasswordView::word(password.pending)
        )?;
        writeln!(out, "  Passwd timeout: {} sec", password.timeout)
    }

    /// The text of `show ip slb dfp detail`.
    pub fn detail_text(&self) -> String {
        self.agents.iter().fold(self.text(), |out, agent| out + "\n" + &agent.text())
    }

    /// The text of `show ip slb dfp weights`: by address.
    pub fn weights_text(&self) -> String {
        let mut out = String::new();
        for weight in self.sorted_weights() {
            // Writing to a string cannot fail.
            let _ = weight.write(&mut out);
        }
        out
    }

    /// The weight table by address, protocol, port and BindID.
    pub fn sorted_weights(&self) -> Vec<&WeightView> {
        let mut weights: Vec<_> = self.weights.iter().collect();
        weights.sort_by_key(|weight| weight.row.key);
        weights
    }

    /// The agent at that address and port.
    pub fn agent(&self, address: Ipv4Addr, port: u16) -> Option<&AgentView> {
        self.agents.iter().find(|agent| (agent.address, agent.port) == (address, port))
    }
}

impl WeightView {
    fn write(&self, out: &mut String) -> fmt::Result {
        let key = self.row.key;
        writeln!(
            out,
            "  Real IP Address: {} Protocol: {} Port: {} Bind_ID: {} Weight: {}",
            key.address,
            OrWildcard(key.protocol),
            OrWildcard(key.port),
            key.bind_id,
            self.row.weight
        )?;
        writeln!(out, "    Set by Agent {}:{} at {}", self.agent, self.agent_port, self.set_at)
    }
}

impl AgentView {
    /// The text of `show ip slb dfp agent IP PORT`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "DFP Agent {}:{}  Connection state: {}", self.address, self.port, self.state.title())?;
        writeln!(
            out,
            "  Timeout = {}  Retry Count = {}  Interval = {}",
            self.timeout,
            self.retry_count,
            interval(self.interval)
        )?;
        writeln!(out, "  Security errors = {}", self.counters.security_errors())?;
        if self.counters.errors() > 0 {
            writeln!(out, "  Unexpected errors = {}", self.counters.errors())?;
            for counter in Counter::ALL.into_iter().filter(|counter| self.counters.get(*counter) > 0) {
                writeln!(out, "    {} = {}", counter.name(), self.counters.get(counter))?;
            }
        }
        match self.last_message {
            Some(at) => writeln!(out, "  Last message received: {at}")?,
            None => out.push_str("  Last message received: <none>\n"),
        }
        self.write_reported(out)?;
        for table in &self.bind_ids {
            writeln!(
                out,
                "  Bind IDs of {} for Protocol {}, Port {}",
                table.server,
                OrWildcard(table.protocol),
                OrWildcard(table.port)
            )?;
            for entry in &table.entries {
                writeln!(out, "    Bind ID {}  Client {}  Mask {}", entry.bind_id, entry.client, entry.mask)?;
            }
        }
        Ok(())
    }

    /// One block for each protocol and port, each in the order of its rows.
    fn write_reported(&self, out: &mut String) -> fmt::Result {
        let mut written: Vec<(Protocol, u16)> = Vec::new();
        for Row { key, .. } in &self.reported {
            let of = (key.protocol, key.port);
            if written.contains(&of) {
                continue;
            }
            written.push(of);
            writeln!(
                out,
                "  Last reported Real weights for Protocol {}, Port {}",
                OrWildcard(of.0),
                OrWildcard(of.1)
            )?;
            for row in self.reported.iter().filter(|row| (row.key.protocol, row.key.port) == of) {
                let key = row.key;
                writeln!(out, "    Host {}  Bind ID {}  Weight {}", key.address, key.bind_id, row.weight)?;
            }
        }
        Ok(())
    }
}
