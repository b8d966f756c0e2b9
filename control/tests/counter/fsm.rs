//! What changes the counters' states.

use std::time::Duration;

use common::time::Nanos;
use control::{
    bus::{Fact, HomeAgent},
    protocol::Cx,
};

use super::{
    Counter,
    config::CountersConfig,
    debug,
    io::{Message, Order},
};

/// One counter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub value: u64,
    /// Beats that were too late: another was due by then.
    pub missed: u64,
    /// The bell was rung for it.
    pub rung: bool,
    interval: Option<Duration>,
    /// When it rises by itself next.
    pub due: Option<Nanos>,
}

impl Counter {
    /// Makes the counters that are configured. Those that stay keep their counts, and their beat unless it is another one.
    pub(super) fn place(&mut self, config: &CountersConfig, now: Nanos) {
        self.counts.retain(|name, _| config.counter(name).is_some());
        for counter in &config.counters {
            let count = self.counts.entry(counter.name.clone()).or_default();
            if count.interval != counter.interval {
                count.interval = counter.interval;
                count.due = counter.interval.map(|interval| now.after(interval));
            }
        }
    }

    /// Those whose time has come rise. The next beat follows from the last one, not from when it was handled.
    pub(super) fn beat(&mut self, cx: &mut Cx<'_, Self>) {
        for (name, count) in &mut self.counts {
            let (Some(due), Some(interval)) = (count.due, count.interval) else { continue };
            if due > cx.now() {
                continue;
            }
            let missed = cx.now().since(due).as_nanos() / interval.as_nanos();
            count.missed += missed as u64;
            count.due = Some(due.after(interval * (missed as u32 + 1)));
            count.rise(name, 1, cx);
            cx.debug(&debug::BEATS, || format!("Counter {name} = {}", count.value));
        }
        self.tell(cx);
    }

    pub(super) fn add(&mut self, name: &str, amount: u64, cx: &mut Cx<'_, Self>) -> bool {
        let Some(count) = self.counts.get_mut(name) else { return false };
        count.rise(name, amount, cx);
        self.tell(cx);
        true
    }

    pub(super) fn clear(&mut self, cx: &mut Cx<'_, Self>) {
        for count in self.counts.values_mut() {
            (count.value, count.missed, count.rung) = (0, 0, false);
        }
        self.tell(cx);
    }

    /// What its task tells.
    pub(super) fn take(&mut self, message: Message) {
        let Message::Rung(name) = message;
        // It may have been deleted meanwhile.
        if let Some(count) = self.counts.get_mut(&name) {
            count.rung = true;
        }
    }

    /// Its tasks have died, and with them what they were told: those that were not rung for are rung for again.
    pub(super) fn ring_again(&self, cx: &mut Cx<'_, Self>) {
        for counter in &cx.config.counters {
            let count = self.counts.get(&counter.name);
            if count.is_some_and(|count| count.value >= counter.limit && !count.rung) {
                cx.order(Order::Ring(counter.name.clone()));
            }
        }
    }

    pub(super) fn hear(&mut self, fact: &Fact) {
        if let Fact::VirtualServers(servers) = fact {
            self.virtual_servers = servers.len();
        }
    }

    /// Tells the others how much is counted, as a home agent tells of its bindings.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_, Self>) {
        let total = HomeAgent {
            bindings: self.counts.values().map(|count| count.value).sum(),
            max_bindings: cx.config.counters.iter().map(|counter| counter.limit).sum(),
            calls: None,
            busy: None,
            max_weight: 100,
        };
        let total = (!self.counts.is_empty()).then_some(total);
        if self.told != total {
            self.told = total;
            cx.tell(Fact::HomeAgent(total));
        }
    }
}

impl Count {
    fn rise(&mut self, name: &str, amount: u64, cx: &mut Cx<'_, Counter>) {
        let before = self.value;
        self.value += amount;
        let limit = cx.config.counter(name).map(|counter| counter.limit);
        if limit.is_some_and(|limit| (before + 1..=self.value).contains(&limit)) {
            cx.order(Order::Ring(name.to_owned()));
        }
    }
}
