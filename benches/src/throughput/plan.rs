//! The rows, in the order in which they are measured.

use serde::Serialize;

use super::{
    case::{Case, MILLION, Mode, Traffic},
    source::{Frames, Source},
    testpmd::Forward,
};

/// Sessions of the rows.
const SESSIONS: [u32; 3] = [10_000, MILLION, 10 * MILLION];
/// Workers of the rows.
const WORKERS: [u8; 2] = [1, 2];
/// Snapshots a second of the row that has them.
const PUBLICATIONS: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// `dpdk-testpmd`.
    Testpmd(Forward),
    /// The worker.
    Homeward(Case),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What it is fed with.
    pub source: Source,
    /// What is fed.
    pub program: Program,
}

impl Run {
    /// The baseline of a source.
    pub fn baseline(source: Source) -> Self {
        Self { source, program: Program::Testpmd(Forward::Macswap) }
    }

    /// Whether it is one.
    pub fn is_baseline(&self) -> bool {
        *self == Self::baseline(self.source)
    }

    /// The case, if Homeward is what runs.
    pub fn case(&self) -> Option<Case> {
        match self.program {
            Program::Testpmd(_) => None,
            Program::Homeward(case) => Some(case),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.program {
            Program::Testpmd(forward) => write!(f, "testpmd {}, {}", forward.name(), self.source),
            Program::Homeward(case) => case.fmt(f),
        }
    }
}

/// The rows that `wanted` picks, and the baselines of their sources; those of a group take turns in each round.
pub fn groups(wanted: impl Fn(&Run) -> bool) -> Vec<Vec<Run>> {
    let requests = SESSIONS
        .iter()
        .flat_map(|sessions| [Frames::Requests, Frames::Mixed].map(|frames| group(*sessions, frames)));
    let all = requests.chain([data()]);
    all.map(|group| {
        let picked: Vec<Run> = group.iter().filter(|run| wanted(run)).copied().collect();
        let needed = |run: &Run| {
            picked.contains(run) || run.is_baseline() && picked.iter().any(|one| one.source == run.source)
        };
        group.into_iter().filter(needed).collect::<Vec<Run>>()
    })
    .filter(|group| !group.is_empty())
    .collect()
}

fn group(sessions: u32, frames: Frames) -> Vec<Run> {
    WORKERS.iter().flat_map(|workers| of_source(Source { frames, sessions, workers: *workers })).collect()
}

/// Packets into tunnels.
fn data() -> Vec<Run> {
    let source = Source { frames: Frames::Data, ..Source::nodes(MILLION) };
    let cases = [Traffic::IpInIp, Traffic::Gre].map(|traffic| {
        let case = Case { traffic, sessions: MILLION, mode: Mode::Dispatched, workers: 1, publications: 0 };
        Run { source, program: Program::Homeward(case) }
    });
    [Run::baseline(source)].into_iter().chain(cases).collect()
}

fn of_source(source: Source) -> Vec<Run> {
    let mut runs = vec![Run::baseline(source)];
    let Source { frames, sessions, workers } = source;
    let mixed = frames == Frames::Mixed;
    if !mixed {
        let others = [Forward::Io, Forward::FiveTupleSwap];
        runs.extend(others.map(|forward| Run { source, program: Program::Testpmd(forward) }));
    }
    let traffics: &[Traffic] = if mixed { &[Traffic::Mixed] } else { &[Traffic::Repeats, Traffic::New] };
    for &traffic in traffics {
        for mode in [Mode::Dispatched, Mode::Directed] {
            let case = Case { traffic, sessions, mode, workers, publications: 0 };
            runs.push(Run { source, program: Program::Homeward(case) });
            if traffic == Traffic::Repeats && mode == Mode::Dispatched && sessions == MILLION && workers == 1
            {
                let case = Case { publications: PUBLICATIONS, ..case };
                runs.push(Run { source, program: Program::Homeward(case) });
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_its_baseline_comes_first() {
        let groups = groups(|_| true);
        let mut names: Vec<String> = groups.iter().flatten().map(Run::to_string).collect();
        for run in groups.iter().flatten().filter(|run| run.case().is_some()) {
            let group = groups.iter().find(|group| group.contains(run)).unwrap();
            let place = |one: &Run| group.iter().position(|other| other == one).unwrap();
            assert!(place(&Run::baseline(run.source)) < place(run), "{run}");
        }
        let count = names.len();
        // 3 sizes, 1 and 2 workers: 3 of testpmd and 4 of Homeward, mixed 1 and 2; one with publications. Tunnels: 1 and 2.
        assert_eq!(count, 3 * 2 * (3 + 4 + 1 + 2) + 1 + 3);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_row_alone_brings_its_baseline() {
        let groups = groups(|run| run.to_string() == "new only, directed, 10000 sessions, 2 workers");
        let names: Vec<String> = groups.iter().flatten().map(Run::to_string).collect();
        assert_eq!(
            names,
            ["testpmd macswap, 10000 frames, 2 cores", "new only, directed, 10000 sessions, 2 workers"]
        );
    }
}
