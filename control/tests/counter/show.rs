//! `show counters`: facts are copied under the lock, text or JSON is made of them later.

use std::{fmt::Write as _, net::Ipv4Addr};

use control::protocol::Cx;
use serde::Serialize;

use super::{Counter, fsm::Count};

/// All that is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CountersView {
    counters: Vec<CounterView>,
    /// Of packets to counters' addresses; sources, of late.
    packets: u64,
    sources: u64,
    virtual_servers: usize,
}

/// A counter as shown.
#[derive(Clone, Debug, Serialize)]
struct CounterView {
    name: String,
    count: u64,
    missed: u64,
    rung: bool,
    /// Whether there is one; the key itself is never shown.
    key: bool,
    address: Option<Ipv4Addr>,
    /// Every worker knows its address.
    settled: bool,
}

impl Counter {
    pub(super) fn view(&self, cx: &Cx<'_, Self>) -> CountersView {
        let settled = cx.shared.is_settled(self.generation);
        let view = |name: &String, count: &Count| {
            let config = cx.config.counter(name)?;
            Some(CounterView {
                name: name.clone(),
                count: count.value,
                missed: count.missed,
                rung: count.rung,
                key: config.key.is_some(),
                address: config.address.filter(|address| self.claimed.contains(address)),
                settled,
            })
        };
        let counters = self.counts.iter().filter_map(|(name, count)| view(name, count)).collect();
        let (sources, packets) = self.sources.totals(cx.now().tick());
        CountersView { counters, packets, sources, virtual_servers: self.virtual_servers }
    }
}

impl CountersView {
    pub(super) fn text(&self) -> String {
        let mut text = "counter          count    address\n---------------------------------\n".to_owned();
        for counter in &self.counters {
            let address = counter.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:<15}  {:<7}  {address}", counter.name, counter.count);
        }
        text + &format!(
            "{} packets of {} sources; virtual servers: {}\n",
            self.packets, self.sources, self.virtual_servers
        )
    }
}
