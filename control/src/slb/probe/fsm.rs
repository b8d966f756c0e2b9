//! When whom to ask, and what its answers make of it. Pure: time is an argument, and what is to be sent is returned.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddrV4,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::time::Nanos;
use rustc_hash::FxHashMap;

use super::target::{ProbeState, Question, Target, TargetId};
use crate::slb::config::ObjectName;

/// First tries are spread over this time, or over the interval if that is shorter.
const SPREAD: Duration = Duration::from_secs(1);

/// The end of a try.
#[derive(Clone, Debug)]
pub struct Over {
    /// Who was asked.
    pub target: Arc<Target>,
    /// What that server has become, if it is another than before.
    pub change: Option<ProbeState>,
}

/// A try that is to be made now.
#[derive(Clone, Debug)]
pub struct Try {
    /// Whom to ask.
    pub target: Arc<Target>,
    /// What its answer must carry, where it carries one. Never the same as that of another open try.
    pub nonce: u32,
}

/// What came back for a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer.
    Answered,
    /// The server, or a router before it, refuses.
    Refused,
    /// This host could not ask: that says nothing of the server.
    NotSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The answer has not come.
    Expire(u32),
    /// It is time to ask.
    Ask,
}

#[derive(Debug)]
struct Running {
    target: Arc<Target>,
    state: ProbeState,
    /// Tries without an answer, in a row.
    unanswered: u8,
    /// Answers, in a row.
    answers: u8,
    /// The open try: its nonce, and when it was made.
    open: Option<(u32, Nanos)>,
    /// When it is asked next.
    next: Nanos,
}

/// All servers that are asked.
#[derive(Debug, Default)]
pub struct Prober {
    running: FxHashMap<TargetId, Running>,
    /// What happens when. Events of what is gone, or was answered, stay until they are due.
    events: BinaryHeap<Reverse<(Nanos, TargetId, Event)>>,
    /// Open tries by nonce, which nobody else chooses.
    open: FxHashMap<u32, TargetId>,
    /// A probe asks a server once.
    by_server: HashMap<(ObjectName, SocketAddrV4), TargetId>,
}

impl Prober {
    /// Asks these, and no others. Those that were asked before go on.
    pub fn set(&mut self, targets: &[Arc<Target>], now: Nanos) {
        let wanted: FxHashMap<_, _> = targets.iter().map(|target| (target.id, target)).collect();
        let open = &mut self.open;
        self.running.retain(|id, running| {
            let kept = wanted.contains_key(id);
            if let (false, Some((nonce, _))) = (kept, running.open) {
                open.remove(&nonce);
            }
            kept
        });
        let by_server = targets.iter().map(|target| ((target.probe.clone(), target.server), target.id));
        self.by_server = by_server.collect();
        for (at, target) in targets.iter().enumerate() {
            self.running.entry(target.id).or_insert_with(|| {
                let spread = SPREAD.min(target.terms.interval) * at as u32 / targets.len() as u32;
                let next = now.after(spread);
                self.events.push(Reverse((next, target.id, Event::Ask)));
                Running {
                    target: Arc::clone(target),
                    state: target.state,
                    unanswered: 0,
                    answers: 0,
                    open: None,
                    next,
                }
            });
        }
    }

    /// When [`Prober::poll`] has something to do.
    pub fn deadline(&self) -> Option<Nanos> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// Tries to be made, and those that nobody has answered, as of `now`. `nonce` makes numbers that nobody can guess.
    pub fn poll(
        &mut self,
        now: Nanos,
        mut nonce: impl FnMut() -> u32,
        tries: &mut Vec<Try>,
        unanswered: &mut Vec<Over>,
    ) {
        while let Some(Reverse((at, id, event))) = self.events.peek().copied().filter(|next| next.0.0 <= now)
        {
            self.events.pop();
            let Some(running) = self.running.get_mut(&id) else { continue };
            match event {
                Event::Expire(nonce) => {
                    if running.open.is_some_and(|(open, _)| open == nonce) {
                        running.open = None;
                        self.open.remove(&nonce);
                        unanswered.push(running.unanswered());
                    }
                }
                Event::Ask if at != running.next => {}
                Event::Ask => {
                    let fresh = loop {
                        let fresh = nonce();
                        if !self.open.contains_key(&fresh) {
                            break fresh;
                        }
                    };
                    let terms = &running.target.terms;
                    // Times that were missed, while the process stood still, are not made up for.
                    running.next = at.after(terms.interval).max(now.after(terms.timeout));
                    self.events.push(Reverse((now.after(terms.timeout), id, Event::Expire(fresh))));
                    self.events.push(Reverse((running.next, id, Event::Ask)));
                    running.open = Some((fresh, now));
                    self.open.insert(fresh, id);
                    running.target.counters.tries.fetch_add(1, Relaxed);
                    tries.push(Try { target: Arc::clone(&running.target), nonce: fresh });
                }
            }
        }
    }

    /// What came back for the try with this nonce; of one that is over nothing is heeded.
    pub fn resolve(&mut self, nonce: u32, outcome: Outcome, now: Nanos) -> Option<Over> {
        let id = self.open.remove(&nonce)?;
        let running = self.running.get_mut(&id)?;
        let (_, asked) = running.open.take()?;
        let counters = &running.target.counters;
        Some(match outcome {
            Outcome::Answered => {
                counters.answers.fetch_add(1, Relaxed);
                counters.round_trip.store(now.since(asked).as_nanos().max(1) as u64, Relaxed);
                if let Question::Registration { .. } = running.target.terms.question {
                    running.target.reals.iter().for_each(|real| real.vouch());
                }
                running.answered()
            }
            Outcome::Refused => running.unanswered(),
            Outcome::NotSent => {
                counters.tries.fetch_sub(1, Relaxed);
                counters.not_sent.fetch_add(1, Relaxed);
                running.next = now.after(running.target.terms.question.again());
                self.events.push(Reverse((running.next, id, Event::Ask)));
                Over { target: Arc::clone(&running.target), change: None }
            }
        })
    }

    /// The open try of a probe at a server.
    pub fn open_at(&self, probe: &ObjectName, server: SocketAddrV4) -> Option<u32> {
        let id = self.by_server.get(&(probe.clone(), server))?;
        self.running.get(id)?.open.map(|(nonce, _)| nonce)
    }

    /// Who was asked with this nonce, while the try is open.
    pub fn asked(&self, nonce: u32) -> Option<&Arc<Target>> {
        self.open.get(&nonce).and_then(|id| self.running.get(id)).map(|running| &running.target)
    }
}

impl Running {
    fn answered(&mut self) -> Over {
        self.unanswered = 0;
        self.answers = self.answers.saturating_add(1);
        let enough = self.answers >= self.target.terms.retry;
        self.become_state(match self.state {
            ProbeState::Operational => ProbeState::Operational,
            _ if enough => ProbeState::Operational,
            _ => ProbeState::Testing,
        })
    }

    fn unanswered(&mut self) -> Over {
        self.answers = 0;
        self.unanswered = self.unanswered.saturating_add(1);
        let enough = self.unanswered >= self.target.terms.faildetect;
        self.become_state(match self.state {
            ProbeState::Operational if !enough => ProbeState::Operational,
            _ => ProbeState::Failed,
        })
    }

    fn become_state(&mut self, state: ProbeState) -> Over {
        let changed = std::mem::replace(&mut self.state, state) != state;
        Over { target: Arc::clone(&self.target), change: changed.then_some(state) }
    }
}

#[cfg(test)]
mod tests {
    use common::slb::RealLive;

    use super::*;
    use crate::slb::probe::target::{TargetCounters, Terms};

    fn at(millis: u64) -> Nanos {
        Nanos(millis * 1_000_000)
    }

    fn target(id: u32, question: Question, state: ProbeState, real: &Arc<RealLive>) -> Arc<Target> {
        Arc::new(Target {
            id: TargetId(id),
            probe: "P".parse().unwrap(),
            server: "10.1.1.51:434".parse().unwrap(),
            terms: Arc::new(Terms {
                question,
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(2),
                faildetect: 3,
                retry: 2,
            }),
            state,
            counters: Arc::new(TargetCounters::default()),
            reals: vec![Arc::clone(real)],
        })
    }

    /// A prober of one target, with a clock.
    struct Bench {
        prober: Prober,
        target: Arc<Target>,
        nonce: u32,
        now: u64,
    }

    impl Bench {
        fn new(state: ProbeState) -> Self {
            let target = target(1, Question::Echo, state, &Arc::default());
            let mut prober = Prober::default();
            prober.set(&[Arc::clone(&target)], at(0));
            Self { prober, target, nonce: 0, now: 0 }
        }

        /// Goes on to the next event: nonces of the tries made, and what changed.
        fn step(&mut self) -> (Vec<u32>, Vec<ProbeState>) {
            let due = self.prober.deadline().expect("there is always a next try");
            self.now = due.0 / 1_000_000;
            let (mut tries, mut changes) = (Vec::new(), Vec::new());
            let nonce = &mut self.nonce;
            let fresh = || {
                *nonce += 1;
                *nonce
            };
            self.prober.poll(due, fresh, &mut tries, &mut changes);
            (
                tries.iter().map(|one| one.nonce).collect(),
                changes.iter().filter_map(|over: &Over| over.change).collect(),
            )
        }

        /// The next try is made, and ends so.
        fn ask(&mut self, outcome: Option<Outcome>) -> Option<ProbeState> {
            let (tries, changes) = self.step();
            assert_eq!((tries.len(), changes.len()), (1, 0), "at {}", self.now);
            if let Some(outcome) = outcome {
                let change = self.prober.resolve(tries[0], outcome, at(self.now + 1));
                let (tries, changes) = self.step();
                assert_eq!((tries.len(), changes.len()), (0, 0), "the try is over before its time is");
                return change.and_then(|over| over.change);
            }
            let (tries, changes) = self.step();
            assert_eq!(tries.len(), 0);
            changes.first().copied()
        }
    }

    #[test]
    fn a_server_fails_after_as_many_silent_tries_and_is_back_after_as_many_answers() {
        let mut bench = Bench::new(ProbeState::Operational);
        assert_eq!(bench.ask(None), None);
        assert_eq!(bench.now, 2000, "a try is lost after its time");
        assert_eq!(bench.ask(Some(Outcome::Answered)), None, "an answer between begins the count again");
        assert_eq!([bench.ask(None), bench.ask(None)], [None, None]);
        assert_eq!(bench.ask(None), Some(ProbeState::Failed));
        assert_eq!(bench.now, 42_000);
        assert_eq!(bench.ask(Some(Outcome::Answered)), Some(ProbeState::Testing));
        assert_eq!(bench.ask(None), Some(ProbeState::Failed), "answers in a row");
        assert_eq!(bench.ask(Some(Outcome::Answered)), Some(ProbeState::Testing));
        assert_eq!(bench.ask(Some(Outcome::Answered)), Some(ProbeState::Operational));
        let counters = &bench.target.counters;
        assert_eq!((counters.tries.load(Relaxed), counters.answers.load(Relaxed)), (9, 4));
        assert_eq!(counters.round_trip(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_refusal_counts_at_once_and_what_this_host_could_not_send_does_not() {
        let mut bench = Bench::new(ProbeState::Operational);
        assert_eq!(bench.ask(Some(Outcome::Refused)), None);
        assert_eq!(bench.ask(Some(Outcome::Refused)), None);
        for _ in 0..20 {
            let (tries, _) = bench.step();
            let Some(nonce) = tries.first() else { continue };
            let over = bench.prober.resolve(*nonce, Outcome::NotSent, at(bench.now)).unwrap();
            assert_eq!(over.change, None);
        }
        assert!(bench.now < 24_000, "it is tried again soon: {}", bench.now);
        assert_eq!(bench.target.counters.tries.load(Relaxed), 2);
        assert!(bench.target.counters.not_sent.load(Relaxed) > 10);
        while bench.step().0.is_empty() {}
        let nonce = bench.nonce;
        assert_eq!(
            bench.prober.resolve(nonce, Outcome::Refused, at(bench.now)).and_then(|over| over.change),
            Some(ProbeState::Failed),
            "the count went on where it was"
        );
    }

    #[test]
    fn a_script_that_was_not_started_is_not_tried_again_at_once() {
        let script = crate::slb::config::Script { file: "a.sh".parse().unwrap(), arguments: Vec::new() };
        let script = target(1, Question::Script(script), ProbeState::Operational, &Arc::default());
        let mut prober = Prober::default();
        prober.set(&[script], at(0));
        let (mut tries, mut over) = (Vec::new(), Vec::new());
        prober.poll(at(0), || 1, &mut tries, &mut over);
        prober.resolve(1, Outcome::NotSent, at(50));
        prober.poll(at(1049), || 2, &mut tries, &mut over);
        assert_eq!(tries.len(), 1);
        prober.poll(at(1050), || 2, &mut tries, &mut over);
        assert_eq!(tries.len(), 2);
    }

    #[test]
    fn a_late_or_foreign_answer_is_not_heeded() {
        let mut bench = Bench::new(ProbeState::Failed);
        let (tries, _) = bench.step();
        assert_eq!(bench.prober.asked(tries[0]).unwrap().id, TargetId(1));
        let (probe, server) = (&bench.target.probe, bench.target.server);
        assert_eq!(bench.prober.open_at(probe, server), Some(tries[0]));
        assert_eq!(bench.prober.open_at(&"Q".parse().unwrap(), server), None);
        assert!(bench.prober.resolve(tries[0] + 1, Outcome::Answered, at(1)).is_none());
        bench.step();
        assert!(bench.prober.resolve(tries[0], Outcome::Answered, at(2001)).is_none(), "too late");
        assert_eq!(bench.prober.open_at(&bench.target.probe, bench.target.server), None);
        assert_eq!(bench.target.counters.answers.load(Relaxed), 0);
    }

    #[test]
    fn after_a_standstill_one_try_is_made_and_not_one_for_each_missed_time() {
        let mut bench = Bench::new(ProbeState::Operational);
        bench.ask(Some(Outcome::Answered));
        let (mut tries, mut changes) = (Vec::new(), Vec::new());
        let mut nonces = 100..;
        bench.prober.poll(at(95_000), || nonces.next().unwrap(), &mut tries, &mut changes);
        assert_eq!((tries.len(), changes.len()), (1, 0));
        bench.prober.poll(at(97_000), || nonces.next().unwrap(), &mut tries, &mut changes);
        assert_eq!(tries.len(), 2, "the next one follows once that is over");
    }

    #[test]
    fn first_tries_are_spread_and_who_was_asked_before_goes_on() {
        let real = Arc::default();
        let all: Vec<_> =
            (0..4).map(|id| target(id, Question::Echo, ProbeState::Operational, &real)).collect();
        let mut prober = Prober::default();
        prober.set(&all, at(0));
        let mut nonces = 1..;
        let mut times = Vec::new();
        let mut poll = |prober: &mut Prober, times: &mut Vec<_>| {
            let due = prober.deadline().unwrap();
            let (mut tries, mut changes) = (Vec::new(), Vec::new());
            prober.poll(due, || nonces.next().unwrap(), &mut tries, &mut changes);
            times.extend(tries.iter().map(|one| (due.0 / 1_000_000, one.target.id.0)));
        };
        (0..4).for_each(|_| poll(&mut prober, &mut times));
        assert_eq!(times, [(0, 0), (250, 1), (500, 2), (750, 3)]);
        prober.set(&all[2..], at(800));
        times.clear();
        while times.len() < 2 {
            poll(&mut prober, &mut times);
        }
        assert_eq!(times, [(10_500, 2), (10_750, 3)]);
        assert_eq!(prober.open.len(), 2, "nothing is left of who is gone");
    }
}
