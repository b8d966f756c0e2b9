//! What goes wrong on a connection, counted.

/// What a counter is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// "Unexpected errors".
    Errors,
    /// These, and "Security errors".
    Security,
    /// Neither: it is accepted and only noted.
    Nothing,
}

/// One line a counter, in the order of their display: name, sum, and the words of the display and of metrics.
macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident: $sum:ident, $words:literal;)+) => {
        /// Something unexpected from a peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[$meta])* $name,)+
        }

        impl Counter {
            /// Every counter, in the order of their display.
            pub const ALL: [Self; [$($words),+].len()] = [$(Self::$name),+];

            fn facts(self) -> (Sum, &'static str) {
                match self {
                    $(Self::$name => (Sum::$sum, $words),)+
                }
            }
        }
    };
}

counters! {
    /// A message with a sound boundary and broken contents, discarded.
    Malformed: Errors, "malformed";
    /// A version other than 1; the connection was closed.
    BadVersion: Errors, "bad version";
    /// A Message Length out of range, or a connection that ended inside a message; it was closed.
    BadLength: Errors, "bad length";
    /// A message type that is not defined, discarded.
    UnknownType: Errors, "unknown type";
    /// A message, such as a report to an agent, that its receiver never takes, discarded.
    WrongDirection: Errors, "wrong direction";
    /// A BindID Report that nobody has asked for, discarded.
    Unsolicited: Errors, "unsolicited";
    /// A password is set and the message does not begin with a Security TLV.
    SecurityMissing: Security, "security missing";
    /// A Security TLV that is not MD5.
    SecurityAlgorithm: Security, "security algorithm";
    /// A digest that no acceptable password makes.
    SecurityMismatch: Security, "security mismatch";
    /// Connections closed since messages came too fast.
    RateClose: Errors, "rate closes";
    /// Connections closed since a message took too long to arrive.
    SlowClose: Errors, "slow closes";
    /// Connections closed since the peer did not read what was sent to it.
    StalledClose: Errors, "stalled closes";
    /// Connections refused since there were enough.
    Refused: Errors, "refused connections";
    /// Connections closed to make room for a newer one.
    Evicted: Errors, "evicted connections";
    /// Rows or entries that no table had room for.
    TableOverflow: Errors, "table overflow";
    /// Messages with reserved or Flags bytes set, accepted.
    ReservedSet: Nothing, "reserved set";
    /// Messages with a Key ID other than 0, accepted.
    KeyId: Nothing, "key ID set";
    /// TLVs of unknown type, or with no meaning in their message, skipped.
    SkippedTlv: Nothing, "skipped TLVs";
}

impl Counter {
    /// The words of the display.
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// In JSON and in metrics: `bad_version`.
    pub fn key(self) -> String {
        self.name().replace(' ', "_").to_ascii_lowercase()
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

    /// Those that are not 0.
    pub fn counted(&self) -> impl Iterator<Item = (Counter, u64)> {
        let all = Counter::ALL.into_iter().map(|counter| (counter, self.get(counter)));
        all.filter(|(_, count)| *count > 0)
    }

    /// "Unexpected errors": the sum of all that are errors.
    pub fn errors(&self) -> u64 {
        self.sum(|sum| sum != Sum::Nothing)
    }

    /// "Security errors".
    pub fn security_errors(&self) -> u64 {
        self.sum(|sum| sum == Sum::Security)
    }

    /// Adds those of a connection that has ended, say.
    pub fn merge(&mut self, other: &Self) {
        other.counted().for_each(|(counter, count)| self.add(counter, count));
    }

    fn sum(&self, wanted: impl Fn(Sum) -> bool) -> u64 {
        let counted = self.counted().filter(|(counter, _)| wanted(counter.facts().0));
        counted.fold(0, |sum, (_, count)| sum.saturating_add(count))
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
