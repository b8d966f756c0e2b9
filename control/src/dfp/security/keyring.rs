//! The passwords of one agent subsystem or of the manager, through their change-over.

use std::time::Duration;

use common::time::Nanos;

use super::{AFTER, Envelope, Key, SecurityError};
use crate::{dfp::password::DfpPassword, protocol::Witness};

/// How a message that was accepted was secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// No password is set: a Security TLV, if there is one, was ignored.
    NoPassword,
    /// A first password is pending and the message has no Security TLV yet.
    Unsecured,
    /// By the password in use.
    Current,
    /// By the password that comes into use at the deadline.
    Pending,
}

impl Proof {
    /// True if a digest was checked and right.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Current | Self::Pending)
    }
}

/// The password in use and, during a change-over, the next one. Until the deadline messages are sent with the old
/// one (without a Security TLV if there was none) and accepted with either.
///
/// Every question takes the time, so that the answer is right before anybody has called [`Keyring::advance`].
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    current: Option<Key>,
    pending: Option<(Key, Nanos)>,
    witness: Witness,
}

impl Keyring {
    /// The password, or none, of a start: at once in use, since a change-over at each start would leave a time
    /// without security.
    pub fn new(current: Option<Key>) -> Self {
        Self { current, pending: None, witness: Witness::default() }
    }

    /// What keys say of messages is kept by a recording, and comes from there in a replay.
    pub(in crate::dfp) fn observe_through(&mut self, witness: &Witness) {
        self.witness = witness.clone();
        let keys = self.current.iter_mut().chain(self.pending.iter_mut().map(|(key, _)| key));
        keys.for_each(|key| key.witness = witness.clone());
    }

    /// `password P TIMEOUT` at run time: `key` is used after `timeout`, at once if that is zero. It replaces a change
    /// that is under way; the password in use again cancels one.
    pub fn change(&mut self, key: Key, timeout: Duration, now: Nanos) {
        self.advance(now);
        let key = Key { witness: self.witness.clone(), ..key };
        if self.current.as_ref() == Some(&key) {
            self.pending = None;
        } else if timeout.is_zero() {
            (self.current, self.pending) = (Some(key), None);
        } else {
            self.pending = Some((key, now.after(timeout)));
        }
    }

    /// Another password is configured, or none, which counts at once. So does one that nobody has heard the former of.
    pub(in crate::dfp) fn configure(&mut self, password: Option<&DfpPassword>, heard: bool, now: Nanos) {
        if let Some(password) = password {
            let timeout = if heard { password.timeout.into() } else { 0 };
            self.change(Key::new(&password.secret), Duration::from_secs(timeout), now);
        } else {
            (self.current, self.pending) = (None, None);
        }
    }

    /// Ends a change-over whose deadline has come; true if it did.
    pub fn advance(&mut self, now: Nanos) -> bool {
        match self.pending.take_if(|(_, deadline)| *deadline <= now) {
            Some((key, _)) => {
                self.current = Some(key);
                true
            }
            None => false,
        }
    }

    /// When the change-over ends, if one is under way.
    pub fn deadline(&self) -> Option<Nanos> {
        self.pending.as_ref().map(|(_, deadline)| *deadline)
    }

    /// Rest of the change-over; zero if there is none.
    pub fn remaining(&self, now: Nanos) -> Duration {
        self.deadline().map_or(Duration::ZERO, |deadline| deadline.since(now))
    }

    /// True if a password waits for the deadline.
    pub fn has_pending(&self, now: Nanos) -> bool {
        self.at(now).1.is_some()
    }

    /// The key to send with; none: without Security TLV.
    pub fn sending(&self, now: Nanos) -> Option<&Key> {
        self.at(now).0
    }

    /// Checks the first TLV of a whole message. Every acceptable key is tried, whatever the Key ID.
    pub fn check(&self, message: &[u8], now: Nanos) -> Result<Proof, SecurityError> {
        let (current, pending) = self.at(now);
        if current.is_none() && pending.is_none() {
            return Ok(Proof::NoPassword);
        }
        match Envelope::of(message) {
            Envelope::Bare if current.is_none() => Ok(Proof::Unsecured),
            Envelope::Bare => Err(SecurityError::Missing),
            Envelope::Unknown if message.len() < AFTER && current.is_some() => Err(SecurityError::Missing),
            Envelope::Unknown => Err(SecurityError::Algorithm),
            Envelope::Md5 => {
                // Both are tried always: the time does not tell which one fits.
                let by = |key: Option<&Key>| key.is_some_and(|key| key.verifies(message));
                match (by(current), by(pending)) {
                    (true, _) => Ok(Proof::Current),
                    (false, true) => Ok(Proof::Pending),
                    (false, false) => Err(SecurityError::Mismatch),
                }
            }
        }
    }

    /// The keys in use and pending at `now`.
    fn at(&self, now: Nanos) -> (Option<&Key>, Option<&Key>) {
        match &self.pending {
            Some((key, deadline)) if *deadline <= now => (Some(key), None),
            Some((key, _)) => (self.current.as_ref(), Some(key)),
            None => (self.current.as_ref(), None),
        }
    }
}
