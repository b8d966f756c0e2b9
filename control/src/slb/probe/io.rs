//! Tries and their answers, on sockets of the kernel: they leave by its routes, from the address that it chooses, through the
//! shadow of the port.

mod sockets;

use std::{
    collections::BTreeMap,
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

use self::sockets::{Datagram, Received, Sockets};
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
const BATCH: Duration = Duration::from_millis(5);

/// Time between two log lines of a probe that this host cannot send.
const QUIET: Duration = Duration::from_mins(1);

/// Asks servers as ordered, until there are no more orders.
pub async fn run(io: Io<Slb>) {
    let Io { mut orders, messenger, clock } = io;
    let mut asker = Asker::new(messenger, clock);
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
            answers = asker.sockets.receive() => asker.take(&answers),
            Some(Ok((nonce, result))) = asker.connections.join_next() => asker.connected(nonce, result),
            () = sleep(wait) => {}
        }
    }
}

struct Asker {
    prober: Prober,
    sockets: Sockets,
    /// Connections that are being opened, each with the nonce of its try.
    connections: JoinSet<(u32, io::Result<()>)>,
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
    fn new(messenger: Messenger<Slb>, clock: Arc<dyn Fn() -> Nanos + Send + Sync>) -> Self {
        Self {
            prober: Prober::default(),
            sockets: Sockets::default(),
            connections: JoinSet::new(),
            key: RandomState::new(),
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
                self.sockets.keep(|probe| targets.iter().any(|target| target.probe == *probe));
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
        let answers = self.sockets.drain();
        self.take(&answers);
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
        for one in &tries {
            if let Err(error) = self.send(one) {
                self.failed(one.nonce, &error);
            }
        }
    }

    fn send(&mut self, Try { target, nonce }: &Try) -> io::Result<()> {
        let Target { probe, server, terms, .. } = &**target;
        match &terms.question {
            Question::Connection => return self.connect(*nonce, *server, terms.timeout),
            Question::Echo => self.sockets.echo(*nonce, *server.ip()),
            Question::Registration { nai } => {
                let care_of = self.sockets.source(*server)?;
                let wall = SystemTime::now();
                let request = packet::registration(*nonce, nai, *server.ip(), care_of, wall);
                let request = request.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
                self.sockets.send(probe, &request, *server)
            }
            Question::Datagram { payload, .. } => self.sockets.send(probe, payload, *server),
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
            Ok(()) => self.answered(nonce),
            Err(error) => self.failed(nonce, &error),
        }
    }

    fn take(&mut self, answers: &[Received]) {
        for Received { socket, from, payload } in answers {
            let nonce = match socket {
                Datagram::Echo(identifier) => packet::echo_reply(payload, *identifier).filter(|nonce| {
                    self.prober.asked(*nonce).is_some_and(|asked| asked.server.ip() == from.ip())
                }),
                Datagram::Udp(probe) => self.answered_by(probe, *from, payload),
            };
            if let Some(nonce) = nonce {
                self.answered(nonce);
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

    fn answered(&mut self, nonce: u32) {
        if let Some(over) = self.prober.resolve(nonce, Outcome::Answered, (self.clock)()) {
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
        let now = (self.clock)();
        let Some(over) = self.prober.resolve(nonce, outcome, now) else { return };
        self.tell(&over, || error.to_string());
        if outcome == Outcome::Refused {
            return;
        }
        let Target { probe, server, .. } = &*over.target;
        if self.troubles.get(probe).is_none_or(|last| now.since(*last) >= QUIET) {
            self.troubles.insert(probe.clone(), now);
            tracing::warn!(
                mnemonic = "SLB-4-PROBE",
                "Probe {probe} cannot ask {server}, which says nothing of the server: {error}"
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
