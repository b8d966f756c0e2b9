//! Gets the weight from its source, and says what goes wrong with that.

use common::time::Nanos;
use control::dfp::agent::{
    figures::Sampler,
    source::{LastWeight, MOST_FAILURES, Source, io, weight_of},
};

/// A source with what is remembered of it.
#[derive(Debug)]
pub struct Weigher {
    source: Source,
    sampler: Sampler,
    last: LastWeight,
}

impl Weigher {
    /// Nothing is known yet.
    pub fn new(source: Source) -> Self {
        Self { source, sampler: Sampler::default(), last: LastWeight::default() }
    }

    /// The weight to report now; none: nothing is known any more.
    pub async fn weigh(&mut self, now: Nanos) -> Option<u16> {
        let said = match &self.source {
            Source::Static(weight) => Ok(*weight),
            Source::Cpu { max_weight } => {
                let sample = self.sampler.sample(now);
                sample.map(|figures| weight_of(figures, *max_weight)).map_err(anyhow::Error::from)
            }
            Source::Exec(command) => io::run(command, io::LONGEST).await.map_err(anyhow::Error::from),
        };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_source_gives_its_weight() {
        let weigh = |source| async { Weigher::new(source).weigh(Nanos(1)).await };
        assert_eq!(weigh(Source::Static(7)).await, Some(7));
        assert_eq!(weigh(Source::Exec("echo 9".into())).await, Some(9));
        assert!(weigh(Source::Cpu { max_weight: 25 }).await.is_some_and(|weight| weight <= 25));
    }

    #[tokio::test]
    async fn a_command_that_fails_leaves_its_last_weight_twice() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weight");
        let mut weigher = Weigher::new(Source::Exec(format!("cat {} 2>/dev/null", file.display())));
        std::fs::write(&file, "24").unwrap();
        assert_eq!(weigher.weigh(Nanos(1)).await, Some(24));
        std::fs::remove_file(&file).unwrap();
        let mut weights = Vec::new();
        for second in 2..6 {
            weights.push(weigher.weigh(Nanos(second)).await);
        }
        assert_eq!(weights, [Some(24), Some(24), None, None]);
        std::fs::write(&file, "0").unwrap();
        assert_eq!(weigher.weigh(Nanos(9)).await, Some(0));
    }
}
