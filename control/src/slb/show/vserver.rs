//! `show ip slb vservers [name NAME] [detail]`.

use std::fmt::Write as _;

use serde::Serialize;

use super::Columns;

/// One virtual server as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VserverView {
    /// Name of the virtual server.
    pub vserver: String,
    /// `UDP` or `TCP`; empty without `virtual`.
    pub protocol: &'static str,
    /// `10.1.1.10/32:434`; empty without `virtual`.
    #[serde(rename = "virtual")]
    pub address: String,
    /// State's name.
    pub state: &'static str,
    /// Live sessions.
    pub conns: u64,
    /// The number in parentheses of the debug lines.
    pub v_index: u32,
    /// `IPMOBILE`.
    pub service: &'static str,
    /// Primary farm.
    pub server_farm: Option<String>,
    /// Backup farm.
    pub backup_server_farm: Option<String>,
    /// Sessions that went to the backup farm.
    pub backup_hits: u64,
    /// `idle ipmobile request` in seconds.
    pub ipmobile_request_idle: u16,
    /// `home-agent strict`.
    pub strict_home_agent: bool,
    /// `client-rate`: new sessions a second of each source.
    pub client_rate: Option<u16>,
    /// Rules of `client`, as configured.
    pub clients: Vec<String>,
    /// Sessions ever.
    pub total_conns: u64,
    /// Requests that were handled although they had no NAI.
    pub no_nai: u64,
    /// Requests dropped because they had no key at all.
    pub no_key: u64,
    /// Requests dropped as malformed.
    pub malformed: u64,
    /// Messages that are no registration request.
    pub not_rrq: u64,
    /// Requests whose Home Agent field was set.
    pub ha_field_set: u64,
    /// Requests with lifetime 0.
    pub deregistrations: u64,
    /// Of them those that came from another address than the session's client, so that the session stays.
    pub deregistrations_refused: u64,
    /// Requests that no real could take.
    pub no_real: u64,
    /// Requests forwarded without a session because the table was full.
    pub session_alloc_fail: u64,
    /// Requests dropped because their source begins more sessions a second than it may.
    pub client_rate_drops: u64,
}

const COLUMNS: Columns<'_> = Columns {
    columns: &[("slb vserver", 0), ("prot", 17), ("virtual", 23), ("state", 45), ("conns", 60)],
    rule: 67,
};

/// The table, or the paragraphs of `detail`.
pub fn vservers_text(vservers: &[VserverView], detail: bool) -> String {
    if detail {
        return vservers.iter().map(VserverView::detail).collect();
    }
    COLUMNS.text(vservers.iter().map(|vserver| {
        [
            vserver.vserver.clone(),
            vserver.protocol.to_owned(),
            vserver.address.clone(),
            vserver.state.to_owned(),
            vserver.conns.to_string(),
        ]
    }))
}

impl VserverView {
    fn detail(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_detail(&mut out);
        out
    }

    fn write_detail(&self, out: &mut String) -> std::fmt::Result {
        let none = |text: &Option<String>| text.clone().unwrap_or_else(|| "<none>".to_owned());
        writeln!(out, "{}, state = {}, v_index = {}", self.vserver, self.state, self.v_index)?;
        writeln!(
            out,
            "  virtual = {}, {}, service = {}, advertise = TRUE",
            self.address, self.protocol, self.service
        )?;
        writeln!(out, "  server farm = {}, delay = 10, idle = 3600", none(&self.server_farm))?;
        writeln!(out, "  ipmobile request idle = {}", self.ipmobile_request_idle)?;
        writeln!(
            out,
            "  backup server farm = {}, backup_hits = {}",
            none(&self.backup_server_farm),
            self.backup_hits
        )?;
        writeln!(out, "  sticky timer = 0, sticky subnet = 255.255.255.255")?;
        writeln!(out, "  synguard counter = 0, synguard period = 0")?;
        writeln!(
            out,
            "  conns = {}, total conns = {}, syns = 0, syn drops = 0",
            self.conns, self.total_conns
        )?;
        writeln!(out, "  standby group = None")?;
        self.write_counters(out)?;
        if self.strict_home_agent {
            writeln!(out, "  home-agent = strict")?;
        }
        if let Some(rate) = self.client_rate {
            writeln!(out, "  client rate = {rate}, client rate drops = {}", self.client_rate_drops)?;
        }
        self.clients.iter().try_for_each(|rule| writeln!(out, "  client {rule}"))
    }

    /// What IOS does not count is shown once there is something to show.
    fn write_counters(&self, out: &mut String) -> std::fmt::Result {
        let counters = [
            ("malformed", self.malformed),
            ("not_rrq", self.not_rrq),
            ("no_nai", self.no_nai),
            ("no_key", self.no_key),
            ("ha_field_set", self.ha_field_set),
            ("dereg", self.deregistrations),
            ("dereg_refused", self.deregistrations_refused),
            ("no_real", self.no_real),
            ("session_alloc_fail", self.session_alloc_fail),
        ];
        let shown: Vec<String> = counters
            .iter()
            .filter(|(_, value)| *value > 0)
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if shown.is_empty() { Ok(()) } else { writeln!(out, "  {}", shown.join(", ")) }
    }
}
