//! One subsystem's agent as a state machine: events and the time come in; what to listen on, what to write to which
//! manager and what to log is asked of it. No sockets, no clock.
//!
//! It is asked by level, not by edge: [`Agent::listen`] says where to listen now, [`Agent::turn`] what a connection has
//! to do now. So nothing that is asked late or twice goes wrong. Whoever runs it calls [`Agent::expire`] at
//! [`Agent::deadline`].

mod admission;
mod peer;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use common::time::Nanos;

pub use self::table::Table;
use self::{admission::Admission, peer::Peer};
use super::{
    config::AgentConfig,
    view::{ManagerView, View},
};
use crate::dfp::{
    counter::{Counter, Counters},
    debug::{self, Direction, Facility},
    inbound::{Discard, Received},
    log::{Limiter, Notice},
    packet::{Decoded, Load, Message},
    security::Keyring,
    sockets::LinkId,
    view::PasswordView,
};
use crate::protocol::Witness;

/// Lines for the log or for debug that wait to be fetched; more are dropped.
const MOST_LINES: usize = 256;

/// What a connection has to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing, until something has happened.
    Wait,
    /// Hand this message to TCP in one write, then say [`Agent::written`].
    Write(Vec<u8>),
    /// End in order: what is being written still goes out.
    Finish,
    /// Close at once.
    Abort,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Listener {
    Closed,
    Open(u16),
    /// Is tried again then; none: that is under way.
    Failed {
        error: String,
        retry: Option<Nanos>,
    },
}

#[derive(Clone, Debug)]
pub struct Agent {
    config: AgentConfig,
    keys: Keyring,
    /// Managers could connect once: from then on a new password has a change-over.
    listened: bool,
    listener: Listener,
    /// What the subsystem reports; none: it is not active.
    table: Option<Table>,
    /// When the weights are to be computed next.
    compute: Nanos,
    peers: BTreeMap<LinkId, Peer>,
    /// Connections that are to end in order and have not been told yet.
    finishing: BTreeSet<LinkId>,
    /// Of connections that have ended, and of the agent as a whole.
    counters: Counters,
    limiter: Limiter,
    notices: Vec<Notice>,
    debug: bool,
    lines: Vec<String>,
}

impl Agent {
    /// An agent whose subsystem has said nothing yet.
    pub fn new(config: AgentConfig, now: Nanos) -> Self {
        let mut keys = Keyring::default();
        keys.configure(config.password.as_ref(), false, now);
        Self {
            config,
            keys,
            listened: false,
            listener: Listener::Closed,
            table: None,
            compute: now,
            peers: BTreeMap::new(),
            finishing: BTreeSet::new(),
            counters: Counters::default(),
            limiter: Limiter::default(),
            notices: Vec::new(),
            debug: false,
            lines: Vec::new(),
        }
    }

    /// See [`Keyring::observe_through`].
    pub(in crate::dfp) fn observe_through(&mut self, witness: &Witness) {
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
            self.listener = Listener::Closed;
            self.finish_all();
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
    pub fn is_active(&self) -> bool {
        self.config.inservice && self.table.is_some() && self.config.port.is_some()
    }

    /// Closes what an inactive agent must not have.
    fn settle(&mut self) {
        if !self.is_active() {
            self.listener = Listener::Closed;
            self.finish_all();
        }
    }

    fn finish_all(&mut self) {
        for (id, peer) in std::mem::take(&mut self.peers) {
            self.counters.merge(peer.inbound.counters());
            self.finishing.insert(id);
        }
    }

    // ---- the subsystem -------------------------------------------------------------------------------------------

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

    // ---- the listener --------------------------------------------------------------------------------------------

    /// The port to listen on now; none: on none.
    pub fn listen(&self, now: Nanos) -> Option<u16> {
        let port = self.config.port.filter(|_| self.is_active());
        match self.listener {
            Listener::Failed { retry: Some(retry), .. } if now < retry => None,
            Listener::Failed { .. } | Listener::Closed | Listener::Open(_) => port,
        }
    }

    /// True if the port is listened on, and has been since it was last told to be.
    pub fn is_listening(&self) -> bool {
        matches!(self.listener, Listener::Open(_))
    }

    /// The port that [`Agent::listen`] gave is listened on.
    pub fn listening(&mut self, port: u16) {
        if self.config.port == Some(port) && self.is_active() {
            self.listener = Listener::Open(port);
            self.listened = true;
        }
    }

    /// The port cannot be listened on; it is tried again after an interval. True if that is news.
    pub fn listen_failed(&mut self, error: String, now: Nanos) -> bool {
        let news = !matches!(&self.listener, Listener::Failed { error: old, .. } if *old == error);
        self.listener = Listener::Failed { error, retry: Some(now.after(self.interval())) };
        news
    }

    /// The sockets were told what [`Agent::listen`] gave.
    pub fn opening(&mut self) {
        if let Listener::Failed { retry, .. } = &mut self.listener {
            *retry = None;
        }
    }

    // ---- connections ---------------------------------------------------------------------------------------------

    /// A manager has connected from `remote` to our address `local`. False: close it.
    pub fn accept(&mut self, id: LinkId, remote: SocketAddrV4, local: Ipv4Addr, now: Nanos) -> bool {
        if !self.is_listening() {
            return false;
        }
        let present = self.peers.iter().map(|(id, peer)| (*id, *peer.remote.ip(), peer.proven));
        match admission::admit(*remote.ip(), &present) {
            Admission::Yes => {}
            Admission::InsteadOf(old) => {
                self.counters.count(Counter::Evicted);
                self.end(old, "replaced by a newer connection");
            }
            Admission::No => {
                self.counters.count(Counter::Refused);
                return false;
            }
        }
        self.peers.insert(id, Peer::new(remote, local, now));
        true
    }

    /// Bytes from a manager. False: the connection has ended.
    pub fn input(&mut self, id: LinkId, mut bytes: &[u8], now: Nanos) -> bool {
        loop {
            let Some(peer) = self.peers.get_mut(&id) else { return false };
            match peer.inbound.next(&mut bytes, &self.keys, now) {
                None => return true,
                Some(Received::Message(decoded)) => self.message(id, &decoded, now),
                Some(Received::Discarded(discard)) => {
                    let remote = peer.remote;
                    if let Discard::Undecodable(error) = discard {
                        self.notice(Notice::Discarded { error, peer: remote }, now);
                    }
                    self.line(|| debug::discarded(Facility::Agent, remote, discard));
                }
                Some(Received::Closed(close)) => {
                    let remote = peer.remote;
                    self.notice(Notice::Closed { close, peer: remote }, now);
                    self.end(id, close);
                    return false;
                }
            }
        }
    }

    fn message(&mut self, id: LinkId, decoded: &Decoded, now: Nanos) {
        let message = &decoded.message;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.proven = true;
        let remote = peer.remote;
        let manager = *remote.ip();
        match message {
            Message::Parameters { keep_alive: Some(seconds) } => {
                peer.timeout = *seconds;
                if (1..3).contains(seconds) {
                    self.notice(Notice::KeepAlive { seconds: *seconds, manager }, now);
                }
            }
            // Never more than a line of the log: else two boxes that report to each other could sway.
            Message::ServerState(loads) => {
                for row in loads.iter().flat_map(Load::rows) {
                    self.notice(Notice::ServerState { manager, row }, now);
                }
            }
            Message::BindIdRequest => {
                let binds = self.table.as_ref().map_or(&[][..], |table| &table.binds);
                peer.answer(binds, now);
            }
            // The others do not come this way; the receiving half has discarded them.
            Message::Parameters { keep_alive: None }
            | Message::PreferenceInfo(_)
            | Message::BindIdReport(_)
            | Message::BindIdChangeNotify => {}
        }
        self.line(|| debug::received(Facility::Agent, remote, decoded));
    }

    /// The manager has sent its last byte.
    pub fn finished(&mut self, id: LinkId, now: Nanos) {
        self.over(id, "by the manager", now);
    }

    pub fn lost(&mut self, id: LinkId, now: Nanos) {
        self.over(id, "lost", now);
    }

    fn over(&mut self, id: LinkId, why: &str, now: Nanos) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let remote = peer.remote;
        match peer.inbound.finish() {
            Some(close) => {
                self.notice(Notice::Closed { close, peer: remote }, now);
                self.end(id, close);
            }
            None => self.end(id, why),
        }
    }

    /// What the connection has to do now. After [`Turn::Finish`] and [`Turn::Abort`] it is forgotten.
    pub fn turn(&mut self, id: LinkId, now: Nanos) -> Turn {
        let Some(peer) = self.peers.get_mut(&id) else {
            return if self.finishing.remove(&id) { Turn::Finish } else { Turn::Abort };
        };
        let Some(table) = &self.table else { return Turn::Wait };
        let Some(message) = peer.next(table, now) else { return Turn::Wait };
        let mut bytes = Vec::new();
        if let Err(error) = message.encode(&mut bytes, self.keys.sending(now)) {
            // A BindID table is cut to what fits, weights too: what is left is a fault of ours.
            tracing::error!("DFP: {} cannot be sent: {error}", message.message_type());
            peer.dropped();
            return Turn::Wait;
        }
        let (remote, length) = (peer.remote, bytes.len());
        self.line(|| debug::message(Facility::Agent, remote, Direction::Sent, &message, length));
        Turn::Write(bytes)
    }

    /// TCP has taken the message of the last [`Turn::Write`].
    pub fn written(&mut self, id: LinkId, now: Nanos) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.written(now);
        }
    }

    fn end(&mut self, id: LinkId, why: impl std::fmt::Display) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.counters.merge(peer.inbound.counters());
        self.line(|| debug::closed(Facility::Agent, peer.remote, why));
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    /// When [`Agent::expire`] must be called, and everything be asked again.
    pub fn deadline(&self) -> Option<Nanos> {
        let compute = self.computes().then_some(self.compute);
        let retry = match self.listener {
            Listener::Failed { retry, .. } => retry,
            Listener::Closed | Listener::Open(_) => None,
        };
        let peers = self.peers.values().filter_map(Peer::deadline);
        peers.chain(compute).chain(retry).chain(self.keys.deadline()).min()
    }

    /// Does what is due: slow messages, managers that do not read, reports that were put off, the end of a change-over.
    pub fn expire(&mut self, now: Nanos) {
        self.advance_password(now);
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.report_deferred(now);
            let remote = peer.remote;
            if let Some(close) = peer.inbound.expire(now) {
                self.notice(Notice::Closed { close, peer: remote }, now);
                self.end(id, close);
            } else if peer.is_stalled(now) {
                peer.inbound.count(Counter::StalledClose);
                self.end(id, "the manager does not read");
            }
        }
    }

    // ---- what is said of it --------------------------------------------------------------------------------------

    fn notice(&mut self, notice: Notice, now: Nanos) {
        if self.notices.len() < MOST_LINES && self.limiter.allows(&notice, now) {
            self.notices.push(notice);
        }
    }

    /// For the log, since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub fn set_debug(&mut self, on: bool) {
        self.debug = on;
    }

    fn line(&mut self, line: impl FnOnce() -> String) {
        if self.debug && self.lines.len() < MOST_LINES {
            self.lines.push(line());
        }
    }

    /// Lines of debug, since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    #[cfg(test)]
    pub fn managers(&self) -> usize {
        self.peers.len()
    }

    /// All counters: of the present connections and of those that have ended.
    pub fn counters(&self) -> Counters {
        let mut sum = self.counters;
        self.peers.values().for_each(|peer| sum.merge(peer.inbound.counters()));
        sum
    }

    pub fn view(&self, now: Nanos) -> View {
        let (weights, bind_ids) =
            self.table.clone().map_or_else(Default::default, |table| (table.rows, table.binds));
        View {
            service: self.config.name,
            port: self.config.port,
            interval: self.config.interval,
            password: PasswordView::of(&self.keys, now),
            inservice: self.config.inservice,
            app_active: self.table.is_some(),
            listening: self.is_listening(),
            listen_error: match &self.listener {
                Listener::Failed { error, .. } => Some(error.clone()),
                Listener::Closed | Listener::Open(_) => None,
            },
            counters: self.counters(),
            managers: self.peers.values().map(ManagerView::from).collect(),
            weights,
            bind_ids,
        }
    }
}

#[cfg(test)]
mod tests;
