//! A measurement: sends the plan's steps, sees both ends, accounts for every frame. It has no clock and no port.

use std::{collections::VecDeque, net::Ipv4Addr, time::Duration};

use common::{
    mac::MacAddr,
    wire::{ethernet, mobile_ip::Code},
};
use hdrhistogram::Histogram;

use super::{
    director_counters::DirectorCounters,
    plan::{Next, Plan, Task},
    receiver::{HomeAgentReceiver, SinkFrame},
    step,
};
use crate::{
    accounting::{
        deliveries::{AffinityRules, Arrival, Deliveries},
        latency_histogram,
        registrations::ReplySummary,
    },
    check::{FieldError, sending},
    generate::{ForeignAgent, ReplyParser, foreign_agents},
    host_stack::HostStack,
    population::{Kind, NextNode, Population},
    port_loop::{Activity, MOST, Transmit},
    result::{self, Step},
    scenario::Scenario,
    template::{FrameAddresses, Template},
    test_payload::TestPayload,
};

/// How long the director's counters are waited for before a step is closed without them.
const COUNTERS: Duration = Duration::from_secs(5);

/// Samples of a director at rest until its counters must balance to the last frame, and how long they are waited for.
const SAMPLES: u64 = 4;
const REST: Duration = Duration::from_secs(15);

/// Between the answer to the other side's last question for a home agent and the first frame.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the measurement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Next hops are being found out.
    Resolving,
    /// A step, or the pause behind it.
    Measuring,
    /// No more is sent.
    Draining,
    Done,
}

/// A step under way.
struct RunningStep {
    task: Task,
    began: Duration,
    sent: u64,
}

/// What is known at the end of a step, before its frames have ended.
pub(super) struct EndedStep {
    pub task: Task,
    /// Since the first one began.
    pub at: Duration,
    pub lasted: Duration,
    pub ended: Duration,
    pub sessions: u64,
    /// Samples of the director's counters up to its end.
    pub samples: u64,
}

/// A plan on its way.
pub struct Measurement {
    foreign_agents: Vec<ForeignAgent>,
    host_stack: HostStack,
    receiver: Option<HomeAgentReceiver>,
    reader: ReplyParser,
    /// The home agents' real addresses, for replies.
    addresses: Vec<Ipv4Addr>,
    names: Vec<String>,
    template: Template,
    population: Population,
    scenario_mix: crate::population::TrafficMix,
    first: u32,
    run: u32,
    clock: u64,
    retransmit_after: Duration,
    retransmissions: u8,
    resolve: Duration,
    /// When the first frame is sent at the earliest.
    ready: Duration,
    plan: Box<dyn Plan>,
    deliveries: Deliveries,
    state: State,
    running: Option<RunningStep>,
    closing: VecDeque<EndedStep>,
    /// When the last frame had ended, and how many counters there were.
    resting: Option<(Duration, u64)>,
    held: Option<(NextNode, u8)>,
    /// The last counters, and how many there were; `None`: nobody is asked.
    counters: Option<(DirectorCounters, u64)>,
    /// When they came.
    counted: Duration,
    counters_before: DirectorCounters,
    counters_first: Option<DirectorCounters>,
    steps: Vec<Step>,
    latency: Histogram<u64>,
    begun: u32,
    started: Option<Duration>,
    ended: Duration,
    failure: Option<String>,
    broken: Option<String>,
}

/// The addresses of both ports.
#[derive(Clone, Copy, Debug)]
pub struct Macs {
    /// Of the sending port.
    pub port: MacAddr,
    /// Of the receiving one.
    pub sink: Option<MacAddr>,
}

impl Measurement {
    /// For the requests of `scenario`. `clock` is the time of the start in NTP seconds, `run` a number that no other
    /// run has.
    pub fn new(
        scenario: &Scenario,
        plan: Box<dyn Plan>,
        macs: Macs,
        clock: u32,
        run: u32,
    ) -> Result<Self, FieldError> {
        let parts = sending(scenario)?;
        let target = (parts.target.address, parts.target.port);
        let (foreign_agents, host_stack) = foreign_agents(&parts, macs.port);
        let rules =
            AffinityRules { session: scenario.director.session, reassign: scenario.director.reassign };
        let population = Population::new(parts.nodes, &scenario.traffic, scenario.seed);
        let counted = !scenario.director.counters.is_empty();
        let traffic = &scenario.traffic;
        Ok(Self {
            foreign_agents,
            host_stack,
            receiver: macs.sink.map(|mac| HomeAgentReceiver::new(scenario, target, mac, run)),
            reader: ReplyParser::new(scenario, &parts),
            addresses: scenario.home_agents.iter().map(|agent| agent.address).collect(),
            names: scenario.home_agents.iter().map(|agent| agent.name.clone()).collect(),
            template: Template::new(scenario, parts.nodes.nai.clone(), target),
            scenario_mix: population.mix(),
            population,
            first: parts.nodes.first,
            run,
            clock: clock.into(),
            retransmit_after: traffic.retransmit_after,
            retransmissions: traffic.retransmissions,
            resolve: traffic.resolve,
            ready: Duration::ZERO,
            deliveries: Deliveries::new(parts.nodes.count, scenario.home_agents.len(), u64::MAX, rules),
            plan,
            state: State::Resolving,
            running: None,
            closing: VecDeque::new(),
            resting: None,
            held: None,
            counters: counted.then(|| (DirectorCounters::default(), 0)),
            counted: Duration::ZERO,
            counters_before: DirectorCounters::default(),
            counters_first: None,
            steps: Vec::new(),
            latency: latency_histogram(),
            begun: 0,
            started: None,
            ended: Duration::ZERO,
            failure: None,
            broken: None,
        })
    }

    /// A frame came in on the sending side.
    pub fn receive_at_port(&mut self, now: Duration, frame: &[u8], out: &mut dyn Transmit) {
        let Ok(frame) = ethernet::parse(frame) else { return };
        if self.host_stack.is_own(frame.source)
            || self.host_stack.receive(&frame, out)
            || self.receiver.is_some()
        {
            return;
        }
        match self.reader.reply(&self.foreign_agents, &frame) {
            Some(Ok(answer)) => self.answered(now, answer),
            Some(Err(_)) => self.deliveries.stray(),
            None => {}
        }
    }

    /// Without a receiving port a reply stands for the arrival of its request.
    fn answered(&mut self, now: Duration, answer: ReplySummary) {
        let agent = self.addresses.iter().zip(0..).find(|(address, _)| **address == answer.home_agent);
        self.deliveries.arrived(
            now,
            Arrival {
                serial: answer.serial,
                node: answer.node,
                agent: agent.map(|(_, index)| index),
                stamp: None,
                // The home agent could not verify what it got.
                intact: answer.code != Code::MN_AUTHENTICATION,
            },
        );
    }

    /// A frame came in on the receiving side.
    pub fn receive_at_sink(&mut self, now: Duration, frame: &[u8], out: &mut dyn Transmit) {
        let Some(receiver) = &mut self.receiver else { return };
        match receiver.receive(frame, out) {
            SinkFrame::Ours(arrival) => _ = self.deliveries.arrived(now, arrival),
            SinkFrame::Stray => self.deliveries.stray(),
            SinkFrame::Other => {}
        }
    }

    /// Time goes by; at most a burst is sent.
    pub fn poll(
        &mut self,
        now: Duration,
        port: &mut dyn Transmit,
        sink: Option<&mut dyn Transmit>,
    ) -> Activity {
        self.host_stack.poll(now, port);
        if let (Some(receiver), Some(sink)) = (&mut self.receiver, sink) {
            receiver.host_stack().poll(now, sink);
        }
        if self.state == State::Resolving {
            return self.resolving(now);
        }
        if self.state == State::Done {
            return Activity::Done;
        }
        self.deliveries.expire(now, self.plan.frame_timeout());
        self.close_steps(now);
        if self.broken.is_none() {
            self.broken = self.plan.watch(&self.deliveries.total());
            if self.broken.is_some() {
                self.stop(now);
            }
        }
        match self.state {
            State::Measuring => self.measure(now, port),
            _ => self.drain(now),
        }
    }

    fn resolving(&mut self, now: Duration) -> Activity {
        let hop = self.host_stack.unresolved();
        if self.receiver.as_ref().is_some_and(|receiver| !receiver.ready(now)) {
            self.ready = now + PAUSE;
        }
        // DirectorCounters from before the first frame are what later ones are compared with.
        let unasked = self.counters.as_ref().is_some_and(|(_, samples)| *samples == 0);
        if hop.is_none() && !unasked && now >= self.ready {
            if let Some((counters, _)) = &self.counters {
                self.counters_before = counters.clone();
                self.counters_first = Some(counters.clone());
            }
            self.state = State::Measuring;
            return Activity::Busy;
        }
        if now >= self.resolve && (hop.is_some() || unasked) {
            self.failure = Some(match hop {
                Some(hop) => format!("no answer to ARP for {hop}, the next hop"),
                None => "the director's counters cannot be read".into(),
            });
            self.state = State::Done;
        }
        Activity::Idle
    }

    fn measure(&mut self, now: Duration, out: &mut dyn Transmit) -> Activity {
        if self.running.is_none() {
            match self.plan.next(self.deliveries.distinct()) {
                Next::Task(task) => self.begin(now, task),
                Next::Wait => return Activity::Idle,
                Next::End => {
                    self.state = State::Draining;
                    return Activity::Busy;
                }
            }
        }
        let worked = self.send_due(now, out);
        if let Some(running) = &self.running
            && (now.saturating_sub(running.began) >= running.task.duration
                || running.task.frames.is_some_and(|frames| running.sent >= frames))
        {
            self.close(now);
        }
        if worked { Activity::Busy } else { Activity::Idle }
    }

    fn begin(&mut self, now: Duration, task: Task) {
        self.started.get_or_insert(now);
        self.population.set_mix(task.mix.unwrap_or(self.scenario_mix));
        self.held = None;
        self.deliveries.begin(self.begun);
        self.begun += 1;
        self.running = Some(RunningStep { task, began: now, sent: 0 });
    }

    /// The running step is over; its frames may still be on their way.
    fn close(&mut self, now: Duration) {
        let Some(RunningStep { task, began, .. }) = self.running.take() else { return };
        self.deliveries.end();
        self.ended = now;
        self.closing.push_back(EndedStep {
            task,
            at: began.saturating_sub(self.started.unwrap_or(began)),
            lasted: now.saturating_sub(began),
            ended: now,
            sessions: self.deliveries.distinct(),
            samples: self.counters.as_ref().map_or(0, |(_, samples)| *samples),
        });
    }

    /// Closes the steps whose frames have all ended.
    fn close_steps(&mut self, now: Duration) {
        while let Some(closing) = self.closing.front() {
            // A sample that was taken after the step: the one under way at its end may be older.
            let seen = self.counters.as_ref().is_none_or(|(_, samples)| *samples >= closing.samples + 2);
            if !(seen || now.saturating_sub(closing.ended) >= COUNTERS) {
                return;
            }
            let Some(frames) = self.deliveries.settled() else { return };
            let Some(closing) = self.closing.pop_front() else { return };
            let mut step = step::new(self.steps.len() as u32, &closing, &frames);
            if let Some((counters, _)) = &self.counters {
                step.workers = counters.workers_since(&self.counters_before);
                step.losses.extend(counters.dropped_since(&self.counters_before));
                step.table = counters.sessions;
                step.table_at = counters.sessions.map(|_| self.since(self.counted).as_secs_f64());
                self.counters_before = counters.clone();
            }
            self.plan.done(&mut step);
            if step.phase != result::Phase::Warmup {
                // Of the same bounds, so nothing can be refused.
                let _ = self.latency.add(&frames.latency);
            }
            self.steps.push(step);
        }
    }

    fn send_due(&mut self, now: Duration, out: &mut dyn Transmit) -> bool {
        let Some(running) = &self.running else { return false };
        let due = running.task.schedule.due(now.saturating_sub(running.began));
        let most = running.task.schedule.frames(running.task.duration);
        let due = due.min(most).min(running.task.frames.unwrap_or(u64::MAX));
        let (mut sent, mut room) = (running.sent, MOST);
        while room > 0 {
            let (draw, attempt) = match self.held.take().or_else(|| self.repeat(now)) {
                Some(held) => held,
                None if sent < due => (self.population.draw(), 0),
                None => break,
            };
            if !self.send(now, draw, attempt, out) {
                self.held = Some((draw, attempt));
                break;
            }
            sent += u64::from(attempt == 0);
            room -= 1;
        }
        if let Some(running) = &mut self.running {
            running.sent = sent;
        }
        room < MOST
    }

    /// A node that waits for an answer for too long, and which attempt it makes.
    fn repeat(&mut self, now: Duration) -> Option<(NextNode, u8)> {
        if self.retransmit_after.is_zero() {
            return None;
        }
        while let Some((node, attempt)) = self.deliveries.due(now, self.retransmit_after) {
            if attempt < self.retransmissions {
                return Some((NextNode { node, kind: Kind::Retransmission }, attempt + 1));
            }
        }
        None
    }

    fn send(&mut self, now: Duration, draw: NextNode, attempt: u8, out: &mut dyn Transmit) -> bool {
        let agent = self.foreign_agents[draw.node as usize % self.foreign_agents.len()];
        let Some(next_hop) = self.host_stack.mac_of(agent.next_hop) else { return false };
        let addresses = FrameAddresses { agent: agent.address, source: agent.mac, next_hop };
        let serial = self.deliveries.next_serial();
        let identification = (self.clock + now.as_secs()) << 32 | u64::from(serial);
        let payload = TestPayload { run: self.run, serial, stamp: now.as_nanos() as u64 };
        let frame =
            self.template.frame_with(addresses, self.first + draw.node, identification, Some(payload));
        if !out.send(frame) {
            return false;
        }
        self.deliveries.sent(now, draw.node, attempt, draw.kind == Kind::Retransmission);
        true
    }

    fn drain(&mut self, now: Duration) -> Activity {
        if !self.closing.is_empty() {
            return Activity::Idle;
        }
        let samples = self.counters.as_ref().map_or(0, |(_, samples)| *samples);
        let (rested, since) = *self.resting.get_or_insert((now, samples));
        if self.broken.is_none()
            && let Some(broken) = self.plan.rest()
        {
            // What it counts of others, and of our last frames, has an end at one of the next samples.
            if samples < since + SAMPLES && now.saturating_sub(rested) < REST {
                return Activity::Idle;
            }
            // The one under way when the last frame had ended may be older.
            if samples >= since + 2 {
                self.broken = Some(broken);
            }
        }
        self.state = State::Done;
        Activity::Busy
    }

    /// No more is sent; what was is still waited for.
    pub fn stop(&mut self, now: Duration) {
        self.close(now);
        self.state = match self.state {
            State::Resolving | State::Done => State::Done,
            State::Measuring | State::Draining => State::Draining,
        };
    }

    /// The director said this.
    pub fn count(&mut self, now: Duration, counters: DirectorCounters) {
        self.counted = now;
        if let Some((last, samples)) = &mut self.counters {
            self.plan.count(&counters);
            if self.plan.full() {
                self.deliveries.let_all_move();
            }
            *last = counters;
            *samples += 1;
        }
    }

    /// The home agent of that name or address (or `all`) is down, and its nodes may go elsewhere; or it is up again.
    /// False if there is none.
    pub fn set_down(&mut self, name: &str, down: bool) -> bool {
        let mut found = false;
        for index in 0..self.addresses.len() {
            if name == "all" || self.names[index] == name || self.addresses[index].to_string() == name {
                self.deliveries.set_down(index as u16, down);
                found = true;
            }
        }
        found
    }

    /// Steps that are settled.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Nanoseconds on the way, in all settled steps but the warm-up.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    pub fn plan(&self) -> &dyn Plan {
        &*self.plan
    }

    /// What became of the frames.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// Name and real address of each home agent.
    pub fn names(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        self.names.iter().map(String::as_str).zip(self.addresses.iter().copied())
    }

    /// The director's counters before the first frame and at last.
    pub fn counters(&self) -> Option<(&DirectorCounters, &DirectorCounters)> {
        self.counters_first.as_ref().zip(self.counters.as_ref().map(|(last, _)| last))
    }

    /// From the first frame to the end of the last step.
    pub fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| self.ended.saturating_sub(started))
    }

    /// Since the first frame.
    pub fn since(&self, now: Duration) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.saturating_sub(started))
    }

    /// What kept it from beginning, or the invariant that broke.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref().or(self.broken.as_deref())
    }

    /// What is going on, in a few words.
    pub fn doing(&self) -> String {
        let total = self.deliveries.total();
        let label = match (&self.running, self.state) {
            (Some(running), _) => running.task.label.as_str(),
            (None, State::Resolving) => "asking for the next hop",
            (None, _) => "waiting",
        };
        format!(
            "{label}: {} sent, {} right, {} lost, {} wrong, {} corrupted",
            total.sent, total.right, total.lost, total.wrong, total.corrupted
        )
    }
}
