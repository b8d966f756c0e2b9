//! The connection to one agent as a state machine: events and the time come in, actions come out. No sockets, no
//! clock. States are those of CISCO-SLB-MIB; draft-eck-dfp-01, 3.1, 5.3 and 7.1, for what is between them.
//!
//! Whoever runs it holds at most one TCP connection (or attempt), from [`Action::Connect`] to [`Action::Close`] or the
//! event that it has failed or ended, and gives [`Event::Tick`] at [`Peer::due`].

use std::time::Duration;

use common::time::Nanos;

use super::{peer::Peer, view::ConnectionState};
use crate::dfp::{
    inbound::{Close, Received},
    manager::config::DfpAgent,
    packet::{DecodeError, Load, Message},
};

pub const CONNECT: Duration = Duration::from_secs(10);

/// A message may come this much later than the timeout says.
pub const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `agent` was entered: for the first time, with other values, or once more.
    Entered(DfpAgent),
    /// Whether any farm has a BindID.
    BindIds(bool),
    Connected,
    /// It was refused, or nobody is there.
    ConnectFailed,
    /// Something has come on the connection, which is closed for good after [`Received::Closed`].
    Received(Received),
    /// The connection has ended between two messages, or was reset.
    Ended,
    /// The agent does not read what it is sent.
    Stalled,
    /// Tell the agent what became of servers that it reports on.
    ServerState(Vec<Load>),
    /// The time has come, or may have.
    Tick,
    /// `no agent`, or the end.
    Removed,
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Connect,
    Close,
    Send(Message),
    Weights(Vec<Load>),
    /// Forget every weight that this agent has set: static ones apply.
    WeightsLost,
    /// Say it in debug.
    State {
        from: ConnectionState,
        to: ConnectionState,
    },
    /// Say it in the log: a connection has opened.
    Opened,
    /// Say it in the log: the connection is lost.
    Lost(Loss),
    /// Say it in the log: no more attempts.
    GaveUp {
        attempts: u32,
    },
}

/// Why a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The agent has closed it, or it broke.
    #[error("ended by the agent")]
    Ended,
    /// Nothing valid has come for longer than that.
    #[error("no message within the timeout")]
    Silent,
    #[error("the agent does not read")]
    Stalled,
    /// What has come is not to be borne.
    #[error(transparent)]
    Closed(Close),
    /// It is no longer wanted.
    #[error("removed")]
    Removed,
}

/// What there is of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, and nothing is wanted.
    Idle,
    /// Nothing until then.
    Waiting {
        until: Nanos,
    },
    Connecting {
        until: Nanos,
    },
    /// A connection; `heard` is the time of the last valid message, or of the connect.
    Connected {
        heard: Nanos,
        proven: bool,
    },
}

impl Peer {
    /// When [`Event::Tick`] is due.
    pub(super) fn due(&self) -> Option<Nanos> {
        let phase = match self.phase {
            Phase::Idle => None,
            Phase::Waiting { until } | Phase::Connecting { until } => Some(until),
            Phase::Connected { heard, .. } => self.silence(heard),
        };
        phase.into_iter().chain(self.bind_ids.deadline()).min()
    }

    /// When a connection that was last heard of at `heard` is taken for dead.
    fn silence(&self, heard: Nanos) -> Option<Nanos> {
        let timeout = Duration::from_secs(self.config.timeout.into());
        (!timeout.is_zero()).then(|| heard.after(timeout).after(GRACE))
    }

    /// Takes an event; what is to be done about it. An event that cannot happen now is ignored.
    pub(super) fn decide(&mut self, event: Event, now: Nanos) -> Vec<Action> {
        match event {
            Event::Entered(config) => self.enter(config, now),
            Event::BindIds(wanted) => self.bind_ids.want(wanted),
            Event::Connected => self.connected(now),
            Event::ConnectFailed => self.connect_failed(now),
            Event::Received(received) => self.receive(received, now),
            Event::Ended => self.lose(Loss::Ended, now),
            Event::Stalled => self.lose(Loss::Stalled, now),
            Event::ServerState(loads) => {
                if self.is_connected() {
                    self.send(Message::ServerState(loads));
                }
            }
            Event::Tick => self.tick(now),
            Event::Removed => self.remove(),
        }
        if self.bind_ids.ask(now) {
            self.send(Message::BindIdRequest);
        }
        std::mem::take(&mut self.actions)
    }

    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.config.interval.max(1).into())
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn send(&mut self, message: Message) {
        self.act(Action::Send(message));
    }

    fn go(&mut self, to: ConnectionState) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.act(Action::State { from, to });
        }
    }

    fn enter(&mut self, config: DfpAgent, now: Nanos) {
        let old = std::mem::replace(&mut self.config, config);
        match self.phase {
            Phase::Idle => {
                self.attempts = 0;
                self.connect(now);
            }
            // A shorter interval counts from now, a longer one from the next failure on.
            Phase::Waiting { until } => {
                self.phase = Phase::Waiting { until: until.min(now.after(self.interval())) };
            }
            Phase::Connected { proven, .. } if old.timeout != config.timeout => {
                // The agent has the new time from now on.
                self.phase = Phase::Connected { heard: now, proven };
                self.send_parameters();
            }
            Phase::Connecting { .. } | Phase::Connected { .. } => {}
        }
    }

    fn connect(&mut self, now: Nanos) {
        self.phase = Phase::Connecting { until: now.after(CONNECT) };
        self.go(ConnectionState::Connecting);
        self.act(Action::Connect);
    }

    fn connected(&mut self, now: Nanos) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.phase = Phase::Connected { heard: now, proven: false };
        self.go(ConnectionState::Open);
        self.act(Action::Opened);
        self.send_parameters();
        self.bind_ids.connected();
    }

    fn send_parameters(&mut self) {
        self.send(Message::Parameters { keep_alive: Some(self.config.timeout.into()) });
    }

    fn connect_failed(&mut self, now: Nanos) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.attempts = self.attempts.saturating_add(1);
        if self.config.retries > 0 && self.attempts > self.config.retries.into() {
            self.phase = Phase::Idle;
            self.go(ConnectionState::Failed);
            self.act(Action::GaveUp { attempts: self.attempts });
        } else {
            self.phase = Phase::Waiting { until: now.after(self.interval()) };
            self.go(ConnectionState::Trying);
        }
    }

    fn receive(&mut self, received: Received, now: Nanos) {
        if !self.is_connected() {
            return;
        }
        match received {
            Received::Message(decoded) => {
                self.phase = Phase::Connected { heard: now, proven: true };
                self.attempts = 0;
                self.go(ConnectionState::Open);
                self.process(decoded.message);
            }
            Received::Discarded(DecodeError::Security(_)) => {
                self.go(ConnectionState::SecurityError);
            }
            Received::Discarded(_) => {}
            Received::Closed(close) => self.lose(Loss::Closed(close), now),
        }
    }

    fn process(&mut self, message: Message) {
        match message {
            Message::PreferenceInfo(loads) => {
                // The hello says nothing of weights.
                if loads.iter().any(|load| !load.hosts.is_empty()) {
                    self.act(Action::Weights(loads));
                }
            }
            Message::BindIdReport(table) => self.bind_ids.report(table),
            Message::BindIdChangeNotify => self.bind_ids.due = true,
            // The decoder takes no message of this direction from an agent.
            Message::ServerState(_) | Message::Parameters { .. } | Message::BindIdRequest => {}
        }
    }

    fn lose(&mut self, loss: Loss, now: Nanos) {
        let Phase::Connected { proven, .. } = self.phase else { return };
        let interval = self.interval();
        let rested = self.quick.is_none_or(|last| now.since(last) >= interval);
        let insecure = matches!(loss, Loss::Closed(Close::Security(_)));
        // The first connection after a start may meet an agent that still holds the one of before.
        let first = self.quick.is_none();
        let wait = if (proven || first) && rested && !insecure {
            self.quick = Some(now);
            self.jitter
        } else {
            interval
        };
        self.phase = Phase::Waiting { until: now.after(wait) };
        self.drop_connection(loss);
        let framing = matches!(loss, Loss::Closed(close) if close.is_framing());
        self.go(if framing { ConnectionState::Failed } else { ConnectionState::Trying });
    }

    fn drop_connection(&mut self, loss: Loss) {
        self.bind_ids.disconnected();
        self.act(Action::Close);
        self.act(Action::WeightsLost);
        self.act(Action::Lost(loss));
    }

    fn tick(&mut self, now: Nanos) {
        match self.phase {
            Phase::Waiting { until } if until <= now => self.connect(now),
            Phase::Connecting { until } if until <= now => {
                self.act(Action::Close);
                self.connect_failed(now);
            }
            Phase::Connected { heard, .. } if self.silence(heard).is_some_and(|end| end <= now) => {
                self.lose(Loss::Silent, now);
            }
            _ => {}
        }
    }

    fn remove(&mut self) {
        match self.phase {
            Phase::Connecting { .. } => self.act(Action::Close),
            Phase::Connected { .. } => self.drop_connection(Loss::Removed),
            Phase::Idle | Phase::Waiting { .. } => {}
        }
        self.phase = Phase::Idle;
        self.attempts = 0;
        self.go(ConnectionState::NotOpen);
    }
}

#[cfg(test)]
mod tests;
