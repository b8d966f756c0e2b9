//! Who was sent, who answered: an account of every request and every mobile node.
//!
//! A request is known by the lower half of its identification, a serial number that every reply echoes, accepted or
//! denied. The account holds the last requests in a ring; one that leaves it unanswered is lost.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use common::wire::mobile_ip::Code;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Most requests whose answers are waited for.
const MOST: u64 = 1 << 20;
const LEAST: u64 = 1 << 10;
/// Slowest answer that the histogram tells from slower ones, microseconds.
const SLOWEST: u64 = 60_000_000;

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Requests sent, retransmissions among them.
    pub sent: u32,
    /// Requests answered, whatever the code.
    pub answered: u32,
    /// Position in [`Account::home_agents`] plus 1 of the one that accepted it last; 0: none did.
    home_agent: u16,
    /// How often another home agent accepted it than the time before.
    pub moved: u16,
    /// Answers to requests that had been answered.
    pub duplicates: u16,
    /// Answers that do not fit.
    pub wrong: u16,
}

/// A request on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    serial: u32,
    node: u32,
    /// Microseconds.
    sent: u64,
    attempt: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Waiting,
    /// Sent again under another serial; may still be answered.
    Replaced,
    Answered,
}

/// What a home agent did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HomeAgentCount {
    /// Home Agent field of its replies.
    pub address: Ipv4Addr,
    /// Replies that accept.
    pub accepted: u64,
    /// Replies that deny.
    pub denied: u64,
}

/// Why a reply is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Not a reply, or not readable.
    Malformed,
    /// IPv4 or UDP checksum.
    Checksum,
    /// The MN-HA authenticator is missing or does not hold.
    Authenticator,
    /// Its identification is that of no request that is waited for.
    Identification,
    /// Its NAI is not that of the request.
    Nai,
}

/// A reply, as far as the account needs it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Lower half of the identification.
    pub serial: u32,
    /// The node that its NAI names, from 0; `None` without a NAI.
    pub node: Option<u32>,
    /// Accepted, or why not.
    pub code: Code,
    /// Who answers.
    pub home_agent: Ipv4Addr,
}

/// A request that is due for a retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose, from 0.
    pub node: u32,
    /// Which attempt was the last one, from 0.
    pub attempt: u8,
}

/// The account.
#[derive(Clone, Debug)]
pub struct Account {
    nodes: Vec<Node>,
    ring: Vec<Slot>,
    next: u32,
    /// Oldest serial that may still become due for a retransmission.
    oldest: u32,
    waiting: u64,
    /// By order of appearance.
    pub home_agents: Vec<HomeAgentCount>,
    /// Requests sent.
    pub sent: u64,
    /// Retransmissions among them.
    pub retransmitted: u64,
    /// Repeats of nodes that were sent before among them.
    pub repeated: u64,
    /// Requests answered.
    pub answered: u64,
    /// Answers to requests that had been answered.
    pub duplicates: u64,
    /// Requests given up after the last retransmission.
    pub given_up: u64,
    /// Nodes that another home agent accepted than the time before, each time.
    pub moved: u64,
    /// Answers by code.
    pub codes: BTreeMap<u8, u64>,
    /// Answers that do not fit, by reason.
    pub wrong: BTreeMap<Wrong, u64>,
    latency: Histogram<u64>,
}

impl Account {
    /// For `nodes` nodes, of whose requests up to `outstanding` are on their way.
    pub fn new(nodes: u32, outstanding: u64) -> Self {
        let slots = outstanding.clamp(LEAST, MOST).next_power_of_two();
        Self {
            nodes: vec![Node::default(); nodes as usize],
            ring: vec![Slot::default(); slots as usize],
            next: 1,
            oldest: 1,
            waiting: 0,
            home_agents: Vec::new(),
            sent: 0,
            retransmitted: 0,
            repeated: 0,
            answered: 0,
            duplicates: 0,
            given_up: 0,
            moved: 0,
            codes: BTreeMap::new(),
            wrong: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, SLOWEST, 3)
                .expect("1 to a minute in three digits is valid"),
        }
    }

    fn slot(&mut self, serial: u32) -> &mut Slot {
        let mask = self.ring.len() - 1;
        &mut self.ring[serial as usize & mask]
    }

    /// The serial of the next request.
    pub fn next_serial(&self) -> u32 {
        self.next
    }

    /// The next request was sent.
    pub fn sent(&mut self, now: Duration, node: u32, attempt: u8) {
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        let slot = self.slot(serial);
        let pushed_out = slot.state == State::Waiting;
        *slot = Slot { serial, node, sent: now.as_micros() as u64, attempt, state: State::Waiting };
        self.waiting += u64::from(!pushed_out);
        self.sent += 1;
        self.retransmitted += u64::from(attempt > 0);
        let node = &mut self.nodes[node as usize];
        self.repeated += u64::from(attempt == 0 && node.sent > 0);
        node.sent += 1;
    }

    /// A reply came; true if it is the first to its request.
    pub fn answer(&mut self, now: Duration, answer: Answer) -> bool {
        let slot = *self.slot(answer.serial);
        if slot.serial != answer.serial || slot.state == State::Free {
            self.wrong(answer.node, Wrong::Identification);
            return false;
        }
        if answer.node.is_some_and(|node| node != slot.node) {
            self.wrong(answer.node, Wrong::Nai);
            return false;
        }
        let node = slot.node as usize;
        if slot.state == State::Answered {
            self.duplicates += 1;
            self.nodes[node].duplicates = self.nodes[node].duplicates.saturating_add(1);
            return false;
        }
        self.waiting -= u64::from(slot.state == State::Waiting);
        self.slot(answer.serial).state = State::Answered;
        self.answered += 1;
        self.nodes[node].answered += 1;
        *self.codes.entry(answer.code.0).or_default() += 1;
        self.latency.saturating_record((now.as_micros() as u64).saturating_sub(slot.sent).max(1));
        self.credit(node, answer);
        true
    }

    fn credit(&mut self, node: usize, answer: Answer) {
        let known = self.home_agents.iter().position(|agent| agent.address == answer.home_agent);
        let at = known.unwrap_or_else(|| {
            let address = answer.home_agent;
            self.home_agents.push(HomeAgentCount { address, accepted: 0, denied: 0 });
            self.home_agents.len() - 1
        });
        if !answer.code.is_accepted() {
            self.home_agents[at].denied += 1;
            return;
        }
        self.home_agents[at].accepted += 1;
        let node = &mut self.nodes[node];
        let number = at as u16 + 1;
        if node.home_agent != 0 && node.home_agent != number {
            node.moved = node.moved.saturating_add(1);
            self.moved += 1;
        }
        node.home_agent = number;
    }

    /// A reply does not fit; `node` is whose it says to be.
    pub fn wrong(&mut self, node: Option<u32>, why: Wrong) {
        *self.wrong.entry(why).or_default() += 1;
        if let Some(node) = node.and_then(|node| self.nodes.get_mut(node as usize)) {
            node.wrong = node.wrong.saturating_add(1);
        }
    }

    /// The oldest request that waits for longer than `after`. It waits no more; with `attempts` used up it is given
    /// up, and the next one is looked at.
    pub fn due(&mut self, now: Duration, after: Duration, attempts: u8) -> Option<Due> {
        let horizon = (now.as_micros() as u64).checked_sub(after.as_micros() as u64)?;
        while self.oldest != self.next {
            let serial = self.oldest;
            let slot = *self.slot(serial);
            let current = slot.serial == serial && slot.state == State::Waiting;
            if current && slot.sent > horizon {
                return None;
            }
            self.oldest = self.oldest.wrapping_add(1);
            if current {
                self.waiting -= 1;
                self.slot(serial).state = State::Replaced;
                if slot.attempt < attempts {
                    return Some(Due { node: slot.node, attempt: slot.attempt });
                }
                self.given_up += 1;
            }
        }
        None
    }

    /// Takes back [`Account::due`] of the request just before: it could not be sent.
    pub fn postpone(&mut self) {
        let serial = self.oldest.wrapping_sub(1);
        let slot = self.slot(serial);
        if slot.serial == serial && slot.state == State::Replaced {
            slot.state = State::Waiting;
            self.waiting += 1;
            self.oldest = serial;
        }
    }

    /// Requests that wait for their answers.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Requests without an answer.
    pub fn unanswered(&self) -> u64 {
        self.sent - self.answered
    }

    /// Every node, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The home agent that accepted the node last.
    pub fn home_agent_of(&self, node: &Node) -> Option<Ipv4Addr> {
        let at = node.home_agent.checked_sub(1)?;
        self.home_agents.get(usize::from(at)).map(|agent| agent.address)
    }

    /// Microseconds from request to answer.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }
}
