//! Gets the weight from its source, and says what goes wrong with that.

use std::{
    io,
    process::ExitStatus,
    str::{FromStr, SplitWhitespace},
    time::Duration,
};

use common::{call_meter::CallMeter, time::Nanos};

use super::{
    shell,
    source::{Limits, Source},
};
use crate::{
    bus::HomeAgent,
    dfp::host_load::{HostLoad, Sampler, weight::weight},
};

/// Failures in a row after which the last weight no longer counts.
const MOST_FAILURES: u32 = 3;

/// Why a source says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A command cannot be started or waited for, or the host not be measured.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A command ran too long and was killed.
    #[error("killed after {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// It ended with another status than 0.
    #[error("{0}")]
    Status(ExitStatus),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What a command printed is not what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    #[error("expected a weight from 0 to 65535 as the first word")]
    Weight,
    #[error("expected the number of bindings as the first word")]
    Bindings,
    #[error("expected the total of registrations as the second word, for the calls per second")]
    Registrations,
}

/// A source with what is remembered of it.
#[derive(Debug)]
pub struct WeightSource {
    source: Source,
    sampler: Sampler,
    meter: CallMeter,
    last: LastWeight,
}

impl WeightSource {
    /// Nothing is known yet.
    pub fn new(source: Source) -> Self {
        Self { source, sampler: Sampler::default(), meter: CallMeter::default(), last: LastWeight::default() }
    }

    /// The weight to report now; none: nothing is known any more.
    pub async fn weigh(&mut self, now: Nanos) -> Option<u16> {
        let said = self.ask(now).await;
        let failures = self.last.failures;
        let weight = self.last.take(said.as_ref().ok().copied());
        match said {
            Ok(_) if failures >= MOST_FAILURES => tracing::info!("the weight is known again"),
            Ok(_) => {}
            Err(error) if failures + 1 < MOST_FAILURES => tracing::warn!("no weight: {error}"),
            Err(error) if failures + 1 == MOST_FAILURES => {
                tracing::error!(
                    "no weight {MOST_FAILURES} times in a row: {error}; managers are disconnected"
                );
            }
            Err(error) => tracing::debug!("no weight: {error}"),
        }
        weight
    }

    /// What the source says now.
    async fn ask(&mut self, now: Nanos) -> Result<u16, SourceError> {
        Ok(match &self.source {
            Source::Static(weight) => *weight,
            Source::Cpu { max_weight } => weight_of(self.sampler.sample(now)?, *max_weight),
            Source::Bindings { command, limits } => {
                let output = shell::run(command, shell::LONGEST).await?;
                let (bindings, registrations) = parse_reading(*limits, &output)?;
                let host = self.sampler.sample(now)?;
                if let Some(total) = registrations {
                    self.meter.read(now, total);
                }
                weight(&home_agent(*limits, bindings, &self.meter), host)
            }
            Source::Exec(command) => parse_weight(&shell::run(command, shell::LONGEST).await?)?,
        })
    }
}

/// The weight of a host by the equation of the home agent without bindings: half of it for CPU, half for memory. Before
/// it is measured, which takes two samples, it is all of it.
fn weight_of(host: Option<HostLoad>, max_weight: u16) -> u16 {
    weight(&HomeAgent { bindings: 0, max_bindings: 1, calls: None, busy: None, max_weight }, host)
}

/// A home agent with these limits.
pub(super) fn home_agent(limits: Limits, bindings: u64, meter: &CallMeter) -> HomeAgent {
    HomeAgent {
        bindings,
        max_bindings: limits.max_bindings.into(),
        calls: limits.max_calls.and_then(|possible| meter.usage(possible)),
        busy: None,
        max_weight: limits.max_weight,
    }
}

/// The weight that a command printed: its first word.
pub(super) fn parse_weight(output: &[u8]) -> Result<u16, OutputError> {
    number(&mut String::from_utf8_lossy(output).split_whitespace()).ok_or(OutputError::Weight)
}

/// The bindings that a command printed, and if calls per second count the running total of registrations.
pub(super) fn parse_reading(limits: Limits, output: &[u8]) -> Result<(u64, Option<u64>), OutputError> {
    let text = String::from_utf8_lossy(output);
    let mut words = text.split_whitespace();
    let bindings = number(&mut words).ok_or(OutputError::Bindings)?;
    let total = limits.max_calls.map(|_| number(&mut words).ok_or(OutputError::Registrations));
    Ok((bindings, total.transpose()?))
}

/// The next word, if it is a number and nothing else.
fn number<N: FromStr>(words: &mut SplitWhitespace<'_>) -> Option<N> {
    let word = words.next()?;
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// The last good weight, for as long as it counts: a host of which nothing is known any more is not active, so that
/// managers go back to its static weight.
#[derive(Clone, Copy, Debug, Default)]
struct LastWeight {
    weight: Option<u16>,
    /// In a row.
    failures: u32,
}

impl LastWeight {
    /// Takes what the source said, and gives the weight to report; none: not active.
    fn take(&mut self, said: Option<u16>) -> Option<u16> {
        if said.is_some() {
            *self = Self { weight: said, failures: 0 };
        } else {
            self.failures = self.failures.saturating_add(1);
            self.weight = self.weight.filter(|_| self.failures < MOST_FAILURES);
        }
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfp::host_load::PerMille;

    const CALLS: Limits = Limits { max_bindings: 2000, max_calls: Some(10), max_weight: 25 };
    const BINDINGS: Limits = Limits { max_calls: None, ..CALLS };

    #[test]
    fn a_command_prints_bindings_and_then_registrations() {
        let reading = |bindings, registrations| Ok((bindings, registrations));
        assert_eq!(parse_reading(BINDINGS, b"50\n"), reading(50, None));
        assert_eq!(parse_reading(BINDINGS, b" 50 bindings\n"), reading(50, None));
        assert_eq!(parse_reading(CALLS, b"50\n1234567890123\n"), reading(50, Some(1_234_567_890_123)));
        for bad in [&b""[..], b"\n", b"-1", b"+1", b"5k", b"Total 50", b"18446744073709551616", b"\xff5"] {
            assert_eq!(parse_reading(BINDINGS, bad), Err(OutputError::Bindings), "{bad:?}");
        }
        for bad in [&b"50"[..], b"50 bindings", b"50 -3"] {
            assert_eq!(parse_reading(CALLS, bad), Err(OutputError::Registrations), "{bad:?}");
        }
    }

    #[test]
    fn bindings_calls_and_host_load_meet_in_the_equation() {
        let idle = Some(HostLoad { cpu: PerMille::ALL, memory: PerMille::ALL });
        let busy = Some(HostLoad { cpu: PerMille::NONE, memory: PerMille::ALL });
        let weight = |limits: Limits, bindings, meter: &CallMeter, host| {
            weight(&home_agent(limits, bindings, meter), host)
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

    #[test]
    fn a_command_prints_the_weight_as_its_first_word() {
        for (output, weight) in [("7\n", 7), ("  65535 of 65535\nmore\n", 65535), ("007", 7)] {
            assert_eq!(parse_weight(output.as_bytes()), Ok(weight));
        }
        for bad in [&b""[..], b"\n\n", b"-1", b"+1", b"65536", b"7%", b"\xff7"] {
            assert_eq!(parse_weight(bad), Err(OutputError::Weight), "{bad:?}");
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
        assert_eq!((last.take(None), last.take(None), last.failures), (Some(9), Some(9), 2));
        assert_eq!(last.take(Some(8)), Some(8));
        assert_eq!((last.take(None), last.take(None), last.take(None)), (Some(8), Some(8), None));
        assert_eq!(last.take(Some(1)), Some(1));
    }

    #[tokio::test]
    async fn each_source_gives_its_weight() {
        let weigh = |source| async { WeightSource::new(source).weigh(Nanos(1)).await };
        assert_eq!(weigh(Source::Static(7)).await, Some(7));
        assert_eq!(weigh(Source::Exec("echo 9".into())).await, Some(9));
        assert_eq!(weigh(Source::Cpu { max_weight: 25 }).await, Some(25), "before the first measurement");
    }

    #[tokio::test]
    async fn a_home_agents_bindings_and_calls_count_from_the_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("status");
        let limits = Limits { max_bindings: 2000, max_calls: Some(10), max_weight: 60_000 };
        let command = format!("cat {}", file.display());
        let mut source = WeightSource::new(Source::Bindings { command, limits });
        let mut weights = Vec::new();
        for (second, status) in ["1999 0", "2000 0", "0 400", "1999 400"].into_iter().enumerate() {
            std::fs::write(&file, status).unwrap();
            let now = Nanos(second as u64 * 10_000_000_000);
            weights.push(source.weigh(now).await.unwrap());
        }
        assert_eq!(weights[..3], [60_000, 0, 0], "no figures yet; full; 20 calls a second of 10");
        assert_eq!(weights[3], 0, "13 calls a second over half a minute");
        std::fs::write(&file, "1999 400").unwrap();
        let last = source.weigh(Nanos(90_000_000_000)).await.unwrap();
        assert!(
            (1..=30).contains(&last),
            "one binding of 2000 is free, and there is CPU or memory left: {last}"
        );
    }

    #[tokio::test]
    async fn without_the_total_that_calls_need_there_is_no_weight() {
        let limits = Limits { max_calls: Some(10), ..Limits::default() };
        let mut source = WeightSource::new(Source::Bindings { command: "echo 5".into(), limits });
        assert_eq!(source.weigh(Nanos(1)).await, None);
    }

    #[tokio::test]
    async fn a_command_that_fails_leaves_its_last_weight_twice() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weight");
        let mut source = WeightSource::new(Source::Exec(format!("cat {} 2>/dev/null", file.display())));
        std::fs::write(&file, "24").unwrap();
        assert_eq!(source.weigh(Nanos(1)).await, Some(24));
        std::fs::remove_file(&file).unwrap();
        let mut weights = Vec::new();
        for second in 2..6 {
            weights.push(source.weigh(Nanos(second)).await);
        }
        assert_eq!(weights, [Some(24), Some(24), None, None]);
        std::fs::write(&file, "0").unwrap();
        assert_eq!(source.weigh(Nanos(9)).await, Some(0));
    }
}
