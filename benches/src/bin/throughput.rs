//! `make bench`: see `benches::throughput`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use benches::throughput::{
    case::Case,
    chart, homeward,
    plan::{Run, groups},
    report::{Results, json, table},
    rounds::{Settings, measure},
};
use clap::Parser;

/// Homeward's workers on RRQs beside dpdk-testpmd on the same captures, alternating rounds.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Rounds of each program and row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds measured in a round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only rows of at most this many sessions
    #[arg(long, default_value_t = u32::MAX)]
    sessions: u32,
    /// Only rows with this in their name, such as "new only", and their baselines
    #[arg(long, default_value = "")]
    only: String,
    /// Print the names of the rows and measure nothing
    #[arg(long)]
    list: bool,
    /// Where the JSON goes; the chart is beside it, with .svg
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
        println!("{}", serde_json::to_string(&homeward::run(case, &capture, arguments.seconds)?)?);
        return Ok(());
    }
    let wanted =
        |run: &Run| run.source.sessions <= arguments.sessions && run.to_string().contains(&arguments.only);
    let groups = groups(wanted);
    ensure!(!groups.is_empty(), "no such row");
    if arguments.list {
        groups.iter().flatten().for_each(|run| println!("{run}"));
        return Ok(());
    }
    let directory = std::env::temp_dir().join(format!("homeward-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let measured = all(&arguments, &groups, &directory);
    fs::remove_dir_all(&directory)?;
    let results = measured?;
    println!("\n{}", table(&results));
    println!("\nwritten: {} and {}", arguments.json.display(), picture(&arguments.json).display());
    Ok(())
}

/// Measures group by group; what is done is on disk if the rest is interrupted.
fn all(arguments: &Arguments, groups: &[Vec<Run>], directory: &Path) -> anyhow::Result<Results> {
    let settings =
        Settings { rounds: arguments.rounds, seconds: arguments.seconds, directory: directory.to_owned() };
    if let Some(parent) = arguments.json.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut results = Results::default();
    for group in groups {
        measure(&settings, group, &mut results);
        fs::write(&arguments.json, serde_json::to_string_pretty(&json(&results))?)?;
        fs::write(picture(&arguments.json), chart::svg(&results.rows)?)?;
    }
    Ok(results)
}

fn picture(json: &Path) -> PathBuf {
    json.with_extension("svg")
}
