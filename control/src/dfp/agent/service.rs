//! An agent with its sockets: what they tell goes to the state machine, and what that wants next is ordered of them.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use common::time::Nanos;

use super::{
    config::AgentConfig,
    fsm::{Agent, Turn},
};
use crate::dfp::sockets::{End, LinkId, SocketEvent, SocketOrder};

/// An agent that is served by sockets.
#[derive(Debug)]
pub struct Service {
    agent: Agent,
    address: Ipv4Addr,
    /// The port that the sockets were told to listen on.
    listening: Option<u16>,
    /// Connections that the sockets hold for it.
    links: BTreeSet<LinkId>,
    orders: Vec<SocketOrder>,
}

impl Service {
    /// Nothing is listened on yet.
    pub fn new(config: AgentConfig, address: Ipv4Addr, now: Nanos) -> Self {
        let agent = Agent::new(config, now);
        Self { agent, address, listening: None, links: BTreeSet::new(), orders: Vec::new() }
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent, for what the sockets need not hear of.
    pub fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Tells the agent something; what follows from it is ordered at once.
    pub fn tell<T>(&mut self, now: Nanos, what: impl FnOnce(&mut Agent) -> T) -> T {
        let answer = what(&mut self.agent);
        self.reconcile(now);
        answer
    }

    /// True if what the sockets tell is about this agent.
    pub fn concerns(&self, event: &SocketEvent) -> bool {
        match event {
            SocketEvent::Listening(port)
            | SocketEvent::ListenFailed(port, _)
            | SocketEvent::Accepted { port, .. } => self.listening == Some(*port),
            other => other.link().is_some_and(|link| self.links.contains(&link)),
        }
    }

    /// Takes over what the sockets tell of this agent.
    pub fn event(&mut self, event: SocketEvent, now: Nanos) {
        match event {
            SocketEvent::Listening(port) => self.agent.listening(port),
            SocketEvent::ListenFailed(port, error) => {
                self.listening = None;
                let said = error.clone();
                if self.agent.listen_failed(error, now) {
                    let mnemonic = "DFP-3-LISTEN";
                    tracing::error!(mnemonic, "DFP agent cannot listen on port {port}: {said}");
                }
            }
            SocketEvent::Accepted { link, remote, local, .. } => {
                if self.agent.accept(link, remote, local, now) {
                    self.links.insert(link);
                } else {
                    self.orders.push(SocketOrder::End(link, End::Reset));
                }
            }
            SocketEvent::Input(link, bytes) => {
                if !self.agent.input(link, &bytes, now) {
                    // What is wrong with it was a matter between both; no need for a reset.
                    self.links.remove(&link);
                    self.orders.push(SocketOrder::End(link, End::Close));
                }
            }
            SocketEvent::Written(link) => self.agent.written(link, now),
            SocketEvent::Finished(link) => {
                self.links.remove(&link);
                self.agent.finished(link, now);
            }
            SocketEvent::Lost(link) => {
                self.links.remove(&link);
                self.agent.lost(link, now);
            }
            SocketEvent::Connected(_) | SocketEvent::Failed(..) => {}
        }
        self.reconcile(now);
    }

    /// When [`Agent::expire`] must be called.
    pub fn deadline(&self) -> Option<Nanos> {
        self.agent.deadline()
    }

    /// It is no more: its connections end in order.
    pub fn end(mut self) -> Vec<SocketOrder> {
        self.orders.extend(self.listening.map(SocketOrder::Unlisten));
        self.orders.extend(self.links.into_iter().map(|link| SocketOrder::End(link, End::Finish)));
        self.orders
    }

    /// What the sockets are to do, since the last call.
    pub fn take_orders(&mut self) -> Vec<SocketOrder> {
        std::mem::take(&mut self.orders)
    }

    /// Orders what the agent wants now.
    fn reconcile(&mut self, now: Nanos) {
        let wanted = self.agent.listen(now);
        if self.listening != wanted {
            let listen = |port| SocketOrder::Listen(SocketAddrV4::new(self.address, port));
            self.orders.extend(self.listening.map(SocketOrder::Unlisten));
            self.orders.extend(wanted.map(listen));
            self.listening = wanted;
            self.agent.opening();
        }
        let (agent, orders) = (&mut self.agent, &mut self.orders);
        self.links.retain(|link| {
            let end = match agent.turn(*link, now) {
                Turn::Wait => return true,
                Turn::Write(bytes) => {
                    orders.push(SocketOrder::Write(*link, bytes));
                    return true;
                }
                Turn::Finish => End::Finish,
                Turn::Abort => End::Reset,
            };
            orders.push(SocketOrder::End(*link, end));
            false
        });
    }
}
