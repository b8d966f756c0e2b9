//! A connected manager: what it was told, what it is to be told, and when.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use common::time::Nanos;

use super::Table;
use crate::dfp::{
    agent::view::ManagerView,
    inbound::Inbound,
    packet::{BindTable, Load, MAX_HOSTS, Message, Role, Row, RowKey, reports},
};

/// Least seconds between hellos; a manager that asks for less gets this.
const LEAST_HELLO: u64 = 3;

/// Most seconds between hellos to a manager that asks for any.
const MOST_HELLO: u64 = 60;

/// Least time that a manager has to take a message.
const LEAST_STALL: Duration = Duration::from_secs(30);

/// Time between two reports that do not wait for the interval, and between two answers to BindID Requests.
const PAUSE: Duration = Duration::from_secs(1);

/// A message that TCP has not taken yet.
#[derive(Clone, Debug)]
struct Flight {
    since: Nanos,
    /// What the manager will know then.
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddrV4,
    /// Our address of this connection.
    local: Ipv4Addr,
    pub(super) inbound: Inbound,
    /// It has sent a sound message.
    pub(super) proven: bool,
    /// Keep-alive Time in seconds; 0: it wants no hellos.
    pub(super) timeout: u32,
    /// Weights as it was told them.
    pub(super) told: HashMap<RowKey, u16>,
    /// It was told something.
    greeted: bool,
    /// Changes are to be sent now: `pending` is to be made anew.
    report: bool,
    /// What it was told counts for nothing: the next report has the whole table.
    all: bool,
    /// What is left of a report.
    pending: VecDeque<Row>,
    /// A report before the interval's end was put off until then.
    deferred: Option<Nanos>,
    /// The next one may come then.
    early: Nanos,
    /// The BindID tables have changed.
    pub(super) notify: bool,
    /// What is left of the answer to a BindID Request.
    answer: VecDeque<BindTable>,
    /// The next request is heeded then.
    answers: Nanos,
    flight: Option<Flight>,
    /// When the last message went out, or the connection began.
    wrote: Nanos,
}

impl Peer {
    /// A manager that has just connected: the full table goes out first.
    pub(super) fn new(remote: SocketAddrV4, local: Ipv4Addr, now: Nanos) -> Self {
        Self {
            remote,
            local,
            inbound: Inbound::new(Role::Agent),
            proven: false,
            timeout: 0,
            told: HashMap::new(),
            greeted: false,
            report: true,
            all: false,
            pending: VecDeque::new(),
            deferred: None,
            early: now,
            notify: false,
            answer: VecDeque::new(),
            answers: now,
            flight: None,
            wrote: now,
        }
    }

    pub(super) fn report(&mut self) {
        self.report = true;
        self.deferred = None;
    }

    /// The whole table is to be sent.
    pub(super) fn report_all(&mut self) {
        self.all = true;
        self.report();
    }

    /// A report is on its way, which newer weights replace.
    pub(super) fn is_reporting(&self) -> bool {
        !self.pending.is_empty() || self.flight.as_ref().is_some_and(|flight| !flight.rows.is_empty())
    }

    /// The changes are to be sent at once, or a second after they were sent so the last time.
    pub(super) fn report_early(&mut self, now: Nanos) {
        if self.early <= now {
            self.early = now.after(PAUSE);
            self.report();
        } else {
            self.deferred = Some(self.early);
        }
    }

    /// Sends what was put off until now.
    pub(super) fn report_deferred(&mut self, now: Nanos) {
        if self.deferred.is_some_and(|until| until <= now) {
            self.report_early(now);
        }
    }

    /// True if the table has something new for it: suddenly new, or anything if `all`.
    pub(super) fn differs(&self, table: &Table, all: bool) -> bool {
        let sudden = |row: &Row| match self.told.get(&row.key) {
            None => true,
            Some(told) if all => *told != row.weight,
            Some(told) => (*told == 0) != (row.weight == 0),
        };
        self.changes(table).iter().any(sudden)
    }

    /// What it must be told, in the order of the table. A row that has left the table is told once more, with weight 0:
    /// there is nothing there any more, and the protocol has no other word for it.
    fn changes(&self, table: &Table) -> Vec<Row> {
        let mut changes: Vec<_> = table.rows_at(self.local).collect();
        let listed: HashSet<_> = changes.iter().map(|row| row.key).collect();
        changes.retain(|row| self.all || self.told.get(&row.key) != Some(&row.weight));
        let gone = self.told.iter().filter(|(key, weight)| **weight != 0 && !listed.contains(key));
        let start = changes.len();
        changes.extend(gone.map(|(key, _)| Row { key: *key, weight: 0 }));
        changes[start..].sort_unstable_by_key(|row| (row.key.port, row.key.protocol, row.key));
        changes
    }

    /// Takes a BindID Request, unless another was answered less than a second ago or still is.
    pub(super) fn answer(&mut self, binds: &[BindTable], now: Nanos) {
        if self.answers <= now && self.answer.is_empty() {
            self.answers = now.after(PAUSE);
            self.answer = BindTable::answer(binds).into();
        }
    }

    /// The next message to it, if one is due and nothing is being written.
    pub(super) fn next(&mut self, table: &Table, now: Nanos) -> Option<Message> {
        if self.flight.is_some() {
            return None;
        }
        let message = self.choose(table, now)?;
        let rows = match &message {
            Message::PreferenceInfo(loads) => loads.iter().flat_map(Load::rows).collect(),
            _ => Vec::new(),
        };
        self.flight = Some(Flight { since: now, rows });
        Some(message)
    }

    fn choose(&mut self, table: &Table, now: Nanos) -> Option<Message> {
        if std::mem::take(&mut self.report) {
            self.pending = self.changes(table).into();
            self.all = false;
            self.forget(table);
        }
        if let Some(loads) = reports(self.pending.iter().take(MAX_HOSTS).copied()).into_iter().next() {
            let hosts: usize = loads.iter().map(|load| load.hosts.len()).sum();
            self.pending.drain(..hosts);
            return Some(Message::PreferenceInfo(loads));
        }
        if !self.greeted {
            return Some(Message::PreferenceInfo(Vec::new()));
        }
        if std::mem::take(&mut self.notify) {
            return Some(Message::BindIdChangeNotify);
        }
        if let Some(table) = self.answer.pop_front() {
            return Some(Message::BindIdReport(table));
        }
        (self.hello().is_some_and(|at| at <= now)).then(|| Message::PreferenceInfo(Vec::new()))
    }

    /// Forgets rows that have left the table and were told so.
    fn forget(&mut self, table: &Table) {
        if self.told.len() > table.rows.len() {
            let listed: HashSet<_> = table.rows_at(self.local).map(|row| row.key).collect();
            self.told.retain(|key, weight| *weight != 0 || listed.contains(key));
        }
    }

    pub(super) fn written(&mut self, now: Nanos) {
        let Some(flight) = self.flight.take() else { return };
        self.told.extend(flight.rows.into_iter().map(|row| (row.key, row.weight)));
        self.greeted = true;
        self.wrote = now;
    }

    /// The message was no message after all.
    pub(super) fn dropped(&mut self) {
        self.flight = None;
    }

    /// When the hello goes out, if nothing else does before.
    fn hello(&self) -> Option<Nanos> {
        let seconds = u64::from(self.timeout);
        let period = (3 * seconds / 4).clamp(LEAST_HELLO, MOST_HELLO);
        (seconds > 0).then(|| self.wrote.after(Duration::from_secs(period)))
    }

    /// When what is being written must have been taken.
    fn stall(&self) -> Option<Nanos> {
        let patience = LEAST_STALL.max(Duration::from_secs(self.timeout.into()));
        self.flight.as_ref().map(|flight| flight.since.after(patience))
    }

    pub(super) fn is_stalled(&self, now: Nanos) -> bool {
        self.stall().is_some_and(|at| at <= now)
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let hello = self.hello().filter(|_| self.flight.is_none());
        [hello, self.stall(), self.deferred, self.inbound.deadline()].into_iter().flatten().min()
    }
}

impl From<&Peer> for ManagerView {
    fn from(peer: &Peer) -> Self {
        Self {
            address: *peer.remote.ip(),
            port: peer.remote.port(),
            timeout: peer.timeout,
            counters: *peer.inbound.counters(),
        }
    }
}
