//! `make bench`: see `benches::throughput`.

use std::{fs, path::PathBuf};

use anyhow::{Context, ensure};
use benches::throughput::{
    capture,
    case::{CASES, Case},
    director, pages,
    report::{Row, json, table},
    testpmd,
};
use clap::Parser;

/// One worker on RRQs beside dpdk-testpmd on the same capture, alternating rounds.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Rounds of each program and case
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds measured in a round
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Only cases of at most this many sessions
    #[arg(long, default_value_t = u32::MAX)]
    sessions: u32,
    /// Only cases with this in their name, such as "new only"
    #[arg(long, default_value = "")]
    only: String,
    /// Where the JSON goes
    #[arg(long, default_value = "bench-results/throughput.json")]
    json: PathBuf,
    /// Run one case in this process and print it
    #[arg(long, hide = true)]
    child: Option<String>,
    #[arg(long, hide = true)]
    capture: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(case) = &arguments.child {
        let case: Case = serde_json::from_str(case)?;
        let capture = arguments.capture.context("--capture")?;
        println!("{}", serde_json::to_string(&director::run(case, &capture, arguments.seconds)?)?);
        return Ok(());
    }
    let wanted =
        |case: &Case| case.sessions <= arguments.sessions && case.to_string().contains(&arguments.only);
    let cases: Vec<Case> = CASES.into_iter().filter(wanted).collect();
    ensure!(!cases.is_empty(), "no such case");
    let directory = std::env::temp_dir().join(format!("homeward-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let rows = measure(&arguments, &cases, &directory);
    fs::remove_dir_all(&directory)?;
    let rows = rows?;
    print!("\n{}", table(&rows));
    if let Some(parent) = arguments.json.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&arguments.json, serde_json::to_string_pretty(&json(&rows))?)?;
    println!("\nwritten: {}", arguments.json.display());
    Ok(())
}

/// All rows that could be measured; a row that could not says why and is left out.
fn measure(arguments: &Arguments, cases: &[Case], directory: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &case in cases {
        let path = directory.join(case.capture());
        if !path.exists() {
            capture::write(&path, &case)?;
        }
        match row(arguments, case, &path) {
            Ok(row) => rows.push(row),
            Err(error) => eprintln!("{case}: left out: {error:#}"),
        }
    }
    Ok(rows)
}

fn row(arguments: &Arguments, case: Case, path: &std::path::Path) -> anyhow::Result<Row> {
    let memory = u64::from(case.buffers()) * (u64::from(case.room()) + 256) + u64::from(case.sessions) * 96;
    let _pages = pages::reserve(memory / 1_000_000 + 512)?;
    let mut row = Row { case, homeward: Vec::new(), testpmd: Vec::new() };
    for round in 1..=arguments.rounds {
        let theirs = testpmd::macswap(path, &case, arguments.seconds)?;
        let ours = director::in_child(case, path, arguments.seconds)?;
        eprintln!("{case}, round {round}: {:.2} Mpps, testpmd {:.2}", ours.mpps, theirs.mpps);
        row.homeward.push(ours);
        row.testpmd.push(theirs);
    }
    Ok(row)
}
