//! Tries and their answers, on sockets of the kernel: they leave by its routes, from the address that it chooses, through the
//! shadow of the port.

mod scripts;
mod sockets;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind},
    net::SocketAddrV4,
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::time::Nanos;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{
    scripts::{Ended, Scripts},
    sockets::{Datagram, Outgoing, Received, Sockets},
};
use super::{
    Message, Order,
    fsm::{Outcome, Over, Prober, Try},
    packet,
    target::{Question, Target},
};
use crate::{
    protocol::{Io, Messenger},
    slb::{Slb, config::ObjectName},
};

/// Most connections that are being opened at a time: so many descriptors at most.
const CONNECTIONS: usize = 256;

/// Tries are made in batches this far apart.
const BATCH: Duration = Duration::from_millis(40);

/// Answers are read in batches: this long after the first one.
const GATHER: Duration = Duration::from_millis(2);

/// Time between two log lines of a probe that this host cannot send.
const QUIET: Duration = Duration::from_mins(1);

/// Asks servers as ordered, until there are no more orders.
pub async fn run(io: Io<Slb>) {
    let Io { mut orders, messenger, clock, launcher } = io;
    let mut asker = Asker::new(messenger, clock, Scripts::new(launcher));
    loop {
        // Not only when nothing else is to be done: a flood of datagrams must not hide who does not answer.
        let mut wait = asker.wait();
        if wait.is_zero() {
            asker.ask();
            wait = asker.wait();
        }
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(order) => asker.obey(order),
                None => return,
            },
            () = async { asker.sockets.readable().await; sleep(GATHER).await } => asker.take(),
            Some(Ok((nonce, result))) = asker.connections.join_next() => asker.connected(nonce, result),
            Some(ended) = asker.scripts.next() => asker.ended(ended),
            () = sleep(wait) => {}
        }
    }
}

struct Asker {
    prober: Prober,
    sockets: Sockets,
    /// Connections that are being opened, each with the nonce of its try.
    connections: JoinSet<(u32, io::Result<()>)>,
    scripts: Scripts,
    /// Of our echoes.
    identifier: u16,
    /// Makes nonces of a counter.
    key: RandomState,
    count: u64,
    /// When tries were made last.
    batch: Nanos,
    /// When it was last logged that a probe cannot be sent.
    troubles: BTreeMap<ObjectName, Nanos>,
    debug: bool,
    messenger: Messenger<Slb>,
    clock: Arc<dyn Fn() -> Nanos + Send + Sync>,
}

impl Asker {
    fn new(messenger: Messenger<Slb>, clock: Arc<dyn Fn() -> Nanos + Send + Sync>, scripts: Scripts) -> Self {
        let key = RandomState::new();
        Self {
            prober: Prober::default(),
            sockets: Sockets::default(),
            connections: JoinSet::new(),
            scripts,
            identifier: key.hash_one(0) as u16,
            key,
            count: 0,
            batch: Nanos(0),
            troubles: BTreeMap::new(),
            debug: false,
            messenger,
            clock,
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Ask(targets) => {
                let wanted: BTreeSet<_> = targets.iter().filter_map(|target| socket_of(target)).collect();
                self.sockets.keep(|socket| wanted.contains(socket));
                self.troubles.retain(|probe, _| targets.iter().any(|target| target.probe == *probe));
                self.prober.set(&targets, (self.clock)());
            }
            Order::Debug(on) => self.debug = on,
        }
    }

    /// Until the next batch of tries; for ever while nobody is asked, or nearly.
    fn wait(&self) -> Duration {
        let now = (self.clock)();
        let next = self.prober.deadline().map(|at| at.max(self.batch.after(BATCH)));
        next.map_or(Duration::from_hours(1), |at| at.since(now))
    }

    /// Makes the tries that are due.
    fn ask(&mut self) {
        // Answers first: who has stood still has not lost them, they wait in the sockets.
        self.take();
        let now = (self.clock)();
        self.batch = now;
        let (mut tries, mut unanswered) = (Vec::new(), Vec::new());
        let (key, count) = (&self.key, &mut self.count);
        let nonce = || {
            *count += 1;
            key.hash_one(*count) as u32
        };
        self.prober.poll(now, nonce, &mut tries, &mut unanswered);
        for over in unanswered {
            self.tell(&over, || "no answer".to_owned());
        }
        let mut outgoing = BTreeMap::<_, Vec<_>>::new();
        for Try { target, nonce } in tries {
            let Some(socket) = socket_of(&target) else {
                self.ask_alone(nonce, &target);
                continue;
            };
            match self.payload(&target, nonce, now) {
                Ok(payload) => {
                    let one = Outgoing { nonce, to: target.server, payload };
                    outgoing.entry(socket).or_default().push(one);
                }
                Err(error) => self.failed(nonce, &error),
            }
        }
        for (socket, outgoing) in outgoing {
            for (nonce, error) in self.sockets.send(&socket, &outgoing) {
                self.failed(nonce, &error);
            }
        }
    }

    /// Asks in another way than by a datagram.
    fn ask_alone(&mut self, nonce: u32, target: &Target) {
        if let Question::Script(script) = &target.terms.question {
            self.scripts.start(nonce, target, script);
        } else if let Err(error) = self.connect(nonce, target.server, target.terms.timeout) {
            self.failed(nonce, &error);
        }
    }

    fn payload(&mut self, target: &Target, nonce: u32, now: Nanos) -> io::Result<Vec<u8>> {
        match &target.terms.question {
            Question::Connection | Question::Script(_) | Question::Echo => {
                Ok(packet::echo(self.identifier, nonce))
            }
            Question::Datagram { payload, .. } => Ok(payload.clone()),
            Question::Registration { nai } => {
                let care_of = self.sockets.source(target.server, now)?;
                let request =
                    packet::registration(nonce, nai, *target.server.ip(), care_of, SystemTime::now());
                request.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))
            }
        }
    }

    fn connect(&mut self, nonce: u32, server: SocketAddrV4, limit: Duration) -> io::Result<()> {
        if self.connections.len() >= CONNECTIONS {
            let text = format!("{CONNECTIONS} connections are being opened");
            return Err(io::Error::new(ErrorKind::ResourceBusy, text));
        }
        self.connections.spawn(async move {
            let connected = timeout(limit, TcpStream::connect(server)).await;
            let connected = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            // Closed by a reset: an end in order would keep its port for a minute.
            let closed = connected.and_then(|stream| SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
            (nonce, closed)
        });
        Ok(())
    }

    fn connected(&mut self, nonce: u32, result: io::Result<()>) {
        match result {
            Ok(()) => self.answered(nonce, (self.clock)()),
            Err(error) => self.failed(nonce, &error),
        }
    }

    /// Takes the answers that are there.
    fn take(&mut self) {
        let answers = self.sockets.drain();
        let now = (self.clock)();
        for Received { socket, from, payload, waited } in &answers {
            let nonce = match socket {
                Datagram::Echo => packet::echo_reply(payload, self.identifier).filter(|nonce| {
                    self.prober.asked(*nonce).is_some_and(|asked| asked.server.ip() == from.ip())
                }),
                Datagram::Udp(probe) => self.answered_by(probe, *from, payload),
            };
            if let Some(nonce) = nonce {
                self.answered(nonce, Nanos(now.0.saturating_sub(waited.as_nanos() as u64)));
            }
        }
    }

    /// The try that a datagram answers. A home agent may answer from the virtual address: who knows the nonce has seen the
    /// request. Of other datagrams the source must be the server.
    fn answered_by(&self, probe: &ObjectName, from: SocketAddrV4, payload: &[u8]) -> Option<u32> {
        let registration = packet::registration_reply(payload).filter(|nonce| {
            let asked = self.prober.asked(*nonce).filter(|asked| asked.probe == *probe);
            asked.is_some_and(|asked| matches!(asked.terms.question, Question::Registration { .. }))
        });
        registration.or_else(|| {
            let nonce = self.prober.open_at(probe, from)?;
            match &self.prober.asked(nonce)?.terms.question {
                Question::Datagram { responses, .. } if packet::meets(payload, responses) => Some(nonce),
                _ => None,
            }
        })
    }

    fn answered(&mut self, nonce: u32, at: Nanos) {
        if let Some(over) = self.prober.resolve(nonce, Outcome::Answered, at) {
            let took = over.target.counters.round_trip().unwrap_or_default();
            self.tell(&over, || format!("answered in {:.3} ms", took.as_secs_f64() * 1e3));
        }
    }

    /// A refusal counts; what is wrong with this host does not.
    fn failed(&mut self, nonce: u32, error: &io::Error) {
        let outcome = match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::TimedOut => Outcome::Refused,
            _ => Outcome::NotSent,
        };
        self.unanswered(nonce, outcome, &error.to_string());
    }

    fn ended(&mut self, Ended { nonce, outcome, text }: Ended) {
        if outcome != Outcome::Answered {
            self.unanswered(nonce, outcome, &text);
        } else if let Some(over) = self.prober.resolve(nonce, outcome, (self.clock)()) {
            self.tell(&over, || text);
        }
    }

    fn unanswered(&mut self, nonce: u32, outcome: Outcome, text: &str) {
        let now = (self.clock)();
        let Some(over) = self.prober.resolve(nonce, outcome, now) else { return };
        self.tell(&over, || text.to_owned());
        if outcome == Outcome::Refused {
            return;
        }
        let Target { probe, server, .. } = &*over.target;
        if self.troubles.get(probe).is_none_or(|last| now.since(*last) >= QUIET) {
            self.troubles.insert(probe.clone(), now);
            tracing::warn!(
                mnemonic = "SLB-4-PROBE",
                "Probe {probe} cannot ask {server}, which says nothing of the server: {text}"
            );
        }
    }

    fn tell(&self, over: &Over, text: impl FnOnce() -> String) {
        if self.debug {
            self.messenger.tell(Message::Tried(over.target.id, text()));
        }
        if let Some(state) = over.change {
            self.messenger.tell(Message::Changed(over.target.id, state));
        }
    }
}

/// The socket from which a server is asked; a connection has its own, and a script.
fn socket_of(target: &Target) -> Option<Datagram> {
    match target.terms.question {
        Question::Connection | Question::Script(_) => None,
        Question::Echo => Some(Datagram::Echo),
        Question::Registration { .. } | Question::Datagram { .. } => {
            Some(Datagram::Udp(target.probe.clone()))
        }
    }
}
