//! One agent: its state machine, what there is of TCP, and what is said of both.

use std::{
    net::SocketAddrV4,
    time::{Duration, SystemTime},
};

use common::time::Nanos;

use super::{
    bind::BindIds,
    config::DfpAgent,
    fsm::{Action, Event, Loss, Phase},
    view::{AgentView, ConnectionState},
};
use crate::{
    dfp::{
        Dfp, Order,
        counter::{Counter, Counters},
        debug::{self, Facility},
        inbound::{Inbound, Received},
        log::{Limiter, Notice},
        packet::{DecodeError, Message, Role, Row},
        security::Keyring,
        sockets::{End, LinkId, SocketEvent, SocketOrder},
        view::Clock,
    },
    protocol::Cx,
};

const FACILITY: Facility = Facility::Manager;

/// Messages that an agent leaves unread before it is given up.
const MOST_MESSAGES: usize = 128;

#[derive(Debug)]
pub struct Peer {
    pub(super) config: DfpAgent,
    pub(super) state: ConnectionState,
    pub(super) phase: Phase,
    /// Attempts that have failed since the last valid message.
    pub(super) attempts: u32,
    /// Wait before a quick reconnect, so that many agents do not come back at the same moment.
    pub(super) jitter: Duration,
    /// When a lost connection was last made anew without waiting for the interval.
    pub(super) quick: Option<Nanos>,
    pub(super) bind_ids: BindIds,
    pub(super) actions: Vec<Action>,
    pub tcp: Option<Tcp>,
    /// Of connections that have ended.
    pub(super) counters: Counters,
    last_message: Option<SystemTime>,
    limiter: Limiter,
}

/// An attempt or a connection; never more than one.
#[derive(Debug)]
pub struct Tcp {
    pub link: LinkId,
    pub inbound: Inbound,
    /// Messages that TCP has not taken yet.
    unwritten: usize,
}

impl Peer {
    /// Nothing has been tried yet; [`Event::Entered`] starts it. `jitter`, up to a second, should differ between agents.
    pub(super) fn new(config: DfpAgent, jitter: Duration) -> Self {
        Self {
            config,
            state: ConnectionState::NotOpen,
            phase: Phase::Idle,
            attempts: 0,
            jitter,
            quick: None,
            bind_ids: BindIds::default(),
            actions: Vec::new(),
            tcp: None,
            counters: Counters::default(),
            last_message: None,
            limiter: Limiter::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.config.socket()
    }

    /// What the state machine makes of an event.
    pub(super) fn handle(&mut self, event: Event, cx: &Cx<'_, Dfp>) -> Vec<Action> {
        if let Event::Received(received) = &event {
            self.note(received, cx);
        }
        self.decide(event, cx.now())
    }

    /// What the state machine is to hear of what the sockets tell.
    pub(super) fn event(&mut self, event: SocketEvent, keys: &Keyring, cx: &Cx<'_, Dfp>) -> Vec<Event> {
        let Some(tcp) = &mut self.tcp else { return Vec::new() };
        let mut events = Vec::new();
        match event {
            SocketEvent::Connected(_) => events.push(Event::Connected),
            SocketEvent::Failed(_, error) => {
                self.tcp = None;
                self.debug(cx, |agent| debug::closed(FACILITY, agent, error));
                events.push(Event::ConnectFailed);
            }
            SocketEvent::Input(_, bytes) => {
                let mut input = &bytes[..];
                while let Some(received) = tcp.inbound.next(&mut input, keys, cx.now()) {
                    events.push(Event::Received(received));
                }
            }
            SocketEvent::Written(_) => tcp.unwritten = tcp.unwritten.saturating_sub(1),
            // The end, or a reset, which may come inside a message too.
            SocketEvent::Finished(_) | SocketEvent::Lost(_) => {
                let cut = tcp.inbound.finish().map(|close| Event::Received(Received::Closed(close)));
                events.push(cut.unwrap_or(Event::Ended));
            }
            SocketEvent::Listening(_) | SocketEvent::ListenFailed(..) | SocketEvent::Accepted { .. } => {}
        }
        events
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let inbound = self.tcp.as_ref().and_then(|tcp| tcp.inbound.deadline());
        inbound.into_iter().chain(self.due()).min()
    }

    /// A message that has been arriving for too long.
    pub(super) fn expire(&mut self, now: Nanos) -> Option<Event> {
        let close = self.tcp.as_mut()?.inbound.expire(now)?;
        Some(Event::Received(Received::Closed(close)))
    }

    pub(super) fn open(&mut self, link: LinkId, cx: &mut Cx<'_, Dfp>) {
        self.tcp = Some(Tcp { link, inbound: Inbound::new(Role::Manager), unwritten: 0 });
        cx.order(Order::Socket(SocketOrder::Connect(link, self.address())));
    }

    pub(super) fn close(&mut self, cx: &mut Cx<'_, Dfp>) -> Option<LinkId> {
        let tcp = self.tcp.take()?;
        self.counters.merge(tcp.inbound.counters());
        cx.order(Order::Socket(SocketOrder::End(tcp.link, End::Close)));
        Some(tcp.link)
    }

    pub(super) fn notice(&mut self, notice: Notice, now: Nanos) {
        notice.emit_rarely(FACILITY, &mut self.limiter, now);
    }

    /// Says what has come, in debug and in the log.
    fn note(&mut self, received: &Received, cx: &Cx<'_, Dfp>) {
        let peer = self.address();
        match received {
            Received::Message(decoded) => {
                self.last_message = Some(cx.wall());
                self.debug(cx, |agent| debug::received(FACILITY, agent, decoded));
            }
            Received::Discarded(error) => {
                self.debug(cx, |agent| debug::discarded(FACILITY, agent, discard_words(*error)));
                if *error != DecodeError::Unsolicited {
                    self.notice(Notice::Discarded { error: *error, peer }, cx.now());
                }
            }
            Received::Closed(close) => self.notice(Notice::Closed { close: *close, peer }, cx.now()),
        }
    }

    pub(super) fn debug(&self, cx: &Cx<'_, Dfp>, line: impl FnOnce(SocketAddrV4) -> String) {
        cx.debug(FACILITY.switch(), || line(self.address()));
    }

    /// Says that the connection is lost.
    pub(super) fn lost(&mut self, loss: Loss, cx: &Cx<'_, Dfp>) {
        if loss == Loss::Stalled {
            self.counters.count(Counter::StalledClose);
        }
        self.debug(cx, |agent| debug::closed(FACILITY, agent, loss));
        if loss != Loss::Removed {
            self.notice(Notice::Lost { loss, agent: self.address() }, cx.now());
        }
    }

    /// Sends a message, unless the agent reads none.
    pub(super) fn write(&mut self, message: &Message, keys: &Keyring, cx: &mut Cx<'_, Dfp>) -> Option<Event> {
        let tcp = self.tcp.as_mut()?;
        let mut bytes = Vec::new();
        if let Err(error) = message.encode(&mut bytes, keys.sending(cx.now())) {
            // Server States are cut to what fits: what is left is a fault of ours.
            tracing::error!("SLB_DFP: {} cannot be sent: {error}", message.message_type());
            return None;
        }
        if *message == Message::BindIdRequest {
            tcp.inbound.await_bind_tables();
        }
        if tcp.unwritten >= MOST_MESSAGES {
            return Some(Event::Stalled);
        }
        tcp.unwritten += 1;
        let (link, length) = (tcp.link, bytes.len());
        cx.order(Order::Socket(SocketOrder::Write(link, bytes)));
        self.debug(cx, |agent| debug::sent(FACILITY, agent, message, length));
        None
    }

    /// The agent as shown, with what it has reported.
    pub(super) fn view(&self, reported: Vec<Row>) -> AgentView {
        let mut counters = self.counters;
        self.tcp.iter().for_each(|tcp| counters.merge(tcp.inbound.counters()));
        AgentView {
            config: self.config,
            state: self.state,
            counters,
            last_message: self.last_message.map(Clock),
            reported,
            bind_ids: self.bind_ids.tables.to_vec(),
        }
    }
}

/// `security error (mismatch)`, or what else is wrong.
fn discard_words(error: DecodeError) -> String {
    match error {
        DecodeError::Security(error) => format!("security error ({error})"),
        other => other.to_string(),
    }
}
