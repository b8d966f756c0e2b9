//! The receiving half of a connection: framing, rate, security and decoding in their order, and how much of what is
//! bad a peer may send. Decisions only: bytes and time come in, messages and reasons come out.

mod patience;

pub use patience::Strikes;

use common::{time::Nanos, token_bucket::TokenBucket};

use super::{
    counter::{Counter, Counters},
    packet::{Class, DecodeError, Decoded, FramingError, Message, MessageType, Role, SecurityError},
    security::Keyring,
    stream::Stream,
};

/// Messages a second that a peer may send, and at once.
const RATE: u32 = 20;
const BURST: u32 = 60;

/// Security errors in a row that close a connection.
pub const MAX_SECURITY_ERRORS: u8 = 5;

/// BindID entries that a manager takes as the answer to one request; a report without entries counts as one.
pub const MAX_BIND_ENTRIES: usize = 65_536;

/// What became of bytes from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message that counts; also as a sign of life.
    Message(Decoded),
    /// A message was discarded and counted; nothing else happens.
    Discarded(DecodeError),
    /// The connection must be closed, for good. What went wrong is counted.
    Closed(Close),
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Close {
    /// The stream cannot be followed.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// More messages than 20 a second.
    #[error("too many messages")]
    Rate,
    /// The tenth malformed message within a minute.
    #[error("too many malformed messages: {0}")]
    Malformed(DecodeError),
    /// The fifth security error in a row.
    #[error("too many security errors: {0}")]
    Security(SecurityError),
    /// More BindID entries than [`MAX_BIND_ENTRIES`].
    #[error("too many BindID entries")]
    BindEntries,
}

impl Close {
    /// True for all but security errors: a manager shows the agent as failed until its next attempt.
    pub fn is_framing(self) -> bool {
        !matches!(self, Self::Security(_))
    }

    fn counter(self) -> Counter {
        match self {
            Self::Framing(error) => error.counter(),
            Self::Rate => Counter::RateClose,
            Self::Malformed(error) => error.counter(),
            Self::Security(error) => DecodeError::Security(error).counter(),
            Self::BindEntries => Counter::TableOverflow,
        }
    }
}

/// One connection's receiving half, at one end.
#[derive(Clone, Debug)]
pub struct Inbound {
    role: Role,
    stream: Stream,
    bucket: TokenBucket,
    malformed: Strikes,
    /// Security errors since the last message that passed.
    insecure: u8,
    /// BindID entries still taken; none if no answer is awaited.
    awaited: Option<usize>,
    closed: bool,
    counters: Counters,
}

impl Inbound {
    /// A connection that has just opened, at the end that is `role`.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            stream: Stream::new(role),
            bucket: TokenBucket::new(RATE, BURST),
            malformed: Strikes::default(),
            insecure: 0,
            awaited: None,
            closed: false,
            counters: Counters::default(),
        }
    }

    /// Takes bytes off the front of `input`, up to the end of one message, and says what became of it.
    ///
    /// Call it until it returns None, which leaves `input` empty. After [`Received::Closed`] it returns None only.
    pub fn next(&mut self, input: &mut &[u8], keys: &Keyring, now: Nanos) -> Option<Received> {
        if self.closed {
            *input = &[];
            return None;
        }
        let bytes = match self.stream.next(input, now) {
            Ok(bytes) => bytes?,
            Err(error) => return Some(self.close(error.into())),
        };
        let kind = MessageType(u16::from_be_bytes([bytes[2], bytes[3]]));
        let answer = kind == MessageType::BIND_ID_REPORT && self.awaited.is_some();
        if !answer && !self.bucket.take(now) {
            return Some(self.close(Close::Rate));
        }
        let decoded = Message::decode(bytes, self.role, keys, now);
        if !matches!(decoded, Err(DecodeError::Security(_))) {
            self.insecure = 0;
        }
        Some(match decoded {
            Ok(decoded) => self.accept(decoded, answer, now),
            Err(error) => self.discard(error, now),
        })
    }

    /// When [`Inbound::expire`] must be called.
    pub fn deadline(&self) -> Option<Nanos> {
        self.stream.deadline()
    }

    /// Closes the connection if a message has been arriving for too long.
    pub fn expire(&mut self, now: Nanos) -> Option<Close> {
        let result = self.stream.expire(now);
        self.close_once(result)
    }

    /// The peer has sent its last byte: the reason if that is an error, none if it is an orderly end.
    pub fn finish(&mut self) -> Option<Close> {
        let result = self.stream.finish();
        self.close_once(result)
    }

    /// A BindID Request goes out: its answer is awaited, up to the end marker.
    pub fn await_bind_tables(&mut self) {
        self.awaited = Some(MAX_BIND_ENTRIES);
    }

    /// What has gone wrong so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts what only the state machine can tell, such as a table overflow.
    pub fn count(&mut self, counter: Counter) {
        self.counters.count(counter);
    }

    fn accept(&mut self, decoded: Decoded, answer: bool, now: Nanos) -> Received {
        self.counters.add(Counter::SkippedTlv, decoded.notes.skipped.into());
        if decoded.notes.reserved {
            self.counters.count(Counter::ReservedSet);
        }
        if decoded.notes.key_id.is_some() {
            self.counters.count(Counter::KeyId);
        }
        let spent = match &decoded.message {
            Message::BindIdReport(_) if self.awaited.is_none() => {
                return self.discard(DecodeError::Unsolicited, now);
            }
            Message::BindIdReport(table) if table.is_end() => {
                self.awaited = None;
                0
            }
            Message::BindIdReport(table) => table.entries.len().max(1),
            // Passed the bucket as an answer does, under the type that the drafts print for both.
            Message::BindIdChangeNotify if answer => 1,
            _ => 0,
        };
        if let Some(left) = &mut self.awaited {
            match left.checked_sub(spent) {
                Some(rest) => *left = rest,
                None => return self.close(Close::BindEntries),
            }
        }
        Received::Message(decoded)
    }

    fn discard(&mut self, error: DecodeError, now: Nanos) -> Received {
        match (error.class(), error) {
            (Class::Security, DecodeError::Security(reason)) => {
                self.insecure += 1;
                if self.insecure >= MAX_SECURITY_ERRORS {
                    return self.close(Close::Security(reason));
                }
            }
            (Class::Message, _) if self.malformed.strike(now) => return self.close(Close::Malformed(error)),
            _ => {}
        }
        self.counters.count(error.counter());
        Received::Discarded(error)
    }

    fn close(&mut self, close: Close) -> Received {
        self.closed = true;
        self.counters.count(close.counter());
        Received::Closed(close)
    }

    fn close_once(&mut self, result: Result<(), FramingError>) -> Option<Close> {
        let close = result.err().filter(|_| !self.closed)?.into();
        self.close(close);
        Some(close)
    }
}

#[cfg(test)]
mod tests;
