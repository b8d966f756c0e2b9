//! A step's counters as a result.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::measurement::EndedStep;
use crate::{
    accounting::steps::StepCounters,
    result::{Latency, Step},
};

/// Points of a curve in each half of what remains up to 100 %.
const TICKS: u32 = 4;

/// The step's result, without what only the plan and the director know.
pub(super) fn new(index: u32, ended: &EndedStep, counters: &StepCounters) -> Step {
    let frames = counters.frames;
    let seconds = ended.lasted.as_secs_f64();
    let rate = |frames: u64| if seconds > 0.0 { frames as f64 / seconds } else { 0.0 };
    let missed = frames.sent - frames.right;
    let unaccounted = (frames.lost > 0).then(|| ("unaccounted".to_owned(), frames.lost));
    Step {
        index,
        phase: ended.task.phase,
        label: ended.task.label.clone(),
        at: ended.at.as_secs_f64(),
        seconds,
        target: ended.task.schedule.rate,
        offered: rate(frames.sent),
        forwarded: rate(frames.right),
        load: ended.task.load,
        frames,
        loss: if frames.sent > 0 { missed as f64 / frames.sent as f64 } else { 0.0 },
        losses: unaccounted.into_iter().collect::<BTreeMap<_, _>>(),
        latency: latency(&counters.latency),
        recovery: latency(&counters.recovery),
        sessions: ended.sessions,
        table: None,
        table_at: None,
        passed: None,
        workers: Vec::new(),
    }
}

/// Microseconds out of nanoseconds; `None` out of nothing.
pub fn latency(histogram: &Histogram<u64>) -> Option<Latency> {
    if histogram.is_empty() {
        return None;
    }
    let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
    let at = |percentile: f64| micros(histogram.value_at_percentile(percentile));
    let point = |point: hdrhistogram::iterators::IterationValue<u64>| {
        (point.percentile(), micros(point.value_iterated_to()))
    };
    Some(Latency {
        count: histogram.len(),
        min: micros(histogram.min()),
        mean: histogram.mean() / 1000.0,
        p50: at(50.0),
        p90: at(90.0),
        p99: at(99.0),
        p999: at(99.9),
        max: micros(histogram.max()),
        curve: histogram.iter_quantiles(TICKS).map(point).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::latency_histogram;

    #[test]
    fn percentiles_are_microseconds_and_the_curve_rises_to_all_of_them() {
        let mut samples = latency_histogram();
        assert_eq!(latency(&samples), None);
        for micros in 1..=1000u64 {
            samples.record(micros * 1000).unwrap();
        }
        let latency = latency(&samples).unwrap();
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.002;
        assert_eq!(latency.count, 1000);
        assert!(near(latency.min, 1.0) && near(latency.mean, 500.5) && near(latency.max, 1000.0));
        assert!(near(latency.p50, 500.0) && near(latency.p90, 900.0));
        assert!(near(latency.p99, 990.0) && near(latency.p999, 999.0));
        assert!(latency.curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1), "{:?}", latency.curve);
        assert!(latency.curve.last().is_some_and(|last| near(last.0, 100.0) && near(last.1, 1000.0)));
        assert!((20..80).contains(&latency.curve.len()), "{}", latency.curve.len());
    }
}
