//! Every frame's account: who was it sent for, where did it end.
//!
//! A frame is known by a serial number that it carries. The ledger holds the last frames in a ring; one that leaves it
//! unseen is lost. What is right is judged by the node's last home agent and by the rules of [`Rules`].

use std::time::Duration;

use hdrhistogram::Histogram;

use super::books::{Book, Books};
use crate::result::Frames;

/// Frames on their way at most.
const MOST: usize = 1 << 20;
const LEAST: usize = 1 << 12;

/// When a node may have another home agent than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// After that much silence; `None`: never.
    pub session: Option<Duration>,
    /// After more requests than that behind the first of a session; `None`: never.
    pub reassign: Option<u8>,
}

/// A frame on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    serial: u32,
    node: u32,
    /// Nanoseconds since the start.
    sent: u64,
    /// The step that it was sent in.
    step: u32,
    /// How often the request was sent before because no answer came.
    attempt: u8,
    /// The node may have another home agent from here on.
    free: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Waiting,
    Arrived,
    Lost,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Home agent plus 1; 0: none yet.
    home: u16,
    /// Requests behind the first of its session, saturating.
    retries: u8,
    seen: bool,
    /// Milliseconds since the start when it was sent for last.
    last: u32,
    /// Serial since when it may have another home agent, until a frame sent then or later arrives; 0: it may not.
    freed: u32,
    /// Milliseconds since the start when it began to be without an answer; 0: it is not.
    silent: u32,
}

/// A frame that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The serial that it carries.
    pub serial: u32,
    /// The node that it names, if that is to be compared.
    pub node: Option<u32>,
    /// The home agent that it came to; `None`: to an address that is none's.
    pub agent: Option<u16>,
    /// When it was sent, as it says itself, nanoseconds since the start.
    pub stamp: Option<u64>,
    /// Its bytes are those that were sent.
    pub intact: bool,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the right home agent.
    Right,
    /// Right, and not the one of before.
    Moved,
    /// At a wrong one.
    Wrong,
    /// With other bytes.
    Corrupted,
    /// Not for the first time.
    Duplicated,
    /// It had been given up.
    Late,
    /// Never sent.
    Stray,
}

/// A home agent's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Frames that arrived right.
    pub right: u64,
    /// Frames that belonged elsewhere.
    pub wrong: u64,
    /// Nodes whose home agent it is.
    pub nodes: u64,
    /// Its nodes may move: it is down, or was called so.
    excused: bool,
}

/// The ledger.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    /// Every node may move: the director has no room to remember it.
    loose: bool,
    nodes: Vec<Node>,
    ring: Vec<Slot>,
    /// Never 0.
    next: u32,
    /// No frame in front of this one is on its way.
    oldest: u32,
    /// No frame in front of this one is looked at for a retransmission.
    due: u32,
    waiting: u64,
    distinct: u64,
    agents: Vec<Share>,
    books: Books,
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn millis(nanos: u64) -> u32 {
    (nanos / 1_000_000) as u32
}

impl Ledger {
    /// For `nodes` nodes and `agents` home agents.
    pub fn new(nodes: u32, agents: usize, outstanding: u64, rules: Rules) -> Self {
        let slots = usize::try_from(outstanding).unwrap_or(MOST).clamp(LEAST, MOST).next_power_of_two();
        Self {
            rules,
            loose: false,
            nodes: vec![Node::default(); nodes as usize],
            ring: vec![Slot::default(); slots],
            next: 1,
            oldest: 1,
            due: 1,
            waiting: 0,
            distinct: 0,
            agents: vec![Share::default(); agents],
            books: Books::default(),
        }
    }

    fn slot(&mut self, serial: u32) -> &mut Slot {
        let mask = self.ring.len() - 1;
        &mut self.ring[serial as usize & mask]
    }

    /// Frames sent from now on belong to this step; steps follow each other.
    pub fn begin(&mut self, step: u32) {
        self.books.open(step);
    }

    /// No more frames are sent in the current step.
    pub fn end(&mut self) {
        self.books.end();
    }

    /// The first step that has ended and has none of its frames on the way any more.
    pub fn settled(&mut self) -> Option<Book> {
        self.books.settled()
    }

    /// The step that began last.
    pub fn current(&self) -> Option<&Book> {
        self.books.current()
    }

    /// The serial of the next frame.
    pub fn next_serial(&self) -> u32 {
        self.next
    }

    /// The next frame was sent, for `node`, as attempt `attempt` (0: the first one).
    pub fn sent(&mut self, now: Duration, node: u32, attempt: u8, retransmission: bool) {
        let (serial, now) = (self.next, nanos(now));
        self.next = self.next.checked_add(1).unwrap_or(1);
        if self.slot(serial).state == State::Waiting {
            self.give_up(self.slot_at(serial));
        }
        let free = self.account_node(serial, now, node);
        let step = self.books.step();
        *self.slot(serial) = Slot { serial, node, sent: now, step, attempt, free, state: State::Waiting };
        self.waiting += 1;
        let frames = self.books.sending();
        frames.sent += 1;
        frames.retransmitted += u64::from(retransmission || attempt > 0);
    }

    fn slot_at(&self, serial: u32) -> usize {
        serial as usize & (self.ring.len() - 1)
    }

    /// Notes that the node is sent for; whether it may have another home agent from here on.
    fn account_node(&mut self, serial: u32, now: u64, number: u32) -> bool {
        let now = millis(now);
        let node = &mut self.nodes[number as usize];
        if !node.seen {
            node.seen = true;
            self.distinct += 1;
            self.books.sending().new += 1;
        }
        let silence = Duration::from_millis(now.wrapping_sub(node.last).into());
        let over = self.rules.session.is_some_and(|session| silence + SLACK >= session);
        node.retries = if over || node.last == 0 { 0 } else { node.retries.saturating_add(1) };
        node.last = now.max(1);
        if node.silent == 0 {
            node.silent = now.max(1);
        }
        let excused = node.home.checked_sub(1).is_some_and(|home| self.agents[usize::from(home)].excused);
        let free = over || excused || self.rules.reassign.is_some_and(|reassign| node.retries > reassign);
        if free {
            node.freed = serial;
        }
        free
    }

    /// A frame came in.
    pub fn arrived(&mut self, now: Duration, arrival: Arrival) -> End {
        let at = self.slot_at(arrival.serial);
        let slot = self.ring[at];
        if slot.serial != arrival.serial || slot.state == State::Free {
            self.books.stray();
            return End::Stray;
        }
        let intact = arrival.intact && arrival.node.is_none_or(|node| node == slot.node);
        let first = self.nodes[slot.node as usize].home == 0;
        let end = match slot.state {
            State::Free | State::Waiting if !intact => End::Corrupted,
            State::Free | State::Waiting => self.judge(&slot, arrival.agent),
            State::Arrived => End::Duplicated,
            State::Lost => End::Late,
        };
        if slot.state == State::Waiting {
            self.waiting -= 1;
            self.ring[at].state = State::Arrived;
        }
        let latency = matches!(end, End::Right | End::Moved)
            .then(|| nanos(now).saturating_sub(arrival.stamp.unwrap_or(slot.sent)));
        self.books.arrived(slot.step, end, first, latency);
        if latency.is_some() {
            self.answered(now, &slot);
        }
        end
    }

    /// A frame came in that nothing can be read of.
    pub fn stray(&mut self) {
        self.books.stray();
    }

    /// Right or wrong? Keeps the node's home agent.
    fn judge(&mut self, slot: &Slot, agent: Option<u16>) -> End {
        let node = &mut self.nodes[slot.node as usize];
        let Some(agent) = agent else { return End::Wrong };
        let home = agent + 1;
        let old = node.home.checked_sub(1).map(usize::from);
        let excused = old.is_some_and(|old| self.agents[old].excused);
        let may_move = node.home == 0 || slot.free || node.freed != 0 || excused || self.loose;
        // A frame from before the node was free leaves it free.
        if slot.free || (node.freed != 0 && slot.serial.wrapping_sub(node.freed) < 1 << 31) {
            node.freed = 0;
        }
        if node.home == home {
            self.agents[usize::from(agent)].right += 1;
            return End::Right;
        }
        if !may_move {
            self.agents[usize::from(agent)].wrong += 1;
            return End::Wrong;
        }
        node.home = home;
        let to = &mut self.agents[usize::from(agent)];
        to.nodes += 1;
        to.right += 1;
        match old {
            Some(old) => {
                self.agents[old].nodes -= 1;
                End::Moved
            }
            None => End::Right,
        }
    }

    /// A node's silence is over; it is on record if it was not the first request that ended it.
    fn answered(&mut self, now: Duration, slot: &Slot) {
        let node = &mut self.nodes[slot.node as usize];
        let silent = std::mem::take(&mut node.silent);
        if silent > 0 && millis(slot.sent) > silent {
            let millis = millis(nanos(now)).saturating_sub(silent);
            self.books.recovered(slot.step, u64::from(millis) * 1_000_000);
        }
    }

    fn give_up(&mut self, at: usize) {
        let slot = &mut self.ring[at];
        slot.state = State::Lost;
        let step = slot.step;
        self.waiting -= 1;
        self.books.lost(step);
    }

    /// Gives up what was sent `patience` ago or earlier.
    pub fn expire(&mut self, now: Duration, patience: Duration) {
        let Some(horizon) = nanos(now).checked_sub(nanos(patience)) else { return };
        self.catch_up();
        while self.oldest != self.next {
            let at = self.slot_at(self.oldest);
            let slot = self.ring[at];
            if slot.serial == self.oldest && slot.state == State::Waiting {
                if slot.sent > horizon {
                    return;
                }
                self.give_up(at);
            }
            self.oldest = self.oldest.checked_add(1).unwrap_or(1);
        }
    }

    /// What left the ring needs no look.
    fn catch_up(&mut self) {
        let size = self.ring.len() as u32;
        if self.next.wrapping_sub(self.oldest) > size {
            self.oldest = self.next.wrapping_sub(size).max(1);
        }
        if self.next.wrapping_sub(self.due) > size {
            self.due = self.next.wrapping_sub(size).max(1);
        }
    }

    /// The oldest frame that is without an answer for longer than `after`: its node and attempt. Each comes up once.
    pub fn due(&mut self, now: Duration, after: Duration) -> Option<(u32, u8)> {
        let horizon = nanos(now).checked_sub(nanos(after))?;
        self.catch_up();
        while self.due != self.next {
            let slot = self.ring[self.slot_at(self.due)];
            let current = slot.serial == self.due && matches!(slot.state, State::Waiting | State::Lost);
            if current && slot.sent > horizon {
                return None;
            }
            self.due = self.due.checked_add(1).unwrap_or(1);
            if current {
                return Some((slot.node, slot.attempt));
            }
        }
        None
    }

    /// The home agent is down: its nodes may move. Or it is up again.
    pub fn excuse(&mut self, agent: u16, excused: bool) {
        if let Some(share) = self.agents.get_mut(usize::from(agent)) {
            share.excused = excused;
        }
    }

    /// From here on every node may have another home agent: the director's table is full.
    pub fn loosen(&mut self) {
        self.loose = true;
    }

    /// Frames on their way.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Nodes that were sent for.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// By home agent.
    pub fn agents(&self) -> &[Share] {
        &self.agents
    }

    /// All steps together; `sent` also counts what is on its way.
    pub fn total(&self) -> Frames {
        self.books.total()
    }

    /// Whether every frame that was sent has one end or is on its way, and no other.
    pub fn adds_up(&self) -> bool {
        let total = self.total();
        total.sent == total.right + total.wrong + total.corrupted + total.lost + self.waiting
    }
}

/// Sessions end by a sweep, and clocks differ: near the end of its session a node may have either home agent.
const SLACK: Duration = Duration::from_secs(1);

/// An empty histogram of nanoseconds, up to a minute, three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("1 to a minute in three digits is valid")
}
