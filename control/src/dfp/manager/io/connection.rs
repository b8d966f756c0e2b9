//! One agent's task: its state machine, its socket, its timers.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::{
    Clock,
    socket::{CHUNK, Ready, Socket},
};
use crate::{
    core::{AgentId, Core, Status, Wanted},
    daemon::Director,
    dfp::{
        counter::{Counter, Counters},
        debug::{self, Direction, Facility},
        inbound::{Discard, Received},
        log::{Limiter, Notice},
        manager::fsm::{Action, Connection, Event, Loss},
        packet::{DecodeError, Load, Message},
        security::Keyring,
    },
    manage::operator::{Shared, lock},
};

/// Chunks read before others get their turn: 64 KiB.
const CHUNKS: usize = 16;

/// Time is looked at no more often than this.
const GRAIN: Duration = Duration::from_millis(1);

/// The task of one agent.
pub(super) struct Runner {
    id: AgentId,
    wanted: Wanted,
    core: Shared<Director>,
    clock: Clock,
    keys: Arc<ArcSwap<Keyring>>,
    connection: Connection,
    socket: Socket,
    /// Of connections that have ended.
    counters: Counters,
    last_message: Option<SystemTime>,
    limiter: Limiter,
}

impl Runner {
    pub(super) fn new(wanted: Wanted, core: Shared<Director>, clock: Clock) -> Self {
        let keys = lock(&core).core_mut().dfp_keys();
        // Unlike those of other agents, and of another run.
        let jitter = Duration::from_millis(RandomState::new().hash_one(wanted.id) % 1000);
        Self {
            id: wanted.id,
            wanted,
            core,
            clock,
            keys,
            connection: Connection::new(wanted.config, jitter),
            socket: Socket::None,
            counters: Counters::default(),
            last_message: None,
            limiter: Limiter::default(),
        }
    }

    /// Runs until the agent is no longer wanted.
    pub(super) async fn run(
        mut self,
        mut wanted: watch::Receiver<Wanted>,
        mut states: mpsc::Receiver<Vec<Load>>,
    ) {
        self.handle(vec![Event::BindIds(self.wanted.bind_ids), Event::Entered(self.wanted.config)]);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return self.handle(vec![Event::Removed]);
                    }
                    let now = *wanted.borrow_and_update();
                    self.changed(now);
                }
                Some(loads) = states.recv() => self.handle(vec![Event::ServerState(loads)]),
                ready = self.socket.ready() => {
                    self.ready(ready);
                    // One agent that has much to say must not keep others waiting.
                    tokio::task::yield_now().await;
                }
                () = sleep(deadline) => self.expire(),
            }
        }
    }

    /// Time until something is due.
    fn deadline(&mut self) -> Option<Duration> {
        let inbound = self.socket.opened().and_then(|open| open.inbound.deadline());
        let at = inbound.into_iter().chain(self.connection.deadline()).min()?;
        Some(at.since((self.clock)()).max(GRAIN))
    }

    fn expire(&mut self) {
        let now = (self.clock)();
        let slow = self.socket.opened().and_then(|open| open.inbound.expire(now));
        let slow = slow.map(|close| Event::Received(Received::Closed(close)));
        self.handle(slow.into_iter().chain([Event::Tick]).collect());
    }

    fn changed(&mut self, wanted: Wanted) {
        let old = std::mem::replace(&mut self.wanted, wanted);
        let mut events = vec![Event::BindIds(wanted.bind_ids)];
        if (old.config, old.entered) != (wanted.config, wanted.entered) {
            events.push(Event::Entered(wanted.config));
        }
        self.handle(events);
    }

    fn ready(&mut self, ready: Ready) {
        match ready {
            Ready::Connected(Ok(stream)) => {
                self.socket.open(stream);
                self.handle(vec![Event::Connected]);
            }
            Ready::Connected(Err(error)) => {
                self.socket = Socket::None;
                self.debug(|id| debug::closed(Facility::Manager, id.address, error));
                self.handle(vec![Event::ConnectFailed]);
            }
            Ready::Writable => {
                if self.socket.opened().is_some_and(|open| open.flush().is_err()) {
                    self.handle(vec![Event::Ended]);
                }
            }
            Ready::Readable => {
                let mut events = Vec::new();
                for _ in 0..CHUNKS {
                    if !self.read(&mut events) {
                        break;
                    }
                }
                self.handle(events);
            }
        }
    }

    /// Reads a chunk; false: there is no more now.
    fn read(&mut self, events: &mut Vec<Event>) -> bool {
        let now = (self.clock)();
        let keys = self.keys.load();
        let Some(open) = self.socket.opened() else { return false };
        let mut buffer = [0; CHUNK];
        match open.stream.try_read(&mut buffer) {
            Ok(length @ 1..) => {
                let mut input = &buffer[..length];
                while let Some(received) = open.inbound.next(&mut input, &keys, now) {
                    let closed = matches!(received, Received::Closed(_));
                    events.push(Event::Received(received));
                    if closed {
                        return false;
                    }
                }
                length == CHUNK
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The end, or a reset, which may come inside a message too.
            Ok(0) | Err(_) => {
                let cut = open.inbound.finish().map(|close| Event::Received(Received::Closed(close)));
                events.push(cut.unwrap_or(Event::Ended));
                false
            }
        }
    }

    fn debug(&self, line: impl FnOnce(AgentId) -> String) {
        let id = self.id;
        lock(&self.core).core_mut().debug_dfp(Facility::Manager, || line(id));
    }

    /// Lets the state machine decide, and does what follows: weights first of all.
    fn handle(&mut self, events: Vec<Event>) {
        let shared = Arc::clone(&self.core);
        let mut director = lock(&shared);
        let core = director.core_mut();
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            if let Event::Received(received) = &event {
                self.received(core, received);
            }
            let now = (self.clock)();
            for action in self.connection.handle(event, now) {
                events.extend(self.perform(core, action));
            }
        }
        core.dfp_status(
            self.id,
            Status {
                state: self.connection.state(),
                counters: self.counters(),
                last_message: self.last_message,
                bind_ids: Arc::clone(self.connection.bind_tables()),
            },
        );
    }

    fn counters(&mut self) -> Counters {
        let mut sum = self.counters;
        if let Some(open) = self.socket.opened() {
            sum.merge(open.inbound.counters());
        }
        sum
    }

    /// Says what has come, in debug and in the log.
    fn received(&mut self, core: &Core, received: &Received) {
        let peer = self.id.address;
        match received {
            Received::Message(decoded) => {
                self.last_message = Some(SystemTime::now());
                core.debug_dfp(Facility::Manager, || debug::received(Facility::Manager, peer, decoded));
            }
            Received::Discarded(discard) => {
                core.debug_dfp(Facility::Manager, || {
                    debug::discarded(Facility::Manager, peer, discard_words(*discard))
                });
                if let Discard::Undecodable(error) = discard {
                    self.notice(Notice::Discarded { error: *error, peer });
                }
            }
            Received::Closed(close) => self.notice(Notice::Closed { close: *close, peer }),
        }
    }

    fn notice(&mut self, notice: Notice) {
        notice.emit_rarely(Facility::Manager, &mut self.limiter, (self.clock)());
    }

    /// Does one thing; what has come of it.
    fn perform(&mut self, core: &mut Core, action: Action) -> Option<Event> {
        let peer = self.id.address;
        match action {
            Action::Connect => self.socket.connect(peer),
            Action::Close => {
                self.counters = self.counters();
                self.socket = Socket::None;
            }
            Action::Send(message) => return self.send(core, &message),
            Action::Weights(loads) => {
                let dropped = core.dfp_report(self.id, &loads, SystemTime::now());
                if dropped > 0 {
                    self.counters.add(Counter::TableOverflow, dropped);
                    self.notice(Notice::Overflow { agent: peer });
                }
            }
            Action::WeightsLost => core.dfp_lost(self.id),
            Action::State { from, to } => {
                core.debug_dfp(Facility::Manager, || debug::state(peer, from, to));
            }
            Action::Opened => self.notice(Notice::Opened { agent: peer }),
            Action::Lost(loss) => {
                if loss == Loss::Stalled {
                    self.counters.count(Counter::StalledClose);
                }
                core.debug_dfp(Facility::Manager, || debug::closed(Facility::Manager, peer, loss));
                if loss != Loss::Removed {
                    self.notice(Notice::Lost { loss, agent: peer });
                }
            }
            Action::GaveUp { attempts } => self.notice(Notice::GaveUp { attempts, agent: peer }),
        }
        None
    }

    fn send(&mut self, core: &Core, message: &Message) -> Option<Event> {
        let peer = self.id.address;
        let open = self.socket.opened()?;
        let mut bytes = Vec::new();
        if let Err(error) = message.encode(&mut bytes, self.keys.load().sending((self.clock)())) {
            // Server States are cut to what fits: what is left is a fault of ours.
            tracing::error!("SLB_DFP: {} cannot be sent: {error}", message.message_type());
            return None;
        }
        if *message == Message::BindIdRequest {
            open.inbound.await_bind_tables();
        }
        let length = bytes.len();
        let sent = open.send(bytes);
        core.debug_dfp(Facility::Manager, || {
            debug::message(Facility::Manager, peer, Direction::Sent, message, length)
        });
        match sent {
            Ok(true) => None,
            Ok(false) => Some(Event::Stalled),
            Err(_) => Some(Event::Ended),
        }
    }
}

/// `security error (mismatch)`, or what else is wrong.
fn discard_words(discard: Discard) -> String {
    match discard {
        Discard::Undecodable(DecodeError::Security(error)) => format!("security error ({error})"),
        other => other.to_string(),
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        None => std::future::pending().await,
        Some(time) => tokio::time::sleep(time).await,
    }
}
