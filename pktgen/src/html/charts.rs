//! Which plots a measurement has, and what is in them.

use super::{
    plot::{Axis, COLOURS, Plot, Series, Shape, across, upwards, values},
    scale::Scale,
    units,
};
use crate::result::{Latency, Mode, Phase, Report, Step};

/// Steps that count for the answer.
fn counting(report: &Report) -> impl Iterator<Item = &Step> {
    report.steps.iter().filter(|step| step.phase != Phase::Warmup)
}

/// All plots, in order.
pub fn plots(report: &Report) -> Vec<Plot> {
    let mut plots = Vec::new();
    match report.mode {
        Mode::Throughput => plots.extend([trials(report), curves(report), by_rate(report)]),
        Mode::Latency => plots.extend([curves(report), by_load(report)]),
        Mode::Sessions => {
            plots.extend([rate_by_sessions(report), sessions(report), curves(report), by_time(report)]);
        }
        Mode::Soak => plots.extend([rate_by_time(report), failures(report), curves(report), by_time(report)]),
    }
    plots
}

fn series(name: impl Into<String>, colour: usize, shape: Shape, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.into(), colour: COLOURS[colour % COLOURS.len()], shape, points }
}

/// A point of each step that has a value.
fn points<'a>(
    steps: impl Iterator<Item = &'a Step>,
    x: impl Fn(&Step) -> f64,
    y: impl Fn(&Step) -> Option<f64>,
) -> Vec<(f64, f64)> {
    steps.filter_map(|step| Some((x(step), y(step)?))).collect()
}

fn rate_axis(series: &[Series]) -> Axis {
    Axis {
        name: "frames a second".into(),
        scale: Scale::from_zero(values(series, upwards)),
        words: units::short,
    }
}

/// The middle of the step.
fn middle(step: &Step) -> f64 {
    step.at + step.seconds / 2.0
}

fn time_axis(report: &Report) -> Axis {
    let told = report.steps.iter().filter_map(|step| step.table_at);
    let ends = report.steps.iter().map(|step| step.at + step.seconds).chain(told);
    let (name, unit, words): (_, _, fn(f64) -> String) = match report.seconds {
        it if it < 600.0 => ("time, seconds", 1.0, units::short),
        it if it < 36_000.0 => ("time, minutes", 60.0, |seconds| units::short(seconds / 60.0)),
        _ => ("time, hours", 3600.0, |seconds| units::short(seconds / 3600.0)),
    };
    Axis { name: name.into(), scale: Scale::in_units_of(ends, unit), words }
}

/// The trials of the search, as they were.
fn trials(report: &Report) -> Plot {
    let steps: Vec<&Step> = counting(report).collect();
    let number = |step: &Step| {
        let at = steps.iter().position(|it| it.index == step.index);
        at.map_or(0.0, |at| (at + 1) as f64)
    };
    let all = |y: fn(&Step) -> Option<f64>| points(steps.iter().copied(), number, y);
    let judged = |passed: bool| {
        let some = steps.iter().copied().filter(|step| step.passed == Some(passed));
        points(some, number, |step| Some(step.offered))
    };
    let mut series = vec![
        series("sent", 0, Shape::Curve, all(|step| Some(step.offered))),
        series("at the right home agent", 2, Shape::Dashes, all(|step| Some(step.forwarded))),
        series("passed", 2, Shape::Circles, judged(true)),
        series("too much lost", 1, Shape::Crosses, judged(false)),
    ];
    if let Some(rate) = report.outcome.rate {
        let ends = vec![(0.5, rate), (steps.len() as f64 + 0.5, rate)];
        series.push(self::series(format!("answer: {}", units::rate(rate)), 6, Shape::Dashes, ends));
    }
    Plot {
        title: "Throughput: the trials of the search".into(),
        x: Axis { name: "trial".into(), scale: Scale::ordinal(steps.len()), words: units::short },
        y: rate_axis(&series),
        series,
    }
}

fn rate_by_sessions(report: &Report) -> Plot {
    let rates = |name: &str, colour, shape, y: fn(&Step) -> f64, phase| {
        let steps = counting(report).filter(|step| step.phase == phase);
        series(name, colour, shape, points(steps, |step| step.sessions as f64, |step| Some(y(step))))
    };
    let series = vec![
        rates("sent, new sessions", 0, Shape::Line, |step| step.offered, Phase::Fill),
        rates("at the right home agent, new sessions", 2, Shape::Dashes, |step| step.forwarded, Phase::Fill),
        rates("at the right home agent, churn", 1, Shape::Circles, |step| step.forwarded, Phase::Churn),
        rates("new sessions, churn", 4, Shape::Line, Step::created_rate, Phase::Churn),
    ];
    Plot {
        title: "Throughput against sessions".into(),
        x: Axis {
            name: "sessions: mobile nodes sent for".into(),
            scale: Scale::until_last(values(&series, across)),
            words: units::short,
        },
        y: rate_axis(&series),
        series,
    }
}

fn sessions(report: &Report) -> Plot {
    let end = |step: &Step| step.at + step.seconds;
    let told = |step: &Step| step.table_at.unwrap_or(end(step));
    let series = vec![
        series(
            "mobile nodes sent for",
            0,
            Shape::Line,
            points(report.steps.iter(), end, |it| Some(it.sessions as f64)),
        ),
        series(
            "sessions in the director's table",
            1,
            Shape::Line,
            points(report.steps.iter(), told, |step| step.table.map(|table| table as f64)),
        ),
    ];
    Plot {
        title: "Sessions over time".into(),
        x: time_axis(report),
        y: Axis {
            name: "sessions".into(),
            scale: Scale::from_zero(values(&series, upwards)),
            words: units::short,
        },
        series,
    }
}

fn rate_by_time(report: &Report) -> Plot {
    let rates = |y: fn(&Step) -> f64| points(counting(report), middle, |step| Some(y(step)));
    let series = vec![
        series("sent", 0, Shape::Line, rates(|step| step.offered)),
        series("at the right home agent", 2, Shape::Dashes, rates(|step| step.forwarded)),
    ];
    Plot { title: "Throughput over time".into(), x: time_axis(report), y: rate_axis(&series), series }
}

/// What did not go well in each interval.
fn failures(report: &Report) -> Plot {
    let frames = |y: fn(&Step) -> u64| points(counting(report), middle, |step| Some(y(step) as f64));
    let mut series = vec![
        series("lost", 1, Shape::Line, frames(|step| step.frames.lost)),
        series("moved nodes", 0, Shape::Line, frames(|step| step.frames.moved)),
        series("wrong home agent", 3, Shape::Line, frames(|step| step.frames.wrong)),
        series("corrupted", 4, Shape::Line, frames(|step| step.frames.corrupted)),
        series("duplicated", 5, Shape::Line, frames(|step| step.frames.duplicated)),
    ];
    // Lines along the bottom say nothing; one of them says that all is well.
    if series.iter().any(|series| series.points.iter().any(|point| point.1 > 0.0)) {
        series.retain(|series| series.points.iter().any(|point| point.1 > 0.0));
    } else {
        series.truncate(1);
    }
    Plot {
        title: "Frames lost and nodes moved, by interval".into(),
        x: time_axis(report),
        y: Axis {
            name: "frames an interval".into(),
            scale: Scale::from_zero(values(&series, upwards)),
            words: units::short,
        },
        series,
    }
}

/// The distributions that are worth a curve: few enough to be told apart.
fn distributions(report: &Report) -> Vec<(String, &Latency)> {
    let named = |step: &'_ Step| format!("{}, {}", step.label, units::rate(step.offered));
    let of = |step: &Step, name: String| -> Option<(String, &Latency)> {
        let index = report.steps.iter().position(|it| it.index == step.index)?;
        Some((name, report.steps[index].latency.as_ref()?))
    };
    match report.mode {
        Mode::Latency => {
            let steps: Vec<&Step> = counting(report).collect();
            let stride = steps.len().div_ceil(COLOURS.len()).max(1);
            steps.iter().step_by(stride).filter_map(|step| of(step, named(step))).collect()
        }
        Mode::Throughput => {
            let judged = |passed| counting(report).filter(move |step| step.passed == Some(passed));
            let best = judged(true).max_by(|a, b| a.offered.total_cmp(&b.offered));
            let next = judged(false).min_by(|a, b| a.offered.total_cmp(&b.offered));
            let best = best.and_then(|step| of(step, format!("{}, passed", named(step))));
            let next = next.and_then(|step| of(step, format!("{}, too much lost", named(step))));
            best.into_iter().chain(next).collect()
        }
        Mode::Sessions | Mode::Soak => {
            let all = report.latency.as_ref().map(|it| ("all intervals".to_owned(), it));
            let p99 = |step: &Step| step.latency.as_ref().map_or(0.0, |it| it.p99);
            let worst = counting(report).max_by(|a, b| p99(a).total_cmp(&p99(b)));
            let last = counting(report).filter(|step| step.latency.is_some()).last();
            let same = worst.map(|it| it.index) == last.map(|it| it.index);
            let worst = worst.and_then(|step| of(step, format!("{}, the worst at 99 %", named(step))));
            let last = last.filter(|_| !same).and_then(|step| of(step, format!("{}, the last", named(step))));
            all.into_iter().chain(worst).chain(last).collect()
        }
    }
}

/// Where a percentile stands: 1 / (1 - p), and the slowest frame of all where one of `count` would.
fn rank(percentile: f64, count: u64) -> f64 {
    let most = (count as f64).max(1.0);
    if percentile >= 100.0 { most } else { (100.0 / (100.0 - percentile)).min(most) }
}

/// What is left to 100 %, at a place of [`rank`]: `90 %`, `99.9 %`.
fn percentile(rank: f64) -> String {
    let nines = rank.log10().round().clamp(0.0, 12.0);
    let percent = 100.0 - 100.0 / 10f64.powf(nines);
    format!("{percent:.*}\u{202f}%", (nines as usize).saturating_sub(2))
}

fn curves(report: &Report) -> Plot {
    let series: Vec<Series> = distributions(report)
        .into_iter()
        .enumerate()
        .map(|(at, (name, latency))| {
            let points = latency.curve.iter().map(|(share, micros)| (rank(*share, latency.count), *micros));
            series(name, at, Shape::Curve, points.collect())
        })
        .collect();
    let ranks = values(&series, across).chain([1.0, 1000.0]);
    Plot {
        title: "Latency by percentile".into(),
        x: Axis {
            name: "percentile, on the scale of 1 / (1 − p)".into(),
            scale: Scale::decades(ranks),
            words: percentile,
        },
        y: latency_axis(&series),
        series,
    }
}

fn latency_axis(series: &[Series]) -> Axis {
    let scale = Scale::fitting(values(series, upwards));
    let name = if scale.is_log() { "latency, logarithmic" } else { "latency" };
    Axis { name: name.into(), scale, words: units::latency }
}

fn percentiles(steps: &[&Step], x: impl Fn(&Step) -> f64 + Copy) -> Vec<Series> {
    let line = |name, colour, kind: fn(&Latency) -> f64| {
        let of = |step: &Step| step.latency.as_ref().map(kind);
        series(name, colour, Shape::Line, points(steps.iter().copied(), x, of))
    };
    vec![
        line("slowest", 6, |it| it.max),
        line("99.9\u{202f}%", 1, |it| it.p999),
        line("99\u{202f}%", 4, |it| it.p99),
        line("90\u{202f}%", 2, |it| it.p90),
        line("50\u{202f}%", 0, |it| it.p50),
    ]
}

fn by_load(report: &Report) -> Plot {
    let load = |step: &Step| step.load.unwrap_or(0.0);
    let mut steps: Vec<&Step> = counting(report).filter(|step| step.load.is_some()).collect();
    steps.sort_by(|a, b| load(a).total_cmp(&load(b)));
    let series = percentiles(&steps, load);
    Plot {
        title: "Latency against load".into(),
        x: Axis {
            name: "load, percent of the reference rate".into(),
            scale: Scale::until_last(values(&series, across)),
            words: |load| format!("{}\u{202f}%", units::short(load)),
        },
        y: latency_axis(&series),
        series,
    }
}

fn by_rate(report: &Report) -> Plot {
    let mut steps: Vec<&Step> = counting(report).collect();
    steps.sort_by(|a, b| a.offered.total_cmp(&b.offered));
    let series = percentiles(&steps, |step| step.offered);
    Plot {
        title: "Latency against rate, of frames that arrived".into(),
        x: Axis {
            name: "frames sent a second".into(),
            scale: Scale::until_last(values(&series, across)),
            words: units::short,
        },
        y: latency_axis(&series),
        series,
    }
}

fn by_time(report: &Report) -> Plot {
    let steps: Vec<&Step> = counting(report).collect();
    let series = percentiles(&steps, middle);
    Plot { title: "Latency over time".into(), x: time_axis(report), y: latency_axis(&series), series }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_stand_where_their_rest_is_a_power_of_ten() {
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 1e-9;
        assert!(
            near(rank(0.0, 1000), 1.0) && near(rank(90.0, 1000), 10.0) && near(rank(99.9, 10_000), 1000.0)
        );
        assert!(
            near(rank(100.0, 5000), 5000.0)
                && near(rank(99.999_999, 5000), 5000.0)
                && near(rank(100.0, 0), 1.0)
        );
        let words = [1.0, 10.0, 100.0, 1000.0, 1e6].map(|rank| percentile(rank).replace('\u{202f}', " "));
        assert_eq!(words, ["0 %", "90 %", "99 %", "99.9 %", "99.9999 %"]);
    }
}
