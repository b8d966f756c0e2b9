//! The table and its JSON.

use std::fmt::Write as _;

use pktgen::measure::host_info;
use serde::Serialize;

use super::{case::Case, derived_metrics, row::Row};

/// All that a run of the harness gave.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub rows: Vec<Row>,
    pub left_out: Vec<Skipped>,
}

/// A row that could not be measured.
#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    pub name: String,
    pub reason: String,
}

/// The table as text, what the rows say together, and what is missing.
pub fn table(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |cells: [&str; 6]| {
        let [name, mpps, ns, ratio, bytes, target] = cells;
        let line = format!("{name:<52} {mpps:<23} {ns:<23} {ratio:<19} {bytes:<7} {target}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(["row", "Mpps (min..max)", "ns a packet (min..max)", "ratio to macswap", "bytes/", "target"]);
    line(["", "", "", "", "session", ""]);
    for row in &results.rows {
        let target = row.run.case().as_ref().and_then(Case::target);
        line([
            &row.run.to_string(),
            &row.mpps().text(2),
            &row.ns().text(1),
            &row.ratio().text(2),
            &row.bytes_per_session().map(|bytes| bytes.text(1)).unwrap_or_default(),
            &target.map(|target| target.to_string()).unwrap_or_default(),
        ]);
    }
    let metrics = derived_metrics::all(&results.rows);
    if !metrics.is_empty() {
        let _ = write!(text, "\n{}", derived_metrics::text(&metrics));
    }
    for Skipped { name, reason } in &results.left_out {
        let _ = write!(text, "\nleft out: {name}: {reason}");
    }
    text
}

/// The same with every round, and where it was taken.
pub fn json(results: &Results) -> serde_json::Value {
    let cpu = Some(host_info::read(String::new()).cpu).filter(|cpu| !cpu.is_empty());
    let rows: Vec<_> = results
        .rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.run.to_string(),
                "program": row.run.program,
                "source": row.run.source,
                "mpps": row.mpps(),
                "ns": row.ns(),
                "ratio": row.ratio(),
                "target": row.run.case().as_ref().and_then(Case::target),
                "bytes_per_session": row.bytes_per_session(),
                "rounds": { "own": row.rounds, "macswap": row.baseline },
            })
        })
        .collect();
    serde_json::json!({
        "cpu": cpu,
        "frame_bytes": super::capture::FRAME,
        "yardstick": "dpdk-testpmd --forward-mode=macswap",
        "rows": rows,
        "findings": derived_metrics::all(&results.rows),
        "left_out": results.left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::{measure::Measured, plan::groups};

    #[test]
    fn the_table_shows_every_figure_with_its_spread_and_what_is_missing() {
        let measured = |mpps| Measured { mpps, received: 1, sent: 1, table: None };
        let name = "repeats, dispatched, 10000 sessions";
        let [_, run] = groups(|run| run.to_string() == name)[0][..] else { panic!("two programs") };
        let row = Row {
            run,
            rounds: [10.0, 30.0, 20.0].map(measured).to_vec(),
            baseline: [40.0, 60.0, 50.0].map(measured).to_vec(),
        };
        let left_out = vec![Skipped { name: "another".into(), reason: "no memory".into() }];
        let results = Results { rows: vec![row], left_out };
        let table = table(&results);
        let words: Vec<&str> = table.lines().nth(2).unwrap().split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            format!("{name} 20.00 (10.00..30.00) 50.0 (33.3..100.0) 0.40 (0.25..0.50) at least 0.5")
        );
        assert!(
            table.contains("at least 0.5: missed") && table.ends_with("left out: another: no memory"),
            "{table}"
        );
        let json = json(&results);
        assert_eq!(json["rows"][0]["ns"]["max"], 100.0);
        assert_eq!(json["rows"][0]["target"]["at_least"], 0.5);
        assert_eq!(json["left_out"][0]["reason"], "no memory");
    }
}
