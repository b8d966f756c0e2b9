//! Instructions a packet, beside the kept budget: see `benches::budget`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, ensure};
use benches::budget::{
    count::instructions,
    run::{Kind, run},
};
use clap::{Parser, Subcommand};

/// A change may exceed the budget by this much.
const TOLERANCE: f64 = 0.03;

#[derive(Parser)]
#[command(version, about = "Counts the worker's instructions a packet under callgrind")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare with the budget; fails if it is exceeded by more than 3 %
    Check {
        /// Instructions a packet by kind of traffic
        #[arg(long, default_value = "benches/budget.json")]
        budget: PathBuf,
        /// Write the figures as the new budget instead
        #[arg(long)]
        update: bool,
    },
    /// The run that is counted
    Run {
        kind: Kind,
        #[arg(long, default_value_t = 64)]
        bursts: u32,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run { kind, bursts } => run(kind, bursts),
        Command::Check { budget, update } => {
            let found = Kind::ALL
                .into_iter()
                .map(|kind| Ok((kind, (instructions(kind)? * 10.0).round() / 10.0)))
                .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
            if update {
                fs::write(&budget, serde_json::to_string_pretty(&found)? + "\n")?;
            }
            let text = fs::read_to_string(&budget).with_context(|| budget.display().to_string())?;
            let kept: BTreeMap<Kind, f64> = serde_json::from_str(&text)?;
            println!("{:<12} {:>12} {:>8}", "traffic", "instructions", "budget");
            let mut exceeded = Vec::new();
            for (kind, count) in &found {
                let name = format!("{kind:?}").to_lowercase();
                let limit = *kept.get(kind).with_context(|| format!("{}: no {name}", budget.display()))?;
                println!("{name:<12} {count:>12.1} {limit:>8.1}");
                if *count > limit * (1.0 + TOLERANCE) {
                    exceeded.push(name);
                }
            }
            ensure!(
                exceeded.is_empty(),
                "more than 3 % over the budget: {}. If it is worth that, change {} in the same commit (--update)",
                exceeded.join(", "),
                budget.display()
            );
            Ok(())
        }
    }
}
