//! What goes wrong on a connection, counted.

/// Something unexpected from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Counter {
    /// A message with a sound boundary and broken contents, discarded.
    Malformed,
    /// A version other than 1; the connection was closed.
    BadVersion,
    /// A Message Length out of range, or a connection that ended inside a message; it was closed.
    BadLength,
    /// A message type that is not defined, discarded.
    UnknownType,
    /// A message, such as a report to an agent, that its receiver never takes, discarded.
    WrongDirection,
    /// A BindID Report that nobody has asked for, discarded.
    Unsolicited,
    /// A password is set and the message does not begin with a Security TLV.
    SecurityMissing,
    /// A Security TLV that is not MD5.
    SecurityAlgorithm,
    /// A digest that no acceptable password makes.
    SecurityMismatch,
    /// Connections closed since messages came too fast.
    RateClose,
    /// Connections closed since a message took too long to arrive.
    SlowClose,
    /// Connections closed since the peer did not read what was sent to it.
    StalledClose,
    /// Connections refused since there were enough.
    Refused,
    /// Connections closed to make room for a newer one.
    Evicted,
    /// Rows or entries that no table had room for.
    TableOverflow,
    /// Messages with reserved or Flags bytes set, accepted.
    ReservedSet,
    /// Messages with a Key ID other than 0, accepted.
    KeyId,
    /// TLVs of unknown type, or with no meaning in their message, skipped.
    SkippedTlv,
}

impl Counter {
    /// Every counter, in the order of their display.
    pub const ALL: [Self; 18] = [
        Self::Malformed,
        Self::BadVersion,
        Self::BadLength,
        Self::UnknownType,
        Self::WrongDirection,
        Self::Unsolicited,
        Self::SecurityMissing,
        Self::SecurityAlgorithm,
        Self::SecurityMismatch,
        Self::RateClose,
        Self::SlowClose,
        Self::StalledClose,
        Self::Refused,
        Self::Evicted,
        Self::TableOverflow,
        Self::ReservedSet,
        Self::KeyId,
        Self::SkippedTlv,
    ];

    /// False for what is accepted and only noted: not part of "Unexpected errors".
    pub fn is_error(self) -> bool {
        !matches!(self, Self::ReservedSet | Self::KeyId | Self::SkippedTlv)
    }

    /// True for the three security errors.
    pub fn is_security(self) -> bool {
        matches!(self, Self::SecurityMissing | Self::SecurityAlgorithm | Self::SecurityMismatch)
    }

    /// The words of the display and of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadVersion => "bad version",
            Self::BadLength => "bad length",
            Self::UnknownType => "unknown type",
            Self::WrongDirection => "wrong direction",
            Self::Unsolicited => "unsolicited",
            Self::SecurityMissing => "security missing",
            Self::SecurityAlgorithm => "security algorithm",
            Self::SecurityMismatch => "security mismatch",
            Self::RateClose => "rate closes",
            Self::SlowClose => "slow closes",
            Self::StalledClose => "stalled closes",
            Self::Refused => "refused connections",
            Self::Evicted => "evicted connections",
            Self::TableOverflow => "table overflow",
            Self::ReservedSet => "reserved set",
            Self::KeyId => "key ID set",
            Self::SkippedTlv => "skipped TLVs",
        }
    }
}

/// One number for each [`Counter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&mut self, counter: Counter, count: u64) {
        let slot = &mut self.0[counter as usize];
        *slot = slot.saturating_add(count);
    }

    /// The present number.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// "Unexpected errors": the sum of all that are errors.
    pub fn errors(&self) -> u64 {
        self.sum(Counter::is_error)
    }

    /// "Security errors".
    pub fn security_errors(&self) -> u64 {
        self.sum(Counter::is_security)
    }

    /// Adds those of a connection that has ended, say.
    pub fn merge(&mut self, other: &Self) {
        for counter in Counter::ALL {
            self.add(counter, other.get(counter));
        }
    }

    fn sum(&self, wanted: impl Fn(Counter) -> bool) -> u64 {
        Counter::ALL
            .into_iter()
            .filter(|counter| wanted(*counter))
            .fold(0, |sum, counter| sum.saturating_add(self.get(counter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_place_and_words() {
        let mut counters = Counters::default();
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
            counters.add(counter, 1 << place);
        }
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counters.get(counter), 1 << place);
        }
        let mut names: Vec<_> = Counter::ALL.map(Counter::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len());
    }

    #[test]
    fn what_is_only_noted_is_no_error() {
        let mut counters = Counters::default();
        for counter in Counter::ALL {
            counters.count(counter);
        }
        assert_eq!((counters.errors(), counters.security_errors()), (15, 3));
        let mut sum = counters;
        sum.merge(&counters);
        assert_eq!(sum.errors(), 30);
    }
}
