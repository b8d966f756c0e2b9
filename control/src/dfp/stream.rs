//! Messages out of a TCP stream, however it was cut (draft-eck-dfp-01, 4.1; nothing in it lets a reader find the next
//! boundary again, so a bad header ends the connection).

use std::time::Duration;

use common::time::Nanos;

use super::packet::{FramingError, Header, Role};

/// The longest time from the first to the last byte of a message.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Puts messages together; holds at most one, and at most 8 bytes of it before its length is known to be sound.
#[derive(Clone, Debug)]
pub struct Stream {
    role: Role,
    /// The message so far; the whole one after `next` has returned it.
    buffer: Vec<u8>,
    /// Of the message that is arriving; none: between messages.
    deadline: Option<Nanos>,
    failed: Option<FramingError>,
}

impl Stream {
    /// The stream that `role` reads, from its beginning.
    pub fn new(role: Role) -> Self {
        Self { role, buffer: Vec::with_capacity(Header::SIZE), deadline: None, failed: None }
    }

    /// Takes bytes off the front of `input`, up to the end of one message, and returns that if it is whole.
    ///
    /// Call it until it returns None, which leaves `input` empty. After an error it returns that error always.
    pub fn next(&mut self, input: &mut &[u8], now: Nanos) -> Result<Option<&[u8]>, FramingError> {
        self.expire(now)?;
        match self.take(input, now) {
            Ok(whole) => Ok(whole.then_some(&self.buffer)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// When [`Stream::expire`] must be called: an incomplete message is waited for.
    pub fn deadline(&self) -> Option<Nanos> {
        self.deadline
    }

    /// Fails if the deadline has come. More bytes do not move it.
    pub fn expire(&mut self, now: Nanos) -> Result<(), FramingError> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(FramingError::Slow);
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// The peer has sent its last byte; fails if that was inside a message.
    pub fn finish(&mut self) -> Result<(), FramingError> {
        if self.deadline.is_some() {
            self.fail(FramingError::Truncated);
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Bytes of memory it holds.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    fn take(&mut self, input: &mut &[u8], now: Nanos) -> Result<bool, FramingError> {
        if self.deadline.is_none() {
            self.buffer.clear();
            self.buffer.shrink_to(Header::LONG);
            if input.is_empty() {
                return Ok(false);
            }
            self.deadline = Some(now.after(PATIENCE));
        }
        if self.buffer.len() < Header::SIZE {
            self.fill(input, Header::SIZE);
            // The first byte tells other protocols apart, which may wait for an answer after fewer than 8.
            if self.buffer.first().is_some_and(|version| *version != Header::VERSION) {
                return Err(FramingError::Version(self.buffer[0]));
            }
        }
        let Some(header) = self.buffer.first_chunk() else { return Ok(false) };
        let length = Header::read(header, self.role)?.length;
        self.fill(input, length);
        let whole = self.buffer.len() == length;
        if whole {
            self.deadline = None;
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

    fn fail(&mut self, error: FramingError) -> FramingError {
        (self.failed, self.deadline, self.buffer) = (Some(error), None, Vec::new());
        error
    }
}

#[cfg(test)]
mod tests;
