//! Messages out of a TCP stream, however it was cut (draft-eck-dfp-01, 4.1; nothing in it lets a reader find the next
//! boundary again, so a bad header ends the connection).

use std::time::Duration;

use common::time::Nanos;

use super::packet::{Header, HeaderError, Role};

/// The longest time from the first to the last byte of a message.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The stream cannot be followed any longer; its connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// No message begins like this.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A message took longer than [`PATIENCE`] to arrive.
    #[error("message incomplete after 10 seconds")]
    Slow,
    /// The connection ended inside a message.
    #[error("connection ended inside a message")]
    Truncated,
}

/// Puts messages together; holds at most one, and at most 8 bytes of it before its length is known to be sound.
#[derive(Clone, Debug)]
pub struct Stream {
    role: Role,
    /// The message so far; the whole one after `next` has returned it.
    buffer: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between messages; the buffer may hold the last one.
    Idle,
    /// Reading the header.
    Head { deadline: Nanos },
    /// Reading up to `length` bytes.
    Body { length: usize, deadline: Nanos },
    /// Ended by an error.
    Failed(StreamError),
}

impl Stream {
    /// The stream that `role` reads, from its beginning.
    pub fn new(role: Role) -> Self {
        Self { role, buffer: Vec::with_capacity(Header::SIZE), state: State::Idle }
    }

    /// Takes bytes off the front of `input`, up to the end of one message, and returns that if it is whole.
    ///
    /// Call it until it returns None, which leaves `input` empty. After an error it returns that error always.
    pub fn next(&mut self, input: &mut &[u8], now: Nanos) -> Result<Option<&[u8]>, StreamError> {
        self.expire(now)?;
        match self.take(input, now) {
            Ok(true) => Ok(Some(&self.buffer)),
            Ok(false) => Ok(None),
            Err(error) => {
                self.fail(error);
                Err(error)
            }
        }
    }

    /// When [`Stream::expire`] must be called: an incomplete message is waited for.
    pub fn deadline(&self) -> Option<Nanos> {
        match self.state {
            State::Head { deadline } | State::Body { deadline, .. } => Some(deadline),
            State::Idle | State::Failed(_) => None,
        }
    }

    /// Fails if the deadline has come. More bytes do not move it.
    pub fn expire(&mut self, now: Nanos) -> Result<(), StreamError> {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.fail(StreamError::Slow);
        }
        match self.state {
            State::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The peer has sent its last byte; fails if that was inside a message.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        match self.state {
            State::Idle => Ok(()),
            State::Head { .. } | State::Body { .. } => {
                self.fail(StreamError::Truncated);
                Err(StreamError::Truncated)
            }
            State::Failed(error) => Err(error),
        }
    }

    /// Bytes of memory it holds.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    fn take(&mut self, input: &mut &[u8], now: Nanos) -> Result<bool, StreamError> {
        if self.state == State::Idle {
            self.buffer.clear();
            self.buffer.shrink_to(Header::LONG);
            if input.is_empty() {
                return Ok(false);
            }
            self.state = State::Head { deadline: now.after(PATIENCE) };
        }
        if let State::Head { deadline } = self.state {
            self.fill(input, Header::SIZE);
            // The first byte tells other protocols apart, which may wait for an answer after fewer than 8.
            if self.buffer.first().is_some_and(|version| *version != Header::VERSION) {
                return Err(HeaderError::Version(self.buffer[0]).into());
            }
            let Some(header) = self.buffer.first_chunk() else { return Ok(false) };
            let length = Header::read(header, self.role)?.length;
            self.state = State::Body { length, deadline };
        }
        let State::Body { length, .. } = self.state else { return Ok(false) };
        self.fill(input, length);
        let whole = self.buffer.len() == length;
        if whole {
            self.state = State::Idle;
        }
        Ok(whole)
    }

    /// Moves bytes to the buffer until that holds `length`. Memory grows with the bytes, not with what a header says.
    fn fill(&mut self, input: &mut &[u8], length: usize) {
        let have = self.buffer.len();
        let (taken, rest) = input.split_at((length - have).min(input.len()));
        let need = have + taken.len();
        if need > self.buffer.capacity() {
            self.buffer.reserve_exact(need.max(2 * have).min(length) - have);
        }
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }

    fn fail(&mut self, error: StreamError) {
        self.state = State::Failed(error);
        self.buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
