//! `show ip mobile ...` as text and JSON.

use std::{fmt::Write as _, net::Ipv4Addr};

use common::wire::mobile_ip::Flags;
use serde::Serialize;

use super::{
    config::{AgentConfig, MobileConfig},
    registration::{BindingView, Counter, Counters, Discard, Encapsulation, TunnelEnds, Violation, Violator},
};

/// Bindings, and how many there are.
#[derive(Debug, Default, Serialize)]
pub(super) struct BindingList {
    /// In all, or of the node that was asked for.
    pub total: usize,
    pub bindings: Vec<BindingRow>,
}

/// One binding.
#[derive(Debug, Serialize)]
pub(super) struct BindingRow {
    pub home: Ipv4Addr,
    /// NAI, or the home address of a node without.
    pub node: String,
    pub care_of: Ipv4Addr,
    pub source: Ipv4Addr,
    pub source_port: u16,
    pub lifetime_granted: u16,
    pub lifetime_remaining: u16,
    pub flags: String,
    pub identification: String,
    pub tunnel_source: Ipv4Addr,
    pub tunnel_destination: Ipv4Addr,
    pub encapsulation: String,
    pub reverse_tunnel: bool,
    pub spi: String,
}

impl From<BindingView<'_>> for BindingRow {
    fn from(view: BindingView<'_>) -> Self {
        let tunnel = view.tunnel;
        Self {
            home: view.home,
            node: view.identity.to_string(),
            care_of: tunnel.care_of,
            source: view.source,
            source_port: view.source_port,
            lifetime_granted: view.granted,
            lifetime_remaining: view.remaining,
            flags: flags(view.flags),
            identification: format!("{:08X}.{:08X}", view.identification >> 32, view.identification as u32),
            tunnel_source: tunnel.local,
            tunnel_destination: tunnel.remote,
            encapsulation: encapsulation(tunnel.encapsulation),
            reverse_tunnel: tunnel.reverse,
            spi: format!("{:X}", view.spi),
        }
    }
}

fn encapsulation(encapsulation: Encapsulation) -> String {
    match encapsulation {
        Encapsulation::Ipip => "IP/IP".to_owned(),
        Encapsulation::Gre => "GRE/IP".to_owned(),
        Encapsulation::Udp { port, .. } => format!("MIPUDP/IP port {port}"),
    }
}

/// S B D M G V T, upper case where set; V, which was Van Jacobson's compression, never is.
fn flags(flags: Flags) -> String {
    let letters = [
        ('s', Flags::SIMULTANEOUS),
        ('b', Flags::BROADCAST),
        ('d', Flags::CO_LOCATED),
        ('m', Flags::MINIMAL),
        ('g', Flags::GRE),
        ('v', Flags(0)),
        ('t', Flags::REVERSE_TUNNEL),
    ];
    let shown = letters.map(|(letter, flag)| {
        if flag != Flags(0) && flags.contains(flag) { letter.to_ascii_uppercase() } else { letter }
    });
    shown.iter().collect()
}

/// `00:30:00`
pub(super) fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The same of a lifetime, which may have no end.
pub(super) fn lifetime(seconds: u16) -> String {
    if seconds == u16::MAX { "infinite".to_owned() } else { clock(seconds.into()) }
}

impl BindingList {
    pub(super) fn add<'a>(&mut self, views: impl Iterator<Item = BindingView<'a>>) {
        self.bindings.extend(views.map(BindingRow::from));
    }

    /// Bindings of whole nodes, until there are about `most` more.
    pub(super) fn add_nodes<'a>(&mut self, views: impl Iterator<Item = BindingView<'a>>, most: usize) {
        let limit = self.bindings.len() + most;
        for view in views {
            if self.bindings.len() >= limit && self.bindings.last().is_some_and(|last| last.home != view.home)
            {
                return;
            }
            self.bindings.push(view.into());
        }
    }

    pub(super) fn summary(&self) -> String {
        format!("Mobility Binding List:\nTotal {}\n", self.total)
    }

    pub(super) fn text(&self) -> String {
        let mut text = self.summary();
        let mut last = None;
        for row in &self.bindings {
            if last != Some(row.home) {
                let _ = writeln!(text, "{}:", row.home);
                if row.node != row.home.to_string() {
                    let _ = writeln!(text, "    {}", row.node);
                }
            }
            last = Some(row.home);
            let _ = row.write(&mut text);
        }
        if self.total > self.bindings.len() {
            let _ = writeln!(
                text,
                "... and {} more: ask by home address or nai",
                self.total - self.bindings.len()
            );
        }
        text
    }
}

impl BindingRow {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "    Care-of Addr {}, Src Addr {},", self.care_of, self.source)?;
        writeln!(
            out,
            "    Lifetime granted {} ({}), remaining {}",
            lifetime(self.lifetime_granted),
            self.lifetime_granted,
            lifetime(self.lifetime_remaining)
        )?;
        writeln!(out, "    Flags {}, Identification {},", self.flags, self.identification)?;
        writeln!(
            out,
            "    Tunnel src {} dest {} {}{}",
            self.tunnel_source,
            self.tunnel_destination,
            self.encapsulation,
            if self.reverse_tunnel { " reverse-allowed" } else { "" }
        )?;
        let reverse = if self.reverse_tunnel { " (T)Reverse Tunnel" } else { "" };
        writeln!(out, "    Routing Options -{reverse}")
    }
}

/// Tunnels in use.
#[derive(Debug, Serialize)]
pub(super) struct TunnelList {
    total: usize,
    tunnels: Vec<TunnelRow>,
}

/// One tunnel.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct TunnelRow {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    encapsulation: String,
    users: u32,
}

impl TunnelList {
    /// The first `most` that come, in order.
    pub(super) fn new<'a>(
        total: usize,
        tunnels: impl Iterator<Item = (&'a TunnelEnds, u32)>,
        most: usize,
    ) -> Self {
        let row = |(ends, users): (&TunnelEnds, u32)| TunnelRow {
            source: ends.local,
            destination: ends.remote,
            encapsulation: encapsulation(ends.encapsulation),
            users,
        };
        let mut tunnels: Vec<_> = tunnels.take(most).map(row).collect();
        tunnels.sort();
        Self { total, tunnels }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("Mobile Tunnels:\nTotal mobile ip tunnels {}\n", self.total);
        for row in &self.tunnels {
            let TunnelRow { source, destination, encapsulation, users } = row;
            let _ = writeln!(text, "src {source}, dest {destination}");
            let _ = writeln!(text, "    encap {encapsulation}, tunnel-users {users}");
        }
        if self.total > self.tunnels.len() {
            let _ = writeln!(text, "... and {} more", self.total - self.tunnels.len());
        }
        text
    }
}

/// What became of requests.
#[derive(Debug, Serialize)]
pub(super) struct TrafficView {
    counters: Vec<(&'static str, u64)>,
    discards: Vec<(&'static str, u64)>,
    /// Bindings for which workers had no room.
    no_tunnel: u64,
    /// Replies that could not be sent.
    unsent: u64,
}

impl TrafficView {
    pub(super) fn new(counters: &Counters, no_tunnel: u64, unsent: u64) -> Self {
        Self {
            counters: Counter::ALL.iter().map(|counter| (counter.words(), counters.get(*counter))).collect(),
            discards: Discard::ALL
                .iter()
                .map(|reason| (reason.word(), counters.discarded(*reason)))
                .collect(),
            no_tunnel,
            unsent,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::from("IP Mobility traffic:\nHome Agent Registrations:\n");
        for (words, count) in &self.counters {
            let _ = writeln!(text, "    {words} {count}");
        }
        if self.discards.iter().any(|(_, count)| *count > 0) {
            let _ = writeln!(text, "Ignored, by reason:");
        }
        for (word, count) in self.discards.iter().filter(|(_, count)| *count > 0) {
            let _ = writeln!(text, "    {word} {count}");
        }
        if self.no_tunnel > 0 {
            let _ = writeln!(text, "Bindings without a tunnel, for want of room {}", self.no_tunnel);
        }
        if self.unsent > 0 {
            let _ = writeln!(text, "Replies that could not be sent {}", self.unsent);
        }
        text
    }
}

/// One peer's violations.
#[derive(Debug, Serialize)]
pub(super) struct ViolationView {
    peer: String,
    violations: u64,
    source: Ipv4Addr,
    spi: String,
    identification: String,
    reason: &'static str,
}

impl ViolationView {
    pub(super) fn new((violations, last): (u64, Violation<'_>)) -> Self {
        Self {
            peer: match last.peer {
                Violator::Mobile(identity) => identity.to_string(),
                Violator::Foreign(address) => format!("FA {address}"),
            },
            violations,
            source: last.source,
            spi: format!("{:X}", last.spi),
            identification: format!("{:08X}.{:08X}", last.identification >> 32, last.identification as u32),
            reason: last.reason.text(),
        }
    }

    pub(super) fn table(rows: &[Self]) -> String {
        let mut text = String::from("Security Violation Log:\n");
        for row in rows {
            let _ = writeln!(text, "{}:", row.peer);
            let _ = writeln!(text, "    Violations: {}, Last source {}", row.violations, row.source);
            let _ = writeln!(text, "    SPI: {}, Identification: {}", row.spi, row.identification);
            let _ = writeln!(text, "    Reason: {}", row.reason);
        }
        text
    }
}

/// Settings of the home agent.
#[derive(Debug, Serialize)]
pub(super) struct GlobalsView {
    home_agent: bool,
    lifetime: u16,
    replay: u8,
    reverse_tunnel: &'static str,
    strip_realm: bool,
    icmp_unreachable: bool,
    care_of_access: Option<String>,
    roam_access: Option<String>,
    nat_traversal: bool,
    dynamic_address: Option<Ipv4Addr>,
    max_binding: u32,
    virtual_networks: Vec<String>,
    encapsulations: [&'static str; 3],
}

impl GlobalsView {
    pub(super) fn new(config: &MobileConfig) -> Self {
        let standard = AgentConfig::default();
        let agent = config.agent.as_ref().unwrap_or(&standard);
        Self {
            home_agent: config.is_active(),
            lifetime: agent.lifetime,
            replay: agent.replay,
            reverse_tunnel: match (agent.reverse_tunnel_off, agent.reverse_tunnel_mandatory) {
                (true, _) => "disabled",
                (_, true) => "mandatory",
                _ => "enabled",
            },
            strip_realm: agent.strip_realm,
            icmp_unreachable: !agent.suppress_unreachable,
            care_of_access: agent.care_of_access.as_ref().map(ToString::to_string),
            roam_access: agent.roam_access.as_ref().map(ToString::to_string),
            nat_traversal: agent.nat_traversal.is_some(),
            dynamic_address: agent.dynamic_address,
            max_binding: agent.max_binding,
            virtual_networks: config
                .virtual_networks
                .iter()
                .map(|network| network.prefix.to_string())
                .collect(),
            encapsulations: ["IPIP", "GRE", "MIPUDP"],
        }
    }

    pub(super) fn text(&self) -> String {
        let on = |on| if on { "enabled" } else { "disabled" };
        let mut text = String::from("IP Mobility global information:\n\n");
        let _ = writeln!(text, "Home agent is {}\n", on(self.home_agent));
        let _ =
            writeln!(text, "    Registration lifetime: {} ({} secs)", lifetime(self.lifetime), self.lifetime);
        let _ = writeln!(text, "    Replay protection time: {} secs", self.replay);
        let _ = writeln!(text, "    Reverse tunnel {}", self.reverse_tunnel);
        let _ = writeln!(text, "    ICMP unreachable {}", on(self.icmp_unreachable));
        let _ = writeln!(text, "    Strip realm {}", on(self.strip_realm));
        for (what, list) in [("Care-of", &self.care_of_access), ("Home", &self.roam_access)] {
            if let Some(list) = list {
                let _ = writeln!(text, "    {what} addresses by access list {list}");
            }
        }
        let _ = writeln!(text, "    NAT traversal {}", on(self.nat_traversal));
        let _ = writeln!(text, "    Maximum bindings {}", self.max_binding);
        if let Some(address) = self.dynamic_address {
            let _ = writeln!(text, "    HA address told to mobile nodes: {address}");
        }
        let _ = writeln!(text, "    Virtual networks");
        for network in &self.virtual_networks {
            let _ = writeln!(text, "        {network}");
        }
        let _ = writeln!(text, "\nEncapsulations: {}", self.encapsulations.join(", "));
        text
    }
}
