//! What the rows say together, and what is asked of them.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    case::{Case, MILLION, Threshold, Traffic},
    measure::{Spread, Table},
    row::{Row, ratios},
};

/// A second worker must gain this much of what a second core gains testpmd.
const GAIN: Threshold = Threshold::AtLeast(0.95);
/// Publications may cost so many in a hundred.
const LOSS: Threshold = Threshold::AtMost(3.0);
/// Bytes of the table a session of its capacity.
const BYTES: Threshold = Threshold::AtMost(48.0);
/// Nodes in a hundred that find no room in a table at its capacity.
const REFUSED: Threshold = Threshold::AtMost(0.1);

/// A figure beside what it should be.
#[derive(Clone, Debug, Serialize)]
pub struct DerivedMetric {
    /// Of which rows.
    pub of: String,
    /// What the figure is.
    pub what: &'static str,
    /// The figure, over the rounds.
    pub figure: Spread,
    /// What is asked, of its median; nothing of a figure that is only shown.
    pub target: Option<Threshold>,
    /// Whether it is reached.
    pub met: Option<bool>,
}

impl DerivedMetric {
    fn new(of: String, what: &'static str, figure: Spread, target: Option<Threshold>) -> Self {
        Self { of, what, figure, target, met: target.map(|target| target.met(figure.median)) }
    }
}

/// All that the rows show.
pub fn all(rows: &[Row]) -> Vec<DerivedMetric> {
    let ours: Vec<(&Row, Case)> = rows.iter().filter_map(|row| Some((row, row.run.case()?))).collect();
    let to_macswap = ours.iter().filter_map(|(row, case)| {
        let target = Some(case.target()?);
        Some(DerivedMetric::new(row.run.to_string(), "ratio to macswap", row.ratio(), target))
    });
    let losses = ours.iter().filter(|(_, case)| case.publications > 0).filter_map(|(row, case)| {
        let without = find(&ours, &Case { publications: 0, ..*case })?;
        let loss = ratios(&row.rounds, &without.rounds).map(|ratio| (1.0 - ratio) * 100.0);
        Some(DerivedMetric::new(
            row.run.to_string(),
            "% slower than without",
            Spread::from_values(loss),
            Some(LOSS),
        ))
    });
    to_macswap.chain(gains(&ours)).chain(losses).chain(memory(&ours)).collect()
}

fn find<'a>(rows: &[(&'a Row, Case)], case: &Case) -> Option<&'a Row> {
    rows.iter().find(|(_, other)| other == case).map(|(row, _)| *row)
}

/// (Homeward with several workers / with one) / (testpmd with as many cores / with one), round by round.
fn gains(rows: &[(&Row, Case)]) -> Vec<DerivedMetric> {
    let several = rows.iter().filter(|(_, case)| case.workers > 1);
    several
        .filter_map(|(row, case)| {
            let one = find(rows, &Case { workers: 1, ..*case })?;
            let gain = ratios(&row.rounds, &one.rounds);
            let baseline = ratios(&row.baseline, &one.baseline);
            let ratio = Spread::from_values(gain.zip(baseline).map(|(ours, theirs)| ours / theirs));
            // The retransmissions of a million nodes are what is asked about.
            let asked = case.traffic == Traffic::Repeats && case.sessions == MILLION;
            let shown = |what, figure| DerivedMetric::new(row.run.to_string(), what, figure, None);
            Some([
                shown("times one worker", Spread::from_values(ratios(&row.rounds, &one.rounds))),
                shown("times one core, testpmd", Spread::from_values(ratios(&row.baseline, &one.baseline))),
                DerivedMetric::new(row.run.to_string(), "ratio of the gains", ratio, asked.then_some(GAIN)),
            ])
        })
        .flatten()
        .collect()
}

/// What the tables of a capacity take and refuse, a metric each; the largest decide, because all are whole pages.
fn memory(rows: &[(&Row, Case)]) -> Vec<DerivedMetric> {
    let mut sizes: Vec<u32> = rows.iter().map(|(_, case)| case.sessions).filter(|n| *n >= MILLION).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let metric = |size: u32, what, figure: fn(&Table) -> f64, target| {
        // Only a single pass fills a table to its capacity; repeats have a larger one.
        let full = |case: &Case| case.sessions == size && case.traffic != Traffic::Repeats && !case.is_data();
        let full = rows.iter().filter(|(_, case)| full(case)).flat_map(|(row, _)| &row.rounds);
        let values: Vec<f64> = full.filter_map(|round| round.table).map(|table| figure(&table)).collect();
        let of = format!("tables filled to a capacity of {size}");
        (!values.is_empty()).then(|| DerivedMetric::new(of, what, Spread::from_values(values), Some(target)))
    };
    let both = |size| {
        [
            metric(size, "bytes a session", |table| table.bytes_per_session, BYTES),
            metric(size, "% refused", |table| table.refused_percent, REFUSED),
        ]
    };
    sizes.into_iter().flat_map(both).flatten().collect()
}

/// As text, one a line.
pub fn text(metrics: &[DerivedMetric]) -> String {
    let wide = metrics.iter().map(|metric| metric.of.len()).max().unwrap_or_default();
    let mut text = String::new();
    for DerivedMetric { of, what, figure, target, met } in metrics {
        let figure = figure.text(2);
        // Writing to a string cannot fail.
        let _ = write!(text, "{of:<wide$}  {what:<23} {figure:<22}");
        if let (Some(target), Some(met)) = (target, met) {
            let _ = write!(text, " {target}: {}", if *met { "met" } else { "missed" });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::{
        case::Mode,
        measure::Measured,
        plan::{Program, Run},
    };

    fn measured(mpps: f64) -> Measured {
        let table = Table { bytes_per_session: 46.9, refused_percent: 0.01 };
        Measured { mpps, received: 1, sent: 1, table: Some(table) }
    }

    fn row(workers: u8, publications: u32, ours: [f64; 3], theirs: [f64; 3]) -> Row {
        row_of(Traffic::Repeats, workers, publications, ours, theirs)
    }

    fn row_of(traffic: Traffic, workers: u8, publications: u32, ours: [f64; 3], theirs: [f64; 3]) -> Row {
        let mode = Mode::Dispatched;
        let case = Case { traffic, sessions: MILLION, mode, workers, publications };
        let run = Run { source: case.source(), program: Program::Homeward(case) };
        Row { run, rounds: ours.map(measured).to_vec(), baseline: theirs.map(measured).to_vec() }
    }

    #[test]
    fn gains_losses_and_ratios_are_taken_round_by_round() {
        let rows = [
            row(1, 0, [10.0, 8.0, 12.0], [20.0, 20.0, 20.0]),
            row(1, 1000, [9.9, 7.6, 12.0], [20.0, 20.0, 20.0]),
            row(2, 0, [19.0, 12.0, 24.0], [40.0, 40.0, 40.0]),
        ];
        let metrics = all(&rows);
        let of = |what: &str| metrics.iter().find(|metric| metric.what == what).unwrap();
        let rounded = |what| of(what).figure.text(2);
        assert_eq!(rounded("ratio to macswap"), "0.50 (0.40..0.60)");
        assert_eq!(rounded("times one worker"), "1.90 (1.50..2.00)");
        assert_eq!(rounded("times one core, testpmd"), "2.00");
        assert_eq!(rounded("ratio of the gains"), "0.95 (0.75..1.00)");
        assert_eq!(rounded("% slower than without"), "1.00 (0.00..5.00)");
        assert!(metrics.iter().all(|metric| metric.met != Some(false)), "{metrics:?}");
        assert!(metrics.iter().all(|metric| metric.what != "bytes a session"), "no row filled its table");
        assert!(text(&metrics).contains("1.00 (0.00..5.00)      at most 3: met\n"), "{}", text(&metrics));
        let slow = all(&[row(1, 0, [8.0; 3], [20.0; 3])]);
        assert_eq!(slow[0].met, Some(false));
    }

    #[test]
    fn the_tables_of_each_size_stand_for_themselves() {
        let mut large = row_of(Traffic::New, 1, 0, [5.0; 3], [20.0; 3]);
        let Program::Homeward(case) = &mut large.run.program else { unreachable!("it is ours") };
        case.sessions = 10 * MILLION;
        let mut small = row_of(Traffic::Mixed, 1, 0, [5.0; 3], [20.0; 3]);
        small
            .rounds
            .iter_mut()
            .for_each(|round| round.table = Some(Table { bytes_per_session: 48.2, refused_percent: 0.2 }));
        let metrics = all(&[large, small, row(1, 0, [9.0; 3], [20.0; 3])]);
        let shown: Vec<_> = metrics
            .iter()
            .filter(|metric| metric.of.starts_with("tables"))
            .map(|metric| (metric.of.rsplit(' ').next().unwrap(), metric.what, metric.met))
            .collect();
        assert_eq!(
            shown,
            [
                ("1000000", "bytes a session", Some(false)),
                ("1000000", "% refused", Some(false)),
                ("10000000", "bytes a session", Some(true)),
                ("10000000", "% refused", Some(true)),
            ]
        );
    }
}
