//! The home agent's equation for a home agent that is asked by a command: what it prints, and what the home agent can
//! hold and take.

use crate::{
    bus::HomeAgent,
    dfp::host_load::{calls::CallMeter, weight::DEFAULT_MAX_WEIGHT},
};

/// Bindings that a home agent can hold unless it is said, as in `ip mobile home-agent max-binding`.
pub const DEFAULT_MAX_BINDINGS: u32 = 235_000;

/// What a home agent can hold and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bindings, at least 1 (`max-binding`).
    pub max_bindings: u32,
    /// Calls per second, at least 1 (`max-cps`); none: they do not count.
    pub max_calls: Option<u32>,
    /// The weight of an idle home agent (`dfp-max-weight`).
    pub max_weight: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bindings: DEFAULT_MAX_BINDINGS, max_calls: None, max_weight: DEFAULT_MAX_WEIGHT }
    }
}

/// What a command said of a home agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Bindings that it holds.
    pub bindings: u64,
    /// Registrations that it has accepted since its start; none: calls per second do not count.
    pub registrations: Option<u64>,
}

/// What a command printed says nothing of a home agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseReadingError {
    /// No number at the start.
    #[error("expected the number of bindings as the first word")]
    Bindings,
    /// No number behind it.
    #[error("expected the total of registrations as the second word, for the calls per second")]
    Registrations,
}

impl Limits {
    /// What a command printed: the bindings, and if calls per second count the running total of registrations.
    ///
    /// # Errors
    /// One of them is no number.
    pub fn read(&self, output: &[u8]) -> Result<Reading, ParseReadingError> {
        let text = String::from_utf8_lossy(output);
        let mut words = text.split_whitespace();
        let mut number = || {
            let word = words.next()?;
            word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
        };
        let bindings = number().ok_or(ParseReadingError::Bindings)?;
        let registrations = match self.max_calls {
            Some(_) => Some(number().ok_or(ParseReadingError::Registrations)?),
            None => None,
        };
        Ok(Reading { bindings, registrations })
    }

    /// A home agent with these limits.
    pub fn home_agent(&self, reading: Reading, meter: &CallMeter) -> HomeAgent {
        HomeAgent {
            bindings: reading.bindings,
            max_bindings: self.max_bindings.into(),
            calls: self.max_calls.and_then(|possible| meter.usage(possible)),
            max_weight: self.max_weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use common::time::Nanos;

    use super::*;
    use crate::dfp::host_load::{HostLoad, PerMille, weight::weight};

    const CALLS: Limits = Limits { max_bindings: 2000, max_calls: Some(10), max_weight: 25 };
    const BINDINGS: Limits = Limits { max_calls: None, ..CALLS };

    #[test]
    fn a_command_prints_bindings_and_then_registrations() {
        let reading = |bindings, registrations| Ok(Reading { bindings, registrations });
        assert_eq!(BINDINGS.read(b"50\n"), reading(50, None));
        assert_eq!(BINDINGS.read(b" 50 bindings\n"), reading(50, None));
        assert_eq!(CALLS.read(b"50\n1234567890123\n"), reading(50, Some(1_234_567_890_123)));
        for bad in [&b""[..], b"\n", b"-1", b"+1", b"5k", b"Total 50", b"18446744073709551616", b"\xff5"] {
            assert_eq!(BINDINGS.read(bad), Err(ParseReadingError::Bindings), "{bad:?}");
        }
        for bad in [&b"50"[..], b"50 bindings", b"50 -3"] {
            assert_eq!(CALLS.read(bad), Err(ParseReadingError::Registrations), "{bad:?}");
        }
    }

    #[test]
    fn bindings_calls_and_host_load_meet_in_the_equation() {
        let idle = Some(HostLoad { cpu: PerMille::ALL, memory: PerMille::ALL });
        let busy = Some(HostLoad { cpu: PerMille::NONE, memory: PerMille::ALL });
        let weight = |limits: Limits, bindings, meter: &CallMeter, host| {
            weight(&limits.home_agent(Reading { bindings, registrations: None }, meter), host)
        };
        let mut meter = CallMeter::default();
        meter.read(Nanos(0), 0);
        assert_eq!(weight(CALLS, 0, &meter, idle), 25, "one reading gives no calls per second");
        meter.read(Nanos(10_000_000_000), 50);
        assert_eq!((weight(BINDINGS, 0, &meter, idle), weight(BINDINGS, 50, &meter, idle)), (25, 24));
        assert_eq!((weight(BINDINGS, 1000, &meter, idle), weight(BINDINGS, 1000, &meter, busy)), (12, 6));
        assert_eq!((weight(CALLS, 0, &meter, idle), weight(CALLS, 1000, &meter, busy)), (12, 3));
        assert_eq!(weight(CALLS, 1000, &meter, None), 25, "before the first measurement");
        assert_eq!(weight(BINDINGS, 3000, &meter, idle), 0);
    }
}
