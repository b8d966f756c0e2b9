//! One subsystem's agent as a state machine: what its sockets tell, weights and the time come in; orders for the sockets,
//! lines of the log and of debug go out. No sockets, no clock.
//!
//! It decides by level, not by edge: [`Agent::take_orders`] compares where to listen, and what each manager knows, with
//! what is wanted now. Whoever runs it calls that after all that it tells, and [`Agent::expire`] at [`Agent::deadline`].

mod admission;
mod connections;
mod listener;
mod peer;
mod table;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use common::time::Nanos;

pub use self::table::Table;
use self::{listener::Listener, peer::Peer};
use super::{
    config::AgentConfig,
    view::{ManagerView, View},
};
use crate::{
    dfp::{
        counter::{Counter, Counters},
        debug::Facility,
        log::{Limiter, Notice},
        security::Keyring,
        sockets::{End, LinkId, SocketOrder},
        view::PasswordView,
    },
    protocol::Witness,
};

/// Lines of debug that wait to be fetched; more are dropped.
const MOST_LINES: usize = 256;

#[derive(Clone, Debug)]
pub struct Agent {
    config: AgentConfig,
    /// Where each of its ports is listened on.
    address: Ipv4Addr,
    keys: Keyring,
    /// Managers could connect once: from then on a new password has a change-over.
    listened: bool,
    listener: Listener,
    /// What the subsystem reports; none: it is not active.
    table: Option<Table>,
    /// When the weights are to be computed next.
    compute: Nanos,
    peers: BTreeMap<LinkId, Peer>,
    orders: Vec<SocketOrder>,
    /// Of connections that have ended, and of the agent as a whole.
    counters: Counters,
    limiter: Limiter,
    /// Of debug, while that is on.
    lines: Option<Vec<String>>,
}

impl Agent {
    /// An agent whose subsystem has said nothing yet.
    pub fn new(config: AgentConfig, address: Ipv4Addr, now: Nanos) -> Self {
        let mut keys = Keyring::default();
        keys.configure(config.password.as_ref(), false, now);
        Self {
            config,
            address,
            keys,
            listened: false,
            listener: Listener::default(),
            table: None,
            compute: now,
            peers: BTreeMap::new(),
            orders: Vec::new(),
            counters: Counters::default(),
            limiter: Limiter::default(),
            lines: None,
        }
    }

    /// See [`Keyring::observe_through`].
    pub fn observe_through(&mut self, witness: &Witness) {
        self.keys.observe_through(witness);
    }

    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    /// Takes new settings. Another port, or none, ends every connection, and so does `no inservice`.
    pub fn configure(&mut self, config: AgentConfig, now: Nanos) {
        let old = std::mem::replace(&mut self.config, config);
        if old.password != self.config.password {
            self.change_password(now);
        }
        if old.interval != self.config.interval {
            self.compute = now.after(self.interval());
        }
        if old.port != self.config.port {
            self.close();
        }
        self.settle();
    }

    fn change_password(&mut self, now: Nanos) {
        self.advance_password(now);
        let before = self.keys.sending(now).cloned();
        self.keys.configure(self.config.password.as_ref(), self.listened, now);
        if before.as_ref() != self.keys.sending(now) {
            self.tell_again();
        }
    }

    /// Ends a change-over whose time has come.
    fn advance_password(&mut self, now: Nanos) {
        if self.keys.advance(now) {
            self.tell_again();
        }
    }

    /// Another password is in use. A manager whose own change-over ended before ours has refused what we sent since, and
    /// would never hear of it: every manager is told everything anew.
    fn tell_again(&mut self) {
        self.peers.values_mut().for_each(Peer::report_all);
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.config.interval.into())
    }

    /// True while managers are served: `inservice`, an active subsystem, and a port.
    fn is_active(&self) -> bool {
        self.computes() && self.table.is_some()
    }

    /// Closes what an inactive agent must not have.
    fn settle(&mut self) {
        if !self.is_active() {
            self.close();
        }
    }

    /// Its connections end in order.
    fn close(&mut self) {
        self.listener.close();
        for (id, peer) in std::mem::take(&mut self.peers) {
            self.counters.merge(peer.inbound.counters());
            self.orders.push(SocketOrder::End(id, End::Finish));
        }
    }

    /// It is no more: nothing is listened on, and its connections end in order.
    pub fn end(mut self, now: Nanos) -> Vec<SocketOrder> {
        self.configure(AgentConfig { inservice: false, ..self.config.clone() }, now);
        self.take_orders(now)
    }

    /// True if the subsystem must say its weights now ([`Agent::computed`]); the interval starts anew then.
    pub fn wants_weights(&mut self, now: Nanos) -> bool {
        let due = self.computes() && self.compute <= now;
        if due {
            self.compute = now.after(self.interval());
        }
        due
    }

    /// Weights are computed even while the subsystem is not active: it may become so.
    fn computes(&self) -> bool {
        self.config.inservice && self.config.port.is_some()
    }

    /// The subsystem's weights as of the interval's end; none: it is not active. Every manager is sent what has changed
    /// for it.
    pub fn computed(&mut self, table: Option<Table>) {
        self.take_table(table);
        self.peers.values_mut().for_each(Peer::report);
    }

    /// The subsystem's weights at any other time. Only what is sudden is sent at once: a row that goes to weight 0 or
    /// leaves it, is new or is gone. `urgent` sends every change.
    pub fn changed(&mut self, table: Option<Table>, urgent: bool, now: Nanos) {
        self.take_table(table);
        let Some(table) = &self.table else { return };
        for peer in self.peers.values_mut() {
            if peer.is_reporting() {
                peer.report();
            } else if peer.differs(table, urgent) {
                peer.report_early(now);
            }
        }
    }

    fn take_table(&mut self, table: Option<Table>) {
        let table = table.map(|table| {
            let (table, dropped) = table.bounded();
            // Only what is new overflows; the same table again is the same overflow.
            if dropped > 0 && self.table.as_ref() != Some(&table) {
                self.counters.add(Counter::TableOverflow, dropped as u64);
            }
            table
        });
        let binds = |table: &Option<Table>| table.as_ref().map(|table| table.binds.clone());
        let (old, new) = (binds(&self.table), binds(&table));
        if old.is_some() && new.is_some() && old != new {
            self.peers.values_mut().for_each(|peer| peer.notify = true);
        }
        self.table = table;
        self.settle();
    }

    /// When [`Agent::expire`] must be called.
    pub fn deadline(&self) -> Option<Nanos> {
        let compute = self.computes().then_some(self.compute);
        let peers = self.peers.values().filter_map(Peer::deadline);
        peers.chain(compute).chain(self.listener.retry).chain(self.keys.deadline()).min()
    }

    /// Does what is due: the end of a change-over, and what connections wait for.
    pub fn expire(&mut self, now: Nanos) {
        self.advance_password(now);
        self.expire_connections(now);
    }

    fn notice(&mut self, notice: Notice, now: Nanos) {
        notice.emit_rarely(Facility::Agent, &mut self.limiter, now);
    }

    pub fn set_debug(&mut self, on: bool) {
        self.lines = on.then(Vec::new);
    }

    fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < MOST_LINES) {
            lines.push(line());
        }
    }

    /// Lines of debug, since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All counters: of the present connections and of those that have ended.
    pub fn counters(&self) -> Counters {
        let mut sum = self.counters;
        self.peers.values().for_each(|peer| sum.merge(peer.inbound.counters()));
        sum
    }

    pub fn view(&self, now: Nanos) -> View {
        let table = self.table.clone().unwrap_or_default();
        View {
            service: self.config.name,
            port: self.config.port,
            interval: self.config.interval,
            password: PasswordView::of(&self.keys, now),
            inservice: self.config.inservice,
            app_active: self.table.is_some(),
            listening: self.listener.open,
            listen_error: self.listener.error.clone(),
            counters: self.counters(),
            managers: self.peers.values().map(ManagerView::from).collect(),
            weights: table.rows,
            bind_ids: table.binds,
        }
    }
}

#[cfg(test)]
mod tests;
