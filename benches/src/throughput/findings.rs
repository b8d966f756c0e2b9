//! What the rows say together, and what is asked of them.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    case::{Case, MILLION, Target, Traffic},
    measure::{Spread, Table},
    row::{Row, over},
};

/// A second worker must gain this much of what a second core gains testpmd.
const GAIN: Target = Target::AtLeast(0.95);
/// Publications may cost so many in a hundred.
const LOSS: Target = Target::AtMost(3.0);
/// Bytes of the table a session of its capacity.
const BYTES: Target = Target::AtMost(48.0);
/// Nodes in a hundred that find no room in a table at its capacity.
const REFUSED: Target = Target::AtMost(0.1);

/// A figure beside what it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Of which rows.
    pub of: String,
    /// What the figure is.
    pub what: &'static str,
    /// The figure, over the rounds.
    pub figure: Spread,
    /// What is asked, of its median; nothing of a figure that is only shown.
    pub target: Option<Target>,
    /// Whether it is reached.
    pub met: Option<bool>,
}

impl Finding {
    fn new(of: String, what: &'static str, figure: Spread, target: Option<Target>) -> Self {
        Self { of, what, figure, target, met: target.map(|target| target.met(figure.median)) }
    }
}

/// All that the rows show.
pub fn all(rows: &[Row]) -> Vec<Finding> {
    let ours: Vec<(&Row, Case)> = rows.iter().filter_map(|row| Some((row, row.run.case()?))).collect();
    let ratios = ours.iter().filter_map(|(row, case)| {
        let target = Some(case.target()?);
        Some(Finding::new(row.run.to_string(), "ratio to macswap", row.ratio(), target))
    });
    let losses = ours.iter().filter(|(_, case)| case.publications > 0).filter_map(|(row, case)| {
        let without = find(&ours, &Case { publications: 0, ..*case })?;
        let loss = over(&row.rounds, &without.rounds).map(|ratio| (1.0 - ratio) * 100.0);
        Some(Finding::new(row.run.to_string(), "% slower than without", Spread::of(loss), Some(LOSS)))
    });
    ratios.chain(gains(&ours)).chain(losses).chain(memory(&ours)).collect()
}

fn find<'a>(rows: &[(&'a Row, Case)], case: &Case) -> Option<&'a Row> {
    rows.iter().find(|(_, other)| other == case).map(|(row, _)| *row)
}

/// (Homeward with several workers / with one) / (testpmd with as many cores / with one), round by round.
fn gains(rows: &[(&Row, Case)]) -> Vec<Finding> {
    let several = rows.iter().filter(|(_, case)| case.workers > 1);
    several
        .filter_map(|(row, case)| {
            let one = find(rows, &Case { workers: 1, ..*case })?;
            let gain = over(&row.rounds, &one.rounds);
            let yardstick = over(&row.yardstick, &one.yardstick);
            let ratio = Spread::of(gain.zip(yardstick).map(|(ours, theirs)| ours / theirs));
            // The retransmissions of a million nodes are what is asked about.
            let asked = case.traffic == Traffic::Repeats && case.sessions == MILLION;
            let shown = |what, figure| Finding::new(row.run.to_string(), what, figure, None);
            Some([
                shown("times one worker", Spread::of(over(&row.rounds, &one.rounds))),
                shown("times one core, testpmd", Spread::of(over(&row.yardstick, &one.yardstick))),
                Finding::new(row.run.to_string(), "ratio of the gains", ratio, asked.then_some(GAIN)),
            ])
        })
        .flatten()
        .collect()
}

fn memory(rows: &[(&Row, Case)]) -> Vec<Finding> {
    let large = || rows.iter().filter(|(_, case)| case.sessions >= MILLION);
    let figures = |rows: Vec<&Row>, figure: fn(&Table) -> f64| {
        let tables = rows.iter().flat_map(|row| &row.rounds).filter_map(|round| round.table);
        let values: Vec<f64> = tables.map(|table| figure(&table)).collect();
        (!values.is_empty()).then(|| Spread::of(values))
    };
    let every = large().map(|(row, _)| *row).collect();
    let full = large().filter(|(_, case)| case.traffic == Traffic::New).map(|(row, _)| *row).collect();
    let bytes = figures(every, |table| table.bytes_per_session).map(|figure| {
        Finding::new("tables of a million and more".into(), "bytes a session", figure, Some(BYTES))
    });
    let refused = figures(full, |table| table.refused_percent)
        .map(|figure| Finding::new("tables filled to capacity".into(), "% refused", figure, Some(REFUSED)));
    bytes.into_iter().chain(refused).collect()
}

/// As text, one a line.
pub fn text(findings: &[Finding]) -> String {
    let wide = findings.iter().map(|finding| finding.of.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { of, what, figure, target, met } in findings {
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
        let (traffic, mode) = (Traffic::Repeats, Mode::Dispatched);
        let case = Case { traffic, sessions: MILLION, mode, workers, publications };
        let run = Run { source: case.source(), program: Program::Homeward(case) };
        Row { run, rounds: ours.map(measured).to_vec(), yardstick: theirs.map(measured).to_vec() }
    }

    #[test]
    fn gains_losses_and_ratios_are_taken_round_by_round() {
        let rows = [
            row(1, 0, [10.0, 8.0, 12.0], [20.0, 20.0, 20.0]),
            row(1, 1000, [9.9, 7.6, 12.0], [20.0, 20.0, 20.0]),
            row(2, 0, [19.0, 12.0, 24.0], [40.0, 40.0, 40.0]),
        ];
        let findings = all(&rows);
        let of = |what: &str| findings.iter().find(|finding| finding.what == what).unwrap();
        let rounded = |what| of(what).figure.text(2);
        assert_eq!(rounded("ratio to macswap"), "0.50 (0.40..0.60)");
        assert_eq!(rounded("times one worker"), "1.90 (1.50..2.00)");
        assert_eq!(rounded("times one core, testpmd"), "2.00");
        assert_eq!(rounded("ratio of the gains"), "0.95 (0.75..1.00)");
        assert_eq!(rounded("% slower than without"), "1.00 (0.00..5.00)");
        assert_eq!(rounded("bytes a session"), "46.90");
        assert!(findings.iter().all(|finding| finding.met != Some(false)), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.what != "% refused"), "no row filled its table");
        assert!(text(&findings).contains("1.00 (0.00..5.00)      at most 3: met\n"), "{}", text(&findings));
        let slow = all(&[row(1, 0, [8.0; 3], [20.0; 3])]);
        assert_eq!(slow[0].met, Some(false));
    }
}
