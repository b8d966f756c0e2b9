//! Rounds: the programs of a group take turns, so that a machine that drifts does so under all of them.

use std::{fs, path::PathBuf, thread};

use anyhow::Context;

use super::{
    capture, homeward, hugepages,
    measure::Measured,
    plan::{Program, Run},
    report::{Results, Skipped},
    row::Row,
    source::Source,
    testpmd,
};

/// How it is measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of each program.
    pub rounds: u32,
    /// In a round.
    pub seconds: u32,
    /// Where captures are kept meanwhile.
    pub directory: PathBuf,
}

/// A run so far.
struct Progress {
    run: Run,
    rounds: Vec<Measured>,
    /// Why it goes no further.
    failed: Option<String>,
}

/// Measures the runs of a group; one that cannot be measured says why and is left out.
pub fn measure(settings: &Settings, group: &[Run], results: &mut Results) {
    let mut all: Vec<Progress> =
        group.iter().map(|run| Progress { run: *run, rounds: Vec::new(), failed: None }).collect();
    if let Err(error) = take_turns(settings, &mut all) {
        for one in &mut all {
            one.failed.get_or_insert(format!("{error:#}"));
        }
    }
    forget_captures(settings, group);
    let baseline = |source: Source| all.iter().find(|one| one.run == Run::baseline(source));
    for one in &all {
        let theirs = baseline(one.run.source).filter(|theirs| theirs.failed.is_none());
        match (&one.failed, theirs) {
            (None, Some(theirs)) => {
                let (rounds, baseline) = (one.rounds.clone(), theirs.rounds.clone());
                results.rows.push(Row { run: one.run, rounds, baseline });
            }
            (failed, _) => {
                let reason = failed.clone().unwrap_or_else(|| "it has no yardstick".into());
                results.left_out.push(Skipped { name: one.run.to_string(), reason });
            }
        }
    }
}

fn take_turns(settings: &Settings, all: &mut [Progress]) -> anyhow::Result<()> {
    let cpus = thread::available_parallelism()?.get();
    let mut sources: Vec<Source> = all.iter().map(|one| one.run.source).collect();
    sources.dedup();
    // testpmd's main core is apart from its first worker.
    for one in all.iter_mut().filter(|one| usize::from(one.run.source.workers.max(2)) > cpus) {
        one.failed = Some(format!("it needs 2 CPUs, there are {cpus}"));
    }
    let megabytes = sources.iter().map(Source::megabytes).max().unwrap_or_default();
    let _pages = hugepages::reserve(megabytes)?;
    for source in &sources {
        capture::write(&settings.directory.join(source.file()), source)
            .with_context(|| format!("capture of {source}"))?;
    }
    for round in 1..=settings.rounds {
        for at in 0..all.len() {
            let run = all[at].run;
            let stopped = |one: &Progress| one.failed.is_some() && one.run.source == run.source;
            if all[at].failed.is_some() || all.iter().any(|one| one.run.is_baseline() && stopped(one)) {
                continue;
            }
            match once(settings, &run).or_else(|error| {
                eprintln!("{run}, round {round}: once more after: {error:#}");
                once(settings, &run)
            }) {
                Ok(measured) => {
                    eprintln!("{run}, round {round}: {:.2} Mpps", measured.mpps);
                    all[at].rounds.push(measured);
                }
                Err(error) => {
                    eprintln!("{run}: left out: {error:#}");
                    all[at].failed = Some(format!("{error:#}"));
                }
            }
        }
    }
    Ok(())
}

/// Captures are large: those of a group that is done make room for the next one's.
fn forget_captures(settings: &Settings, group: &[Run]) {
    for Run { source, .. } in group {
        for queue in 0..source.workers {
            let file = capture::of_source(&settings.directory.join(source.file()), queue);
            // It may never have been written, or be gone already; what stays goes with the directory.
            let _ = fs::remove_file(file);
        }
    }
}

fn once(settings: &Settings, run: &Run) -> anyhow::Result<Measured> {
    let path = settings.directory.join(run.source.file());
    match run.program {
        Program::Testpmd(forward) => testpmd::run(forward, &path, &run.source, settings.seconds),
        Program::Homeward(case) => homeward::in_child(case, &path, settings.seconds),
    }
}
