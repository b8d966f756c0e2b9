//! Where the weight of a host comes from that runs no subsystem of ours: a number, its idle CPU and memory, these with
//! the bindings of its home agent, or a command that knows better. Decisions here; `shell` runs the command.

use std::str::FromStr;

use super::bindings::Limits;
use crate::{
    bus::HomeAgent,
    dfp::host_load::{
        HostLoad,
        weight::{DEFAULT_MAX_WEIGHT, weight},
    },
};

/// Failures in a row after which the last weight no longer counts.
pub const MOST_FAILURES: u32 = 3;

/// What gives the weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Always this one.
    Static(u16),
    /// By what is left of CPU and memory.
    Cpu {
        /// The weight while all is left.
        max_weight: u16,
    },
    /// By the home agent's equation.
    Bindings {
        /// A command for `/bin/sh`, which prints how many bindings there are.
        command: String,
        /// What the home agent can hold and take.
        limits: Limits,
    },
    /// A command for `/bin/sh`, which prints the weight.
    Exec(String),
}

/// The words name no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSourceError {
    /// Another first word, or words too many or too few.
    #[error("expected `static N`, `cpu [MAX]`, `bindings COMMAND` or `exec COMMAND`")]
    Words,
    /// No weight.
    #[error("a weight is a number from 0 to 65535, not `{0}`")]
    Weight(String),
}

/// What a command printed is no weight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a weight from 0 to 65535 as the first word")]
pub struct ParseWeightError;

impl Source {
    /// The source that `words` name: `static N`, `cpu [MAX]`, `bindings COMMAND` (with the usual limits),
    /// `exec COMMAND`.
    ///
    /// # Errors
    /// They name none.
    pub fn parse(words: &[String]) -> Result<Self, ParseSourceError> {
        let number = |text: &String| u16::from_str(text).map_err(|_| ParseSourceError::Weight(text.clone()));
        match words {
            [word, weight] if word == "static" => Ok(Self::Static(number(weight)?)),
            [word] if word == "cpu" => Ok(Self::Cpu { max_weight: DEFAULT_MAX_WEIGHT }),
            [word, most] if word == "cpu" => Ok(Self::Cpu { max_weight: number(most)? }),
            [word, command] if word == "bindings" && !command.trim().is_empty() => {
                Ok(Self::Bindings { command: command.clone(), limits: Limits::default() })
            }
            [word, command] if word == "exec" && !command.trim().is_empty() => {
                Ok(Self::Exec(command.clone()))
            }
            _ => Err(ParseSourceError::Words),
        }
    }
}

/// The weight of a host by the equation of the home agent without bindings: half of it for CPU, half for memory. Before
/// it is measured, which takes two samples, it is all of it.
pub fn weight_of(host: Option<HostLoad>, max_weight: u16) -> u16 {
    weight(&HomeAgent { bindings: 0, max_bindings: 1, calls: None, max_weight }, host)
}

/// The weight that a command printed: its first word.
///
/// # Errors
/// It is no number from 0 to 65535.
pub fn parse_weight(output: &[u8]) -> Result<u16, ParseWeightError> {
    let text = String::from_utf8_lossy(output);
    let word = text.split_whitespace().next().ok_or(ParseWeightError)?;
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| word.parse().ok()).flatten().ok_or(ParseWeightError)
}

/// The last good weight, for as long as it counts: a host of which nothing is known any more is not active, so that
/// managers go back to its static weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastWeight {
    weight: Option<u16>,
    failures: u32,
}

impl LastWeight {
    /// Takes what the source said, and gives the weight to report; none: not active.
    pub fn take(&mut self, said: Option<u16>) -> Option<u16> {
        if said.is_some() {
            *self = Self { weight: said, failures: 0 };
        } else {
            self.failures = self.failures.saturating_add(1);
            self.weight = self.weight.filter(|_| self.failures < MOST_FAILURES);
        }
        self.weight
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfp::host_load::PerMille;

    fn parse(words: &[&str]) -> Result<Source, ParseSourceError> {
        Source::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn words_name_a_source() {
        assert_eq!(parse(&["static", "0"]), Ok(Source::Static(0)));
        assert_eq!(parse(&["cpu"]), Ok(Source::Cpu { max_weight: 25 }));
        assert_eq!(parse(&["cpu", "100"]), Ok(Source::Cpu { max_weight: 100 }));
        assert_eq!(parse(&["exec", "echo 5"]), Ok(Source::Exec("echo 5".into())));
        let bindings = Source::Bindings { command: "echo 5".into(), limits: Limits::default() };
        assert_eq!(parse(&["bindings", "echo 5"]), Ok(bindings));
        assert_eq!(parse(&["static", "65536"]), Err(ParseSourceError::Weight("65536".into())));
        for words in [
            &["static"][..],
            &["exec"],
            &["exec", " "],
            &["bindings"],
            &["bindings", " "],
            &["exec", "a", "b"],
            &["memory"],
            &[],
        ] {
            assert_eq!(parse(words), Err(ParseSourceError::Words), "{words:?}");
        }
    }

    #[test]
    fn a_command_prints_the_weight_as_its_first_word() {
        for (output, weight) in [("7\n", 7), ("  65535 of 65535\nmore\n", 65535), ("007", 7)] {
            assert_eq!(parse_weight(output.as_bytes()), Ok(weight));
        }
        for bad in [&b""[..], b"\n\n", b"-1", b"+1", b"65536", b"7%", b"\xff7"] {
            assert_eq!(parse_weight(bad), Err(ParseWeightError), "{bad:?}");
        }
    }

    #[test]
    fn cpu_and_memory_are_half_of_the_weight_each() {
        let host =
            |cpu, memory| Some(HostLoad { cpu: PerMille::of(cpu, 16), memory: PerMille::of(memory, 16) });
        assert_eq!(weight_of(host(16, 16), 32), 32);
        assert_eq!(weight_of(host(0, 16), 32), 16);
        assert_eq!(weight_of(host(0, 0), 32), 0);
        assert_eq!(weight_of(None, 32), 32, "before the first measurement");
    }

    #[test]
    fn the_last_weight_counts_for_three_failures() {
        let mut last = LastWeight::default();
        assert_eq!(last.take(None), None, "never known");
        assert_eq!(last.take(Some(9)), Some(9));
        assert_eq!((last.take(None), last.take(None), last.failures()), (Some(9), Some(9), 2));
        assert_eq!(last.take(Some(8)), Some(8));
        assert_eq!((last.take(None), last.take(None), last.take(None)), (Some(8), Some(8), None));
        assert_eq!(last.take(Some(1)), Some(1));
    }
}
