//! Gets the weight from its source, and says what goes wrong with that.

use common::time::Nanos;

use super::{
    bindings::ParseReadingError,
    shell::{self, ShellError},
    source::{LastWeight, MOST_FAILURES, ParseWeightError, Source, parse_weight, weight_of},
};
use crate::dfp::host_load::{Sampler, calls::CallMeter, weight::weight};

/// Why a source says nothing.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error(transparent)]
    Command(#[from] ShellError),
    #[error(transparent)]
    Weight(#[from] ParseWeightError),
    #[error(transparent)]
    Reading(#[from] ParseReadingError),
    #[error(transparent)]
    Host(#[from] std::io::Error),
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
        let failures = self.last.failures();
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
                let reading = limits.read(&shell::run(command, shell::LONGEST).await?)?;
                let host = self.sampler.sample(now)?;
                if let Some(total) = reading.registrations {
                    self.meter.read(now, total);
                }
                weight(&limits.home_agent(reading, &self.meter), host)
            }
            Source::Exec(command) => parse_weight(&shell::run(command, shell::LONGEST).await?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfp::standalone::bindings::Limits;

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
