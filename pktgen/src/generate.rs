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
    account::{Account, Answer, Wrong},
    check::{Problem, Sending, sending},
    control::Command,
    engine::{Flow, MOST, Machine, Outbox},
    nai::Pattern,
    population::Population,
    scenario::{Agent, Scenario, Traffic},
    station::Station,
    template::{Path, Template},
};

/// A foreign agent as the generator uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// Source of requests.
    pub address: Ipv4Addr,
    /// On the wire.
    pub mac: MacAddr,
    /// Towards the target.
    pub next_hop: Ipv4Addr,
}

/// The foreign agents on a port with the address `mac`, and the station that speaks for them.
pub(crate) fn senders(parts: &Sending<'_>, mac: MacAddr) -> (Vec<Sender>, Station) {
    let target = parts.target;
    let sender = |agent: &Agent| Sender {
        address: agent.address,
        mac: agent.mac.unwrap_or(mac),
        next_hop: agent.gateway.or(target.gateway).unwrap_or(target.address),
    };
    let senders: Vec<Sender> = parts.agents.iter().map(sender).collect();
    let mut station = Station::new(senders.iter().map(|sender| (sender.address, sender.mac)));
    for sender in &senders {
        station.seek(sender.next_hop, sender.address, target.mac);
    }
    (senders, station)
}

/// How replies are read.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pattern: Pattern,
    first: u32,
    source_port: u16,
    association: Option<Association>,
}

impl Reader {
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
        senders: &[Sender],
        frame: &ethernet::Parsed<'_>,
    ) -> Option<Result<Answer, (Option<u32>, Wrong)>> {
        let ip = ipv4::parse(frame.payload).ok()?;
        let (source, own) = (ip.header.source(), ip.header.destination());
        senders.iter().find(|sender| sender.address == own && sender.mac == frame.destination)?;
        if ip.header.protocol != ipv4::UDP || ip.header.is_fragment() {
            return None;
        }
        let datagram = udp::parse(ip.payload).ok()?;
        if datagram.header.destination() != self.source_port {
            return None;
        }
        if !ip.checksum_ok || !datagram.checksum_ok(source, own) {
            return Some(Err((None, Wrong::Checksum)));
        }
        Some(self.read(datagram.payload))
    }

    fn read(&self, message: &[u8]) -> Result<Answer, (Option<u32>, Wrong)> {
        let reply = Reply::decode(message).map_err(|_| (None, Wrong::Malformed))?;
        let node = match reply.nai() {
            Some(nai) => {
                let number = self.pattern.number(nai).and_then(|number| number.checked_sub(self.first));
                Some(number.ok_or((None, Wrong::Nai))?)
            }
            None => None,
        };
        if let Some(association) = &self.association {
            let verified = association.verify(AuthKind::MobileHome, message, RRP_FIXED);
            verified.map_err(|_| (node, Wrong::Authenticator))?;
        }
        Ok(Answer {
            serial: reply.identification as u32,
            node,
            code: reply.code,
            home_agent: reply.home_agent,
        })
    }
}

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Next hops are being found out.
    Resolving,
    /// Since then.
    Sending(Duration),
    /// Since then, only answers are waited for.
    Draining(Duration),
    /// The end.
    Done,
}

/// The machine.
pub struct Generator {
    senders: Vec<Sender>,
    station: Station,
    template: Template,
    pattern: Pattern,
    first: u32,
    reader: Reader,
    traffic: Traffic,
    /// Requests to send, retransmissions not counted.
    wanted: Option<u64>,
    population: Population,
    /// NTP seconds at the start; the upper half of identifications counts on from there.
    clock: u64,
    phase: Phase,
    scheduled: u64,
    /// A node that was chosen and could not be sent yet.
    held: Option<u32>,
    account: Account,
    started: Option<Duration>,
    ended: Option<Duration>,
    failure: Option<String>,
}

impl Generator {
    /// For the requests of `scenario` out of a port with the address `mac`; `clock` is the time of the start in NTP
    /// seconds.
    pub fn new(scenario: &Scenario, mac: MacAddr, clock: u32) -> Result<Self, Problem> {
        let parts = sending(scenario)?;
        let target = parts.target;
        let (senders, station) = senders(&parts, mac);
        let (count, traffic) = (parts.nodes.count, scenario.traffic.clone());
        let wanted = match (traffic.requests, traffic.duration) {
            (None, None) => Some(count.into()),
            (wanted, _) => wanted,
        };
        Ok(Self {
            senders,
            station,
            template: Template::new(scenario, parts.nodes.nai.clone(), (target.address, target.port)),
            pattern: parts.nodes.nai.clone(),
            first: parts.nodes.first,
            reader: Reader::new(scenario, &parts),
            wanted,
            population: Population::new(parts.nodes, &traffic, scenario.seed),
            clock: clock.into(),
            phase: Phase::Resolving,
            scheduled: 0,
            held: None,
            account: Account::new(count, wanted.unwrap_or(u64::MAX)),
            traffic,
            started: None,
            ended: None,
            failure: None,
        })
    }

    /// Who was sent, who answered.
    pub fn account(&self) -> &Account {
        &self.account
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

    fn send(&mut self, now: Duration, node: u32, attempt: u8, out: &mut dyn Outbox) -> bool {
        let sender = self.senders[node as usize % self.senders.len()];
        let Some(next_hop) = self.station.hop(sender.next_hop) else { return false };
        let path = Path { agent: sender.address, source: sender.mac, next_hop };
        let seconds = self.clock + now.as_secs();
        let identification = seconds << 32 | u64::from(self.account.next_serial());
        let frame = self.template.frame(path, self.first + node, identification);
        if !out.send(frame) {
            return false;
        }
        self.account.sent(now, node, attempt);
        self.ended = Some(now);
        true
    }

    /// Sends what is due; true if anything was.
    fn work(&mut self, now: Duration, since: Duration, out: &mut dyn Outbox) -> bool {
        let mut sent = self.retransmit(now, out);
        let elapsed = now.saturating_sub(since);
        let allowed = self.traffic.pace().due(elapsed).min(self.wanted.unwrap_or(u64::MAX));
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

    fn retransmit(&mut self, now: Duration, out: &mut dyn Outbox) -> usize {
        let (after, attempts) = (self.traffic.retransmit_after, self.traffic.retransmissions);
        if after.is_zero() {
            return 0;
        }
        let mut sent = 0;
        while sent < MOST
            && let Some(due) = self.account.due(now, after, attempts)
        {
            if !self.send(now, due.node, due.attempt + 1, out) {
                self.account.postpone();
                break;
            }
            sent += 1;
        }
        sent
    }

    /// Takes a datagram to one of the agents; what it is not an answer to is not looked at.
    fn reply(&mut self, now: Duration, frame: &ethernet::Parsed<'_>) {
        let Some(read) = self.reader.reply(&self.senders, frame) else { return };
        self.ended = Some(now);
        match read {
            Ok(answer) => _ = self.account.answer(now, answer),
            Err((node, why)) => self.account.wrong(node, why),
        }
    }

    fn drained(&self, now: Duration, since: Duration) -> bool {
        self.account.waiting() == 0 || now.saturating_sub(since) >= self.traffic.drain
    }
}

impl Machine for Generator {
    fn receive(&mut self, now: Duration, frame: &[u8], out: &mut dyn Outbox) {
        let Ok(frame) = ethernet::parse(frame) else { return };
        if !self.station.is_own(frame.source) && !self.station.receive(&frame, out) {
            self.reply(now, &frame);
        }
    }

    fn poll(&mut self, now: Duration, out: &mut dyn Outbox) -> Flow {
        self.station.poll(now, out);
        match self.phase {
            Phase::Resolving => {
                let Some(hop) = self.station.unknown() else {
                    self.started = Some(now);
                    self.phase = Phase::Sending(now);
                    return Flow::Busy;
                };
                if now >= self.traffic.resolve {
                    self.failure = Some(format!("no answer to ARP for {hop}, the next hop"));
                    self.phase = Phase::Done;
                }
                Flow::Idle
            }
            Phase::Sending(since) => {
                let worked = self.work(now, since, out);
                let over =
                    self.traffic.duration.is_some_and(|duration| now.saturating_sub(since) >= duration);
                if over || self.wanted.is_some_and(|wanted| self.scheduled >= wanted) {
                    self.phase = Phase::Draining(now);
                }
                if worked { Flow::Busy } else { Flow::Idle }
            }
            Phase::Draining(since) => {
                // A retransmission is part of its request: the wait for it begins anew.
                if self.retransmit(now, out) > 0 {
                    self.phase = Phase::Draining(now);
                    return Flow::Busy;
                }
                if self.drained(now, since) {
                    self.phase = Phase::Done;
                }
                Flow::Idle
            }
            Phase::Done => Flow::Done,
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
        self.phase = match self.phase {
            Phase::Sending(_) => Phase::Draining(now),
            _ => Phase::Done,
        };
    }

    fn answers(&self) -> bool {
        false
    }

    fn progress(&self, now: Duration) -> String {
        let account = &self.account;
        let phase = match self.phase {
            Phase::Resolving => "asking for the next hop",
            Phase::Sending(_) => "sending",
            Phase::Draining(_) => "waiting for answers",
            Phase::Done => "done",
        };
        let of = self.wanted.map_or(String::new(), |wanted| format!(" of {wanted}"));
        let since = self.started.map_or(0.0, |from| now.saturating_sub(from).as_secs_f64());
        let wrong: u64 = account.wrong.values().sum();
        format!(
            "{since:7.1} s  {phase}: {}{of} sent, {} answered, {} waiting, {} duplicates, {wrong} wrong",
            account.sent,
            account.answered,
            account.waiting(),
            account.duplicates,
        )
    }
}
