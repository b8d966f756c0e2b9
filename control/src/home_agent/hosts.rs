//! `show ip mobile host`: what is configured of mobile nodes, and what became of their requests.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::Arc,
};

use common::time::Nanos;
use serde::Serialize;

use super::{
    config::{AddressConfig, AgentConfig, HostConfig, MobileConfig, Who},
    registration::{Counted, HostCounters},
    show::{clock, lifetime},
};

/// The counters of each line of `ip mobile host`, for as long as the line is there.
#[derive(Debug, Default)]
pub(super) struct HostBook(HashMap<Who, Arc<HostCounters>>);

impl HostBook {
    /// For these lines; those that were there go on counting.
    pub(super) fn configure(&mut self, hosts: &[HostConfig]) {
        let counters = |who: &Who| self.0.get(who).map_or_else(Arc::default, Arc::clone);
        self.0 = hosts.iter().map(|host| (host.who.clone(), counters(&host.who))).collect();
    }

    /// Those of a line.
    pub(super) fn of(&self, who: &Who) -> Arc<HostCounters> {
        self.0.get(who).map_or_else(Arc::default, Arc::clone)
    }

    /// Counts anew: for one line, or for all.
    pub(super) fn clear(&self, only: Option<&Arc<HostCounters>>) {
        let asked = |counters: &&Arc<HostCounters>| only.is_none_or(|only| Arc::ptr_eq(only, counters));
        self.0.values().filter(asked).for_each(|counters| counters.clear());
    }

    /// What is shown of one line, or of all, in the order of the configuration.
    pub(super) fn list(
        &self,
        config: &MobileConfig,
        only: Option<&Arc<HostCounters>>,
        now: Nanos,
    ) -> HostList {
        let lifetime = config.agent.as_ref().map_or(AgentConfig::LIFETIME, |agent| agent.lifetime);
        let all = config.hosts.iter().map(|host| (host, self.of(&host.who)));
        let asked = all.filter(|(_, counters)| only.is_none_or(|only| Arc::ptr_eq(only, counters)));
        HostList {
            hosts: asked.map(|(host, counters)| HostView::new(host, &counters, lifetime, now)).collect(),
        }
    }
}

/// Lines of `ip mobile host`.
#[derive(Debug, Serialize)]
pub(super) struct HostList {
    hosts: Vec<HostView>,
}

/// One line.
#[derive(Debug, Serialize)]
struct HostView {
    /// Home address, `LOW HIGH`, NAI or `@realm`.
    host: String,
    /// Where an address comes from, in words.
    address: String,
    /// Seconds that are granted at most.
    lifetime: u16,
    /// The line says so itself.
    lifetime_configured: bool,
    virtual_network: String,
    care_of_access: Option<String>,
    accepted: u64,
    last_accepted_seconds_ago: Option<u64>,
    denied: u64,
    last_denied_seconds_ago: Option<u64>,
    last_code: Option<u8>,
}

impl HostView {
    fn new(host: &HostConfig, counters: &HostCounters, lifetime: u16, now: Nanos) -> Self {
        let ago = |counted: Counted| counted.last.map(|last| now.since(last).as_secs());
        let (accepted, denied) = (counters.accepted(), counters.denied());
        Self {
            host: match &host.who {
                Who::Nai(nai) => nai.clone(),
                who => who.to_string(),
            },
            address: match &host.address {
                None if matches!(host.who, Who::Nai(_)) => "Address named by the node".to_owned(),
                None => "Static address".to_owned(),
                Some(AddressConfig::Fixed(address)) => format!("Address {address}"),
                Some(AddressConfig::Pool(pool)) => format!("Dynamic address from local pool {pool}"),
            },
            lifetime: host.lifetime.map_or(lifetime, |own| own.min(lifetime)),
            lifetime_configured: host.lifetime.is_some(),
            virtual_network: host.network.to_string(),
            care_of_access: host.care_of_access.as_ref().map(ToString::to_string),
            accepted: accepted.count,
            last_accepted_seconds_ago: ago(accepted),
            denied: denied.count,
            last_denied_seconds_ago: ago(denied),
            last_code: counters.last_code(),
        }
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}:", self.host)?;
        writeln!(out, "    {}", self.address)?;
        let default = if self.lifetime_configured { "" } else { "/default" };
        writeln!(out, "    Allowed lifetime {} ({}{default})", lifetime(self.lifetime), self.lifetime)?;
        writeln!(out, "    Home link on virtual network {}", self.virtual_network)?;
        if let Some(list) = &self.care_of_access {
            writeln!(out, "    Care-of addresses by access list {list}")?;
        }
        writeln!(out, "    Accepted {}, Last time {}", self.accepted, ago(self.last_accepted_seconds_ago))?;
        write!(out, "    Denied {}, Last time {}", self.denied, ago(self.last_denied_seconds_ago))?;
        match self.last_code {
            Some(code) => writeln!(out, ", Last code {code}"),
            None => writeln!(out),
        }
    }
}

fn ago(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-never-".to_owned(), |seconds| format!("{} ago", clock(seconds)))
}

impl HostList {
    pub(super) fn text(&self) -> String {
        let mut text = format!("Mobile Host List:\nTotal {}\n", self.hosts.len());
        for host in &self.hosts {
            // Writing to a string cannot fail.
            let _ = host.write(&mut text);
        }
        text
    }
}
