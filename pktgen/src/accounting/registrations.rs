//! Replies to requests: who was sent for, who answered, which home agent accepted.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use common::wire::mobile_ip::Code;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    latency_histogram, nanos,
    outstanding::{Outstanding, Request, State},
};

/// A mobile node's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Requests sent, retransmissions among them.
    pub sent: u32,
    /// Requests answered, whatever the code.
    pub answered: u32,
    /// Position in [`Registrations::home_agents`] plus 1 of the one that accepted it last; 0: none did.
    home_agent: u16,
    /// How often another home agent accepted it than the time before.
    pub moved: u16,
    /// Answers to requests that had been answered.
    pub duplicates: u16,
    /// Answers that do not fit.
    pub wrong: u16,
}

/// Requests of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounters {
    /// All, retransmissions and repeats among them.
    pub sent: u64,
    /// Sent again because no answer came.
    pub retransmitted: u64,
    /// Of nodes that had sent before.
    pub repeated: u64,
    /// Answered.
    pub answered: u64,
    /// Not answered.
    pub lost: u64,
    /// Given up after the last retransmission.
    pub given_up: u64,
    /// Further answers to a request that was answered.
    pub duplicates: u64,
}

/// Replies of a home agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplyCounters {
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
pub enum ReplyError {
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

/// A reply, as far as it is accounted for.
#[derive(Clone, Copy, Debug)]
pub struct ReplySummary {
    /// Lower half of the identification.
    pub serial: u32,
    /// The node that its NAI names, from 0; `None` without a NAI.
    pub node: Option<u32>,
    /// Accepted, or why not.
    pub code: Code,
    pub home_agent: Ipv4Addr,
}

/// A request that is due for a retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose, from 0.
    pub node: u32,
    /// The last attempt, from 0.
    pub attempt: u8,
    pub serial: u32,
}

/// All requests and their replies.
#[derive(Clone, Debug)]
pub struct Registrations {
    nodes: Vec<NodeCounters>,
    outstanding: Outstanding,
    /// By order of appearance.
    pub home_agents: Vec<ReplyCounters>,
    /// Of all nodes.
    pub requests: RequestCounters,
    /// Nodes that another home agent accepted than the time before, each time.
    pub moved: u64,
    /// Answers by code.
    pub codes: BTreeMap<u8, u64>,
    /// Answers that do not fit, by reason.
    pub wrong: BTreeMap<ReplyError, u64>,
    latency: Histogram<u64>,
}

impl Registrations {
    /// For `nodes` nodes, of whose requests about `outstanding` are on their way.
    pub fn new(nodes: u32, outstanding: u64) -> Self {
        Self {
            nodes: vec![NodeCounters::default(); nodes as usize],
            outstanding: Outstanding::new(outstanding),
            home_agents: Vec::new(),
            requests: RequestCounters::default(),
            moved: 0,
            codes: BTreeMap::new(),
            wrong: BTreeMap::new(),
            latency: latency_histogram(),
        }
    }

    /// The serial of the next request.
    pub fn next_serial(&self) -> u32 {
        self.outstanding.next_serial()
    }

    /// The next request was sent. One that it pushes out of memory stays without an answer.
    pub fn sent(&mut self, now: Duration, node: u32, attempt: u8) {
        self.outstanding.push(Request { node, sent: nanos(now), attempt, ..Request::default() });
        let (requests, node) = (&mut self.requests, &mut self.nodes[node as usize]);
        requests.sent += 1;
        requests.lost += 1;
        requests.retransmitted += u64::from(attempt > 0);
        requests.repeated += u64::from(attempt == 0 && node.sent > 0);
        node.sent += 1;
    }

    /// A reply came; true if it is the first to its request.
    pub fn answer(&mut self, now: Duration, reply: ReplySummary) -> bool {
        let Some(request) = self.outstanding.get(reply.serial) else {
            self.wrong(reply.node, ReplyError::Identification);
            return false;
        };
        if reply.node.is_some_and(|node| node != request.node) {
            self.wrong(reply.node, ReplyError::Nai);
            return false;
        }
        let node = &mut self.nodes[request.node as usize];
        if request.state == State::Answered {
            self.requests.duplicates += 1;
            node.duplicates = node.duplicates.saturating_add(1);
            return false;
        }
        self.outstanding.set(reply.serial, State::Answered);
        self.requests.answered += 1;
        self.requests.lost -= 1;
        node.answered += 1;
        *self.codes.entry(reply.code.0).or_default() += 1;
        self.latency.saturating_record(nanos(now).saturating_sub(request.sent).max(1));
        self.credit(request.node as usize, reply);
        true
    }

    fn credit(&mut self, node: usize, reply: ReplySummary) {
        let known = self.home_agents.iter().position(|agent| agent.address == reply.home_agent);
        let at = known.unwrap_or_else(|| {
            let address = reply.home_agent;
            self.home_agents.push(ReplyCounters { address, accepted: 0, denied: 0 });
            self.home_agents.len() - 1
        });
        if !reply.code.is_accepted() {
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
    pub fn wrong(&mut self, node: Option<u32>, why: ReplyError) {
        *self.wrong.entry(why).or_default() += 1;
        if let Some(node) = node.and_then(|node| self.nodes.get_mut(node as usize)) {
            node.wrong = node.wrong.saturating_add(1);
        }
    }

    /// The oldest request that waits for longer than `after`. It waits no more; with `attempts` used up it is given
    /// up, and the next one is looked at.
    pub fn due(&mut self, now: Duration, after: Duration, attempts: u8) -> Option<Due> {
        let horizon = nanos(now).checked_sub(nanos(after))?;
        while let Some(Request { serial, node, attempt, .. }) = self.outstanding.due(horizon) {
            self.outstanding.set(serial, State::Superseded);
            if attempt < attempts {
                return Some(Due { node, attempt, serial });
            }
            self.requests.given_up += 1;
        }
        None
    }

    /// Takes back [`Registrations::due`]: the request could not be sent.
    pub fn postpone(&mut self, due: Due) {
        self.outstanding.postpone(due.serial);
    }

    /// Requests that wait for their answers.
    pub fn waiting(&self) -> u64 {
        self.outstanding.waiting()
    }

    /// Every node, in order.
    pub fn nodes(&self) -> &[NodeCounters] {
        &self.nodes
    }

    /// The home agent that accepted the node last.
    pub fn home_agent_of(&self, node: &NodeCounters) -> Option<Ipv4Addr> {
        let at = node.home_agent.checked_sub(1)?;
        self.home_agents.get(usize::from(at)).map(|agent| agent.address)
    }

    /// Nanoseconds from request to answer.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }
}
