//! Frames that arrive at home agents: each has one end.
//!
//! What is right is judged by the node's last home agent and by the rules of [`AffinityRules`]. A frame that is given up,
//! or that the ring has no room to remember, is lost.

use std::time::Duration;

use super::{
    nanos,
    outstanding::{Outstanding, Request, State},
    steps::{StepCounters, Steps},
};
use crate::result::Frames;

/// When a node may have another home agent than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AffinityRules {
    /// After that much silence; `None`: never.
    pub session: Option<Duration>,
    /// After more requests than that behind the first of a session; `None`: never.
    pub reassign: Option<u8>,
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
    may_move_since: u32,
    /// Milliseconds since the start when it began to be without an answer; 0: it is not.
    unanswered_since: u32,
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

/// How an arrival is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
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

/// Frames and nodes of a home agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounters {
    /// Frames that arrived right.
    pub right: u64,
    /// Frames that belonged elsewhere.
    pub wrong: u64,
    /// Nodes whose home agent it is.
    pub nodes: u64,
    /// Its nodes may move: it is down, or was called so.
    down: bool,
}

/// All frames, from sending to arrival.
#[derive(Debug)]
pub struct Deliveries {
    rules: AffinityRules,
    /// Every node may move: the director has no room to remember it.
    all_may_move: bool,
    nodes: Vec<Node>,
    outstanding: Outstanding,
    distinct: u64,
    home_agents: Vec<DeliveryCounters>,
    steps: Steps,
}

fn millis(nanos: u64) -> u32 {
    (nanos / 1_000_000) as u32
}

impl Deliveries {
    /// For `nodes` nodes and `home_agents` home agents, with about `outstanding` frames on their way.
    pub fn new(nodes: u32, home_agents: usize, outstanding: u64, rules: AffinityRules) -> Self {
        Self {
            rules,
            all_may_move: false,
            nodes: vec![Node::default(); nodes as usize],
            outstanding: Outstanding::new(outstanding),
            distinct: 0,
            home_agents: vec![DeliveryCounters::default(); home_agents],
            steps: Steps::default(),
        }
    }

    /// Frames sent from now on belong to this step; steps follow each other.
    pub fn begin(&mut self, step: u32) {
        self.steps.open(step);
    }

    /// No more frames are sent in the current step.
    pub fn end(&mut self) {
        self.steps.end();
    }

    /// The first step that has ended and has none of its frames on the way any more.
    pub fn settled(&mut self) -> Option<StepCounters> {
        self.steps.settled()
    }

    /// The step that began last.
    pub fn current(&self) -> Option<&StepCounters> {
        self.steps.current()
    }

    /// The serial of the next frame.
    pub fn next_serial(&self) -> u32 {
        self.outstanding.next_serial()
    }

    /// The next frame was sent, for `node`, as attempt `attempt` (0: the first one).
    pub fn sent(&mut self, now: Duration, node: u32, attempt: u8, retransmission: bool) {
        let (serial, sent) = (self.next_serial(), nanos(now));
        let may_move = self.note_sent(serial, sent, node);
        let step = self.steps.step();
        let request = Request { node, sent, step, attempt, may_move, ..Request::default() };
        if let Some(lost) = self.outstanding.push(request) {
            self.steps.lost(lost.step);
        }
        let frames = self.steps.sending();
        frames.sent += 1;
        frames.retransmitted += u64::from(retransmission || attempt > 0);
    }

    /// Notes that the node is sent for; whether it may have another home agent from here on.
    fn note_sent(&mut self, serial: u32, now: u64, number: u32) -> bool {
        let now = millis(now);
        let node = &mut self.nodes[number as usize];
        if !node.seen {
            node.seen = true;
            self.distinct += 1;
            self.steps.sending().new += 1;
        }
        let silence = Duration::from_millis(now.wrapping_sub(node.last).into());
        let over = self.rules.session.is_some_and(|session| silence + SLACK >= session);
        node.retries = if over || node.last == 0 { 0 } else { node.retries.saturating_add(1) };
        node.last = now.max(1);
        if node.unanswered_since == 0 {
            node.unanswered_since = now.max(1);
        }
        let down = node.home.checked_sub(1).is_some_and(|home| self.home_agents[usize::from(home)].down);
        let may_move = over || down || self.rules.reassign.is_some_and(|reassign| node.retries > reassign);
        if may_move {
            node.may_move_since = serial;
        }
        may_move
    }

    /// A frame came in.
    pub fn arrived(&mut self, now: Duration, arrival: Arrival) -> Delivery {
        let Some(request) = self.outstanding.get(arrival.serial) else {
            self.steps.stray();
            return Delivery::Stray;
        };
        let intact = arrival.intact && arrival.node.is_none_or(|node| node == request.node);
        let first = self.nodes[request.node as usize].home == 0;
        let delivery = match request.state {
            State::Waiting if intact => self.judge(&request, arrival.agent),
            State::Waiting => Delivery::Corrupted,
            State::Answered => Delivery::Duplicated,
            State::Lost => Delivery::Late,
            State::Unused | State::Superseded => Delivery::Stray,
        };
        if request.state == State::Waiting {
            self.outstanding.set(request.serial, State::Answered);
        }
        let latency = matches!(delivery, Delivery::Right | Delivery::Moved)
            .then(|| nanos(now).saturating_sub(arrival.stamp.unwrap_or(request.sent)));
        self.steps.arrived(request.step, delivery, first, latency);
        if latency.is_some() {
            self.answered(now, &request);
        }
        delivery
    }

    /// A frame came in that nothing can be read of.
    pub fn stray(&mut self) {
        self.steps.stray();
    }

    /// Right or wrong? Keeps the node's home agent.
    fn judge(&mut self, request: &Request, agent: Option<u16>) -> Delivery {
        let node = &mut self.nodes[request.node as usize];
        let Some(agent) = agent else { return Delivery::Wrong };
        let home = agent + 1;
        let old = node.home.checked_sub(1).map(usize::from);
        let down = old.is_some_and(|old| self.home_agents[old].down);
        let may_move =
            node.home == 0 || request.may_move || node.may_move_since != 0 || down || self.all_may_move;
        // A frame from before the node could move leaves it as it is.
        let later = |since: u32| since != 0 && request.serial.wrapping_sub(since) < 1 << 31;
        if request.may_move || later(node.may_move_since) {
            node.may_move_since = 0;
        }
        if node.home == home {
            self.home_agents[usize::from(agent)].right += 1;
            return Delivery::Right;
        }
        if !may_move {
            self.home_agents[usize::from(agent)].wrong += 1;
            return Delivery::Wrong;
        }
        node.home = home;
        let to = &mut self.home_agents[usize::from(agent)];
        to.nodes += 1;
        to.right += 1;
        match old {
            Some(old) => {
                self.home_agents[old].nodes -= 1;
                Delivery::Moved
            }
            None => Delivery::Right,
        }
    }

    /// A node's silence is over; it is on record if it was not the first request that ended it.
    fn answered(&mut self, now: Duration, request: &Request) {
        let node = &mut self.nodes[request.node as usize];
        let since = std::mem::take(&mut node.unanswered_since);
        if since > 0 && millis(request.sent) > since {
            let millis = millis(nanos(now)).saturating_sub(since);
            self.steps.recovered(request.step, u64::from(millis) * 1_000_000);
        }
    }

    /// Gives up what was sent `timeout` ago or earlier.
    pub fn expire(&mut self, now: Duration, timeout: Duration) {
        let Some(horizon) = nanos(now).checked_sub(nanos(timeout)) else { return };
        while let Some(lost) = self.outstanding.expire(horizon) {
            self.steps.lost(lost.step);
        }
    }

    /// The oldest frame that is without an answer for longer than `after`: its node and attempt. Each comes up once.
    pub fn due(&mut self, now: Duration, after: Duration) -> Option<(u32, u8)> {
        let horizon = nanos(now).checked_sub(nanos(after))?;
        self.outstanding.due(horizon).map(|request| (request.node, request.attempt))
    }

    /// The home agent is down: its nodes may move. Or it is up again.
    pub fn set_down(&mut self, agent: u16, down: bool) {
        if let Some(agent) = self.home_agents.get_mut(usize::from(agent)) {
            agent.down = down;
        }
    }

    /// From here on every node may have another home agent: the director's table is full.
    pub fn let_all_move(&mut self) {
        self.all_may_move = true;
    }

    /// Frames on their way.
    pub fn waiting(&self) -> u64 {
        self.outstanding.waiting()
    }

    /// Nodes that were sent for.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// By home agent.
    pub fn home_agents(&self) -> &[DeliveryCounters] {
        &self.home_agents
    }

    /// All steps together; `sent` also counts what is on its way.
    pub fn total(&self) -> Frames {
        self.steps.total()
    }

    /// Whether every frame that was sent has one end or is on its way, and no other.
    pub fn adds_up(&self) -> bool {
        let total = self.total();
        total.sent == total.right + total.wrong + total.corrupted + total.lost + self.waiting()
    }
}

/// Sessions end by a sweep, and clocks differ: near the end of its session a node may have either home agent.
const SLACK: Duration = Duration::from_secs(1);
