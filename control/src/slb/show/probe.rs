//! `show ip slb probe [name NAME] [detail]`.

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
    time::Duration,
};

use serde::{Serialize, Serializer};

use super::Columns;

/// A length of time: `hh:mm:ss` as text, seconds in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_secs())
    }
}

/// One probe as shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeView {
    /// Its name.
    pub probe: String,
    /// `ping`, `tcp`, `custom udp` or `script`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The script and its arguments, where it is one that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Seconds between two tries.
    pub interval: u16,
    /// Seconds that an answer may take.
    pub timeout: u16,
    /// Tries in a row without an answer after which a server has failed.
    pub faildetect: u8,
    /// Answers in a row that it needs after that.
    pub retry: u8,
    /// Farms whose reals it asks.
    pub farms: Vec<String>,
    /// Whom it asks.
    pub servers: Vec<ProbedView>,
}

/// One server that is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbedView {
    /// Its address.
    pub server: Ipv4Addr,
    /// Its port; 0 where there is none.
    pub port: u16,
    /// State's name.
    pub state: &'static str,
    /// Times that it failed.
    pub outages: u32,
    /// Length of the present outage.
    pub current: Span,
    /// Length of all.
    pub cumulative: Span,
    /// Times that it was asked.
    pub tries: u64,
    /// Answers in time.
    pub answers: u64,
    /// Tries that this host could not make.
    pub not_sent: u64,
    /// How long the last answer took, in seconds.
    #[serde(serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "the shape that serde wants")]
fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

const COLUMNS: Columns<'_> = Columns {
    columns: &[("Server:Port", 0), ("State", 22), ("Outages", 35), ("Current", 44), ("Cumulative", 53)],
    rule: 64,
};

/// The table, or the paragraphs of `detail`.
pub fn probes_text(probes: &[ProbeView], detail: bool) -> String {
    if detail {
        return probes.iter().map(ProbeView::detail).collect();
    }
    COLUMNS.text(probes.iter().flat_map(|probe| &probe.servers).map(|asked| {
        [
            asked.name(),
            asked.state.to_owned(),
            asked.outages.to_string(),
            asked.current.to_string(),
            asked.cumulative.to_string(),
        ]
    }))
}

impl ProbeView {
    fn detail(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_detail(&mut out);
        out
    }

    fn write_detail(&self, out: &mut String) -> fmt::Result {
        let Self { interval, timeout, faildetect, retry, .. } = self;
        let farms = if self.farms.is_empty() { "<none>".to_owned() } else { self.farms.join(", ") };
        writeln!(out, "{}, type = {}, server farms = {farms}", self.probe, self.kind)?;
        writeln!(
            out,
            "  interval = {interval}, timeout = {timeout}, faildetect = {faildetect}, retry = {retry}"
        )?;
        if let Some(script) = &self.script {
            writeln!(out, "  script = {script}")?;
        }
        for asked in &self.servers {
            let ProbedView { state, outages, current, cumulative, tries, answers, not_sent, .. } = asked;
            writeln!(
                out,
                "  server {}, state = {state}, outages = {outages}, current = {current}, cumulative = {cumulative}",
                asked.name()
            )?;
            write!(out, "    tries = {tries}, answers = {answers}, not sent = {not_sent}")?;
            match asked.round_trip {
                Some(took) => writeln!(out, ", last answer took {:.3} ms", took.as_secs_f64() * 1e3)?,
                None => out.push('\n'),
            }
        }
        Ok(())
    }
}

impl ProbedView {
    /// Address and port.
    pub fn name(&self) -> String {
        format!("{}:{}", self.server, self.port)
    }
}
