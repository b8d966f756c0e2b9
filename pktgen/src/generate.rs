//! Foreign agents: send requests for a population of mobile nodes and account for the replies.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    mac::MacAddr,
    wire::{
        ethernet, ipv4,
        mobile_ip::{AuthKind, RRP_FIXED, Reply, auth::Association},
        udp,
    },
};

use crate::{
    accounting::registrations::{Registrations, ReplyError, ReplySummary},
    check::{FieldError, Sending, sending},
    command::Command,
    host_stack::HostStack,
    nai::NaiPattern,
    population::Population,
    port_loop::{Activity, Endpoint, MOST, Transmit},
    scenario::{Agent, Scenario, Traffic},
    template::{FrameAddresses, Template},
};

/// A foreign agent as the generator uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignAgent {
    /// Source of requests.
    pub address: Ipv4Addr,
    /// On the wire.
    pub mac: MacAddr,
    /// Towards the target.
    pub next_hop: Ipv4Addr,
}

/// The foreign agents on a port with the address `mac`, and the host stack that speaks for them.
pub(crate) fn foreign_agents(parts: &Sending<'_>, mac: MacAddr) -> (Vec<ForeignAgent>, HostStack) {
    let target = parts.target;
    let agent = |agent: &Agent| ForeignAgent {
        address: agent.address,
        mac: agent.mac.unwrap_or(mac),
        next_hop: agent.gateway.or(target.gateway).unwrap_or(target.address),
    };
    let foreign_agents: Vec<ForeignAgent> = parts.agents.iter().map(agent).collect();
    let mut host_stack = HostStack::new(foreign_agents.iter().map(|agent| (agent.address, agent.mac)));
    for agent in &foreign_agents {
        host_stack.resolve(agent.next_hop, agent.address, target.mac);
    }
    (foreign_agents, host_stack)
}

/// How replies are read.
#[derive(Clone, Debug)]
pub(crate) struct ReplyParser {
    pattern: NaiPattern,
    first: u32,
    source_port: u16,
    association: Option<Association>,
}

impl ReplyParser {
    /// For replies to the requests of `scenario`.
    pub fn new(scenario: &Scenario, parts: &Sending<'_>) -> Self {
        Self {
            pattern: parts.nodes.nai.clone(),
            first: parts.nodes.first,
            source_port: scenario.request.source_port,
            association: scenario.association().cloned(),
        }
    }

    /// Reads a datagram to one of the agents; `None`: it is something else.
    pub fn reply(
        &self,
        foreign_agents: &[ForeignAgent],
        frame: &ethernet::Parsed<'_>,
    ) -> Option<Result<ReplySummary, (Option<u32>, ReplyError)>> {
        let ip = ipv4::parse(frame.payload).ok()?;
        let (source, own) = (ip.header.source(), ip.header.destination());
        foreign_agents.iter().find(|agent| agent.address == own && agent.mac == frame.destination)?;
        if ip.header.protocol != ipv4::UDP || ip.header.is_fragment() {
            return None;
        }
        let datagram = udp::parse(ip.payload).ok()?;
        if datagram.header.destination() != self.source_port {
            return None;
        }
        if !ip.checksum_ok || !datagram.checksum_ok(source, own) {
            return Some(Err((None, ReplyError::Checksum)));
        }
        Some(self.read(datagram.payload))
    }

    fn read(&self, message: &[u8]) -> Result<ReplySummary, (Option<u32>, ReplyError)> {
        let reply = Reply::decode(message).map_err(|_| (None, ReplyError::Malformed))?;
        let node = match reply.nai() {
            Some(nai) => {
                let number = self.pattern.number(nai).and_then(|number| number.checked_sub(self.first));
                Some(number.ok_or((None, ReplyError::Nai))?)
            }
            None => None,
        };
        if let Some(association) = &self.association {
            let verified = association.verify(AuthKind::MobileHome, message, RRP_FIXED);
            verified.map_err(|_| (node, ReplyError::Authenticator))?;
        }
        Ok(ReplySummary {
            serial: reply.identification as u32,
            node,
            code: reply.code,
            home_agent: reply.home_agent,
        })
    }
}

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Next hops are being found out.
    Resolving,
    /// Since then.
    Sending(Duration),
    /// Since then, only answers are waited for.
    Draining(Duration),
    Done,
}

/// All of them, as one endpoint.
pub struct Generator {
    foreign_agents: Vec<ForeignAgent>,
    host_stack: HostStack,
    template: Template,
    pattern: NaiPattern,
    first: u32,
    reader: ReplyParser,
    traffic: Traffic,
    /// Requests to send, retransmissions not counted.
    wanted: Option<u64>,
    population: Population,
    /// NTP seconds at the start; the upper half of identifications counts on from there.
    clock: u64,
    state: State,
    scheduled: u64,
    /// A node that was chosen and could not be sent yet.
    held: Option<u32>,
    registrations: Registrations,
    started: Option<Duration>,
    ended: Option<Duration>,
    failure: Option<String>,
}

impl Generator {
    /// For the requests of `scenario` out of a port with the address `mac`; `clock` is the time of the start in NTP
    /// seconds.
    pub fn new(scenario: &Scenario, mac: MacAddr, clock: u32) -> Result<Self, FieldError> {
        let parts = sending(scenario)?;
        let target = parts.target;
        let (foreign_agents, host_stack) = foreign_agents(&parts, mac);
        let (count, traffic) = (parts.nodes.count, scenario.traffic.clone());
        let wanted = match (traffic.requests, traffic.duration) {
            (None, None) => Some(count.into()),
            (wanted, _) => wanted,
        };
        Ok(Self {
            foreign_agents,
            host_stack,
            template: Template::new(scenario, parts.nodes.nai.clone(), (target.address, target.port)),
            pattern: parts.nodes.nai.clone(),
            first: parts.nodes.first,
            reader: ReplyParser::new(scenario, &parts),
            wanted,
            population: Population::new(parts.nodes, &traffic, scenario.seed),
            clock: clock.into(),
            state: State::Resolving,
            scheduled: 0,
            held: None,
            registrations: Registrations::new(count, wanted.unwrap_or(u64::MAX)),
            traffic,
            started: None,
            ended: None,
            failure: None,
        })
    }

    /// Who was sent, who answered.
    pub fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// The NAI of a node, counted from 0.
    pub fn nai(&self, node: u32) -> String {
        self.pattern.nai(self.first + node)
    }

    /// From the first request to the last thing that happened.
    pub fn elapsed(&self) -> Duration {
        self.started.zip(self.ended).map_or(Duration::ZERO, |(from, to)| to.saturating_sub(from))
    }

    /// Why nothing could be sent.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn send(&mut self, now: Duration, node: u32, attempt: u8, out: &mut dyn Transmit) -> bool {
        let agent = self.foreign_agents[node as usize % self.foreign_agents.len()];
        let Some(next_hop) = self.host_stack.mac_of(agent.next_hop) else { return false };
        let addresses = FrameAddresses { agent: agent.address, source: agent.mac, next_hop };
        let seconds = self.clock + now.as_secs();
        let identification = seconds << 32 | u64::from(self.registrations.next_serial());
        let frame = self.template.frame(addresses, self.first + node, identification);
        if !out.send(frame) {
            return false;
        }
        self.registrations.sent(now, node, attempt);
        self.ended = Some(now);
        true
    }

    /// Sends what is due; true if anything was.
    fn work(&mut self, now: Duration, since: Duration, out: &mut dyn Transmit) -> bool {
        let mut sent = self.retransmit(now, out);
        // A poll that comes late sends no more than one in time would have.
        let elapsed = now.saturating_sub(since).min(self.traffic.duration.unwrap_or(Duration::MAX));
        let allowed = self.traffic.rate_schedule().due(elapsed).min(self.wanted.unwrap_or(u64::MAX));
        while sent < MOST && self.scheduled < allowed {
            let node = self.held.take().unwrap_or_else(|| self.population.draw().node);
            if !self.send(now, node, 0, out) {
                self.held = Some(node);
                break;
            }
            self.scheduled += 1;
            sent += 1;
        }
        sent > 0
    }

    fn retransmit(&mut self, now: Duration, out: &mut dyn Transmit) -> usize {
        let (after, attempts) = (self.traffic.retransmit_after, self.traffic.retransmissions);
        if after.is_zero() {
            return 0;
        }
        let mut sent = 0;
        while sent < MOST
            && let Some(due) = self.registrations.due(now, after, attempts)
        {
            if !self.send(now, due.node, due.attempt + 1, out) {
                self.registrations.postpone(due);
                break;
            }
            sent += 1;
        }
        sent
    }

    /// Takes a datagram to one of the agents; what it is not an answer to is not looked at.
    fn reply(&mut self, now: Duration, frame: &ethernet::Parsed<'_>) {
        let Some(read) = self.reader.reply(&self.foreign_agents, frame) else { return };
        self.ended = Some(now);
        match read {
            Ok(answer) => _ = self.registrations.answer(now, answer),
            Err((node, why)) => self.registrations.wrong(node, why),
        }
    }

    fn drained(&self, now: Duration, since: Duration) -> bool {
        self.registrations.waiting() == 0 || now.saturating_sub(since) >= self.traffic.drain
    }
}

impl Endpoint for Generator {
    fn receive(&mut self, now: Duration, frame: &[u8], out: &mut dyn Transmit) {
        let Ok(frame) = ethernet::parse(frame) else { return };
        if !self.host_stack.is_own(frame.source) && !self.host_stack.receive(&frame, out) {
            self.reply(now, &frame);
        }
    }

    fn poll(&mut self, now: Duration, out: &mut dyn Transmit) -> Activity {
        self.host_stack.poll(now, out);
        match self.state {
            State::Resolving => {
                let Some(hop) = self.host_stack.unresolved() else {
                    self.started = Some(now);
                    self.state = State::Sending(now);
                    return Activity::Busy;
                };
                if now >= self.traffic.resolve {
                    self.failure = Some(format!("no answer to ARP for {hop}, the next hop"));
                    self.state = State::Done;
                }
                Activity::Idle
            }
            State::Sending(since) => {
                let worked = self.work(now, since, out);
                let over =
                    self.traffic.duration.is_some_and(|duration| now.saturating_sub(since) >= duration);
                if over || self.wanted.is_some_and(|wanted| self.scheduled >= wanted) {
                    self.state = State::Draining(now);
                }
                if worked { Activity::Busy } else { Activity::Idle }
            }
            State::Draining(since) => {
                // A retransmission is part of its request: the wait for it begins anew.
                if self.retransmit(now, out) > 0 {
                    self.state = State::Draining(now);
                    return Activity::Busy;
                }
                if self.drained(now, since) {
                    self.state = State::Done;
                }
                Activity::Idle
            }
            State::Done => Activity::Done,
        }
    }

    fn command(&mut self, now: Duration, command: &Command) -> String {
        match command {
            Command::Status => self.progress(now),
            Command::Stop => "ok".into(),
            Command::Deaf(_) | Command::Hear(_) => "error: there are no home agents here".into(),
        }
    }

    fn stop(&mut self, now: Duration) {
        self.state = match self.state {
            State::Sending(_) => State::Draining(now),
            _ => State::Done,
        };
    }

    fn answers(&self) -> bool {
        false
    }

    fn progress(&self, now: Duration) -> String {
        let registrations = &self.registrations;
        let state = match self.state {
            State::Resolving => "asking for the next hop",
            State::Sending(_) => "sending",
            State::Draining(_) => "waiting for answers",
            State::Done => "done",
        };
        let of = self.wanted.map_or(String::new(), |wanted| format!(" of {wanted}"));
        let since = self.started.map_or(0.0, |from| now.saturating_sub(from).as_secs_f64());
        let wrong: u64 = registrations.wrong.values().sum();
        format!(
            "{since:7.1} s  {state}: {}{of} sent, {} answered, {} waiting, {} duplicates, {wrong} wrong",
            registrations.requests.sent,
            registrations.requests.answered,
            registrations.waiting(),
            registrations.requests.duplicates,
        )
    }
}
