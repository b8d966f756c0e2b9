//! Plans against devices that exist in a formula only.

use std::time::Duration;

use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::{
    measure::{
        config::{Latency, Sessions, Soak, Throughput},
        director_counters::{DirectorCounters, FrameBalance},
        latency::LatencyPlan,
        plan::{Next, Plan, Task},
        search::{Search, ThroughputPlan},
        sessions::SessionsPlan,
        soak::SoakPlan,
    },
    result::{Filled, Frames, Phase, Step},
    scenario::{Choice, Nodes, Traffic},
};

fn traffic(rate: f64) -> Traffic {
    Traffic { rate, ..Traffic::default() }
}

fn nodes(count: u32) -> Nodes {
    Nodes { nai: "user{n}".parse().unwrap(), count, first: 1, choice: Choice::Turn, zipf: 1.0 }
}

/// The step that comes of a task when `frames` are its frames.
fn step(task: &Task, offered: f64, frames: Frames) -> Step {
    let seconds = task.duration.as_secs_f64();
    Step {
        index: 0,
        phase: task.phase,
        label: task.label.clone(),
        at: 0.0,
        seconds,
        target: task.schedule.rate,
        offered,
        forwarded: frames.right as f64 / seconds,
        load: task.load,
        frames,
        loss: if frames.sent > 0 { 1.0 - frames.right as f64 / frames.sent as f64 } else { 0.0 },
        losses: [].into(),
        latency: None,
        recovery: None,
        sessions: 0,
        table: None,
        table_at: None,
        passed: None,
        workers: Vec::new(),
    }
}

fn carried(sent: u64, right: u64) -> Frames {
    Frames { sent, right, lost: sent - right, ..Frames::default() }
}

/// A device that carries `capacity` frames a second, fed by a sender that sends `fastest`.
fn run(plan: &mut dyn Plan, capacity: f64, fastest: f64) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        match plan.next(0) {
            Next::End => return steps,
            Next::Wait => panic!("it waits though everything is settled"),
            Next::Task(task) => {
                assert_eq!(plan.next(0), Next::Wait, "a trial is judged before the next one");
                let offered = task.schedule.rate.unwrap_or(fastest).min(fastest);
                let sent = offered * task.duration.as_secs_f64();
                let right = sent.min(capacity * task.duration.as_secs_f64());
                let mut step = step(&task, offered, carried(sent as u64, right as u64));
                plan.done(&mut step);
                steps.push(step);
                assert!(steps.len() < 100);
            }
        }
    }
}

#[test]
fn a_trial_that_sent_nothing_has_not_passed() {
    for rate in [0.0, 1000.0] {
        let settings = Throughput { resolution: 0.5, ..Throughput::default() };
        let mut plan = ThroughputPlan::new(settings, &traffic(rate));
        let steps = run(&mut plan, 640.0, 0.0);
        assert!(steps.iter().all(|step| step.passed == Some(false)), "{steps:?}");
        let outcome = plan.outcome();
        assert!(!outcome.passed && outcome.rate.is_none(), "{outcome:?}");
    }
}

#[test]
fn the_search_halves_until_it_knows() {
    let settings = Throughput { trial: Duration::from_secs(1), resolution: 0.05, ..Throughput::default() };
    let mut plan = ThroughputPlan::new(settings, &traffic(1000.0));
    let steps = run(&mut plan, 640.0, 1e9);
    let trials: Vec<_> =
        steps.iter().map(|step| (step.target.unwrap() as u32, step.passed.unwrap())).collect();
    assert_eq!(trials, [(1000, false), (500, true), (750, false), (625, true), (687, false), (656, false)]);
    let outcome = plan.outcome();
    assert!(outcome.passed);
    assert_eq!((outcome.rate, outcome.loss, outcome.resolution), (Some(625.0), Some(0.0), Some(50.0)));
}

#[test]
fn a_device_that_carries_the_ceiling_needs_one_trial_behind_the_warm_up() {
    let settings = Throughput { warmup: Duration::from_secs(3), ..Throughput::default() };
    let mut plan = ThroughputPlan::new(settings, &traffic(0.0));
    let steps = run(&mut plan, 1e9, 5000.0);
    assert_eq!(steps.iter().map(|step| step.phase).collect::<Vec<_>>(), [Phase::Warmup, Phase::Trial]);
    assert_eq!((steps[1].target, plan.outcome().rate), (None, Some(5000.0)));
    assert_eq!(steps[0].target, Some(1000.0));
}

#[test]
fn trials_that_were_sent_too_slowly_are_told() {
    let settings = Throughput { resolution: 0.25, ..Throughput::default() };
    let mut plan = ThroughputPlan::new(settings.clone(), &traffic(1000.0));
    run(&mut plan, 400.0, 600.0);
    assert!(
        plan.outcome().reason.ends_with("; 1 of 3 trials were sent slower than they should"),
        "{}",
        plan.outcome().reason
    );
    let mut plan = ThroughputPlan::new(settings, &traffic(1000.0));
    run(&mut plan, 400.0, 1000.0);
    assert!(!plan.outcome().reason.contains("slower"), "{}", plan.outcome().reason);
}

#[test]
fn a_device_that_carries_nothing_fails() {
    let mut plan = ThroughputPlan::new(Throughput::default(), &traffic(1000.0));
    run(&mut plan, 0.0, 1e9);
    assert!(!plan.outcome().passed && plan.outcome().rate.is_none());
}

proptest! {
    #[test]
    fn the_search_finds_every_capacity(
        ceiling in proptest::option::of(1.0f64..1e7),
        capacity in 0.0f64..1e7,
        fastest in 10.0f64..1e7,
        bound in 0.0f64..0.2,
        resolution in 0.001f64..0.5,
    ) {
        let mut search = Search::new(ceiling, bound, resolution);
        let mut trials = 0;
        while let Some(target) = search.next() {
            let offered = target.unwrap_or(f64::INFINITY).min(fastest);
            let loss = (1.0 - capacity / offered).max(0.0);
            let passed = search.tried(target, offered, loss);
            prop_assert_eq!(passed, loss <= bound);
            trials += 1;
            prop_assert!(trials <= (1.0 / resolution).log2().ceil() as u32 + 2, "{} trials", trials);
        }
        // What it can carry with that loss, as far as it can be offered.
        let truth = (capacity / (1.0 - bound)).min(ceiling.unwrap_or(f64::INFINITY)).min(fastest);
        match search.best() {
            Some((rate, loss)) => {
                prop_assert!(loss <= bound);
                prop_assert!(rate <= truth * (1.0 + 1e-9) && truth - rate <= search.width() * (1.0 + 1e-9), "{} {}", rate, truth);
            }
            None => prop_assert!(truth <= search.width() * (1.0 + 1e-9)),
        }
    }
}

#[test]
fn loads_are_shares_of_the_rate() {
    let settings = Latency { warmup: Duration::from_secs(1), ..Latency::default() };
    let mut plan = LatencyPlan::new(settings, &traffic(2000.0)).unwrap();
    let steps = run(&mut plan, 1e9, 1e9);
    let rates: Vec<_> = steps.iter().map(|step| (step.load, step.target.unwrap())).collect();
    assert_eq!(rates, [(None, 200.0), (Some(10.0), 200.0), (Some(50.0), 1000.0), (Some(90.0), 1800.0)]);
    assert!(!plan.outcome().passed, "nothing was measured");
    assert!(LatencyPlan::new(Latency::default(), &traffic(0.0)).is_err_and(|it| it.field == "traffic.rate"));
}

#[test]
fn sessions_fill_the_table_exactly_and_then_churn() {
    let settings = Sessions { capacity: Some(250), churn: Duration::from_secs(3), ..Sessions::default() };
    let traffic = Traffic { new: Some(0.3), retransmit: 0.1, ..traffic(100.0) };
    let mut plan = SessionsPlan::new(settings, &nodes(1000), &traffic);
    let (mut distinct, mut steps) = (0u64, Vec::new());
    while let Next::Task(task) = plan.next(distinct) {
        let sent = task.frames.unwrap_or(u64::MAX).min(100);
        let new = if task.phase == Phase::Fill { sent } else { 30 };
        distinct += new;
        plan.done(&mut step(&task, 100.0, Frames { new, created: new, ..carried(sent, sent) }));
        steps.push((task.phase, sent, task.mix.unwrap().new));
    }
    let fill = |sent| (Phase::Fill, sent, Some(1.0));
    let churn = (Phase::Churn, 100, Some(0.3));
    assert_eq!(steps, [fill(100), fill(100), fill(50), churn, churn, churn]);
    let outcome = plan.outcome();
    assert_eq!((outcome.passed, outcome.sessions, outcome.filled), (true, Some(340), Some(Filled::Nodes)));
    // The steps of this test last a second each, also the one with half its frames.
    let rates = (outcome.rate.unwrap(), outcome.churn_rate.unwrap());
    assert!((rates.0 - 250.0 / 3.0).abs() < 1e-9 && (rates.1 - 30.0).abs() < 1e-9, "{rates:?}");
    assert_eq!(
        outcome.reason,
        "83 new sessions/s until 250 nodes were sent for; 30/s in 3 intervals of churn"
    );
}

fn told(created: u64, refused: u64) -> DirectorCounters {
    DirectorCounters { created: Some(created), refused: Some(refused), ..DirectorCounters::default() }
}

#[test]
fn a_fill_ends_when_the_director_says_that_its_table_is_full() {
    let settings = Sessions { churn: Duration::from_secs(1), ..Sessions::default() };
    let mut plan = SessionsPlan::new(settings, &nodes(10_000), &traffic(100.0));
    plan.count(&told(1000, 7));
    // What it says while each step is under way: in the third one it takes 20 more and then none.
    let says = [told(1050, 7), told(1150, 7), told(1220, 80)];
    let (mut distinct, mut phases) = (0, Vec::new());
    while let Next::Task(task) = plan.next(distinct) {
        phases.push(task.phase);
        assert!(!plan.full() || task.phase == Phase::Churn);
        if let Some(says) = says.get(phases.len() - 1) {
            plan.count(says);
        }
        distinct += 100;
        let frames = Frames { new: 100, created: 100, ..carried(100, 100) };
        plan.done(&mut step(&task, 100.0, frames));
    }
    assert_eq!(phases, [Phase::Fill, Phase::Fill, Phase::Fill, Phase::Churn]);
    let outcome = plan.outcome();
    assert!(plan.full() && outcome.passed && outcome.filled == Some(Filled::Table), "{outcome:?}");
    assert_eq!(outcome.rate, Some(100.0));
    assert!(outcome.reason.contains("until the director's table was full"), "{}", outcome.reason);
}

#[test]
fn a_table_that_is_full_within_one_interval_has_as_many_sessions_as_the_director_says() {
    let settings = Sessions { churn: Duration::ZERO, ..Sessions::default() };
    let mut plan = SessionsPlan::new(settings, &nodes(10_000), &traffic(100.0));
    plan.count(&told(1000, 0));
    let Next::Task(task) = plan.next(0) else { panic!() };
    plan.count(&told(1030, 70));
    plan.done(&mut step(&task, 100.0, Frames { new: 100, created: 100, ..carried(100, 100) }));
    assert_eq!(plan.next(100), Next::End);
    assert_eq!((plan.outcome().rate, plan.outcome().passed), (Some(30.0), true));
}

#[test]
fn a_fill_in_which_nothing_arrives_has_failed_whatever_the_bound() {
    for loss in [Sessions::default().loss, 1.0] {
        let mut plan =
            SessionsPlan::new(Sessions { loss, ..Sessions::default() }, &nodes(100), &traffic(100.0));
        let Next::Task(task) = plan.next(0) else { panic!() };
        let mut silent = step(&task, 100.0, carried(100, 0));
        plan.done(&mut silent);
        assert_eq!((silent.passed, plan.next(100)), (Some(false), Next::End));
        let outcome = plan.outcome();
        assert!(!outcome.passed && outcome.reason.contains("nothing arrived"), "{}", outcome.reason);
    }
}

#[test]
fn sessions_that_are_stopped_before_the_table_is_full_have_no_answer() {
    let mut plan = SessionsPlan::new(Sessions::default(), &nodes(1000), &traffic(100.0));
    let Next::Task(task) = plan.next(0) else { panic!() };
    plan.done(&mut step(&task, 100.0, Frames { new: 100, created: 100, ..carried(100, 100) }));
    assert!(!plan.outcome().passed && plan.outcome().filled.is_none());
    assert!(plan.outcome().reason.contains("stopped"), "{}", plan.outcome().reason);
}

#[test]
fn sessions_end_at_a_step_that_lost_too_much() {
    let settings = Sessions { loss: 0.1, ..Sessions::default() };
    let mut plan = SessionsPlan::new(settings, &nodes(1000), &traffic(100.0));
    let Next::Task(task) = plan.next(0) else { panic!() };
    let mut bad = step(&task, 100.0, carried(100, 80));
    plan.done(&mut bad);
    assert_eq!((bad.passed, plan.next(100), plan.outcome().passed), (Some(false), Next::End, false));
}

#[test]
fn a_soak_lasts_as_long_as_it_should() {
    let settings = Soak { interval: Duration::from_mins(1), loss: 0.02, ..Soak::default() };
    let traffic = Traffic { duration: Some(Duration::from_secs(150)), ..traffic(10.0) };
    let mut plan = SoakPlan::new(settings, &traffic);
    let mut lengths = Vec::new();
    while let Next::Task(task) = plan.next(0) {
        lengths.push((task.label.clone(), task.duration.as_secs()));
        plan.done(&mut step(&task, 10.0, carried(600, 590)));
    }
    assert_eq!(lengths, [("60 s".into(), 60), ("120 s".into(), 60), ("150 s".into(), 30)]);
    assert!(plan.outcome().passed);
}

#[test]
fn a_soak_ends_at_the_first_broken_invariant() {
    let broken = [
        Frames { wrong: 1, ..carried(10, 9) },
        Frames { corrupted: 1, ..carried(10, 9) },
        Frames { duplicated: 1, ..carried(10, 10) },
        Frames { stray: 1, ..carried(10, 10) },
        carried(10, 4),
    ];
    for frames in broken {
        let mut plan = SoakPlan::new(Soak { loss: 0.5, ..Soak::default() }, &traffic(10.0));
        let Next::Task(task) = plan.next(0) else { panic!() };
        let mut bad = step(&task, 10.0, frames);
        plan.done(&mut bad);
        assert_eq!((bad.passed, plan.next(0)), (Some(false), Next::End), "{frames:?}");
        assert!(!plan.outcome().passed);
        assert_eq!(plan.watch(&frames).is_some(), frames.lost != 6, "{frames:?}");
    }
}

#[test]
fn a_soak_in_which_nothing_arrives_is_broken_whatever_the_bound() {
    for loss in [Soak::default().loss, 1.0] {
        let mut plan = SoakPlan::new(Soak { loss, ..Soak::default() }, &traffic(10.0));
        let Next::Task(task) = plan.next(0) else { panic!() };
        let mut silent = step(&task, 10.0, carried(500, 0));
        plan.done(&mut silent);
        assert_eq!((silent.passed, plan.next(0)), (Some(false), Next::End));
        let outcome = plan.outcome();
        assert!(
            !outcome.passed && outcome.reason.contains("nothing arrived: 500 frames"),
            "{}",
            outcome.reason
        );
    }
}

#[test]
fn a_soak_that_nobody_gave_a_bound_allows_a_hundredth() {
    for (right, passed) in [(991, true), (989, false)] {
        let mut plan = SoakPlan::new(Soak::default(), &traffic(10.0));
        let Next::Task(task) = plan.next(0) else { panic!() };
        let mut lossy = step(&task, 10.0, carried(1000, right));
        plan.done(&mut lossy);
        assert_eq!((lossy.passed, plan.outcome().passed), (Some(passed), passed));
    }
}

#[test]
fn counters_of_the_director_that_do_not_balance_in_sample_after_sample_break_a_soak() {
    let mut plan = SoakPlan::new(Soak::default(), &traffic(10.0));
    let say = |plan: &mut SoakPlan, received, verdicts| {
        let balance = Some(FrameBalance { received, verdicts, workers: 1 });
        plan.count(&DirectorCounters { balance, ..DirectorCounters::default() });
    };
    let frames = carried(10, 10);
    // Bursts in hand, and two samples in between.
    for (received, verdicts) in [(64, 0), (1000, 900), (2000, 1900), (3000, 2990)] {
        say(&mut plan, received, verdicts);
        assert_eq!(plan.watch(&frames), None);
    }
    assert!(plan.rest().is_some_and(|it| it.contains("received 3000 frames and gave 2990 verdicts")));
    say(&mut plan, 3000, 3000);
    assert_eq!(plan.rest(), None);
    let Next::Task(task) = plan.next(0) else { panic!() };
    plan.done(&mut step(&task, 10.0, frames));
    let outcome = plan.outcome();
    assert!(outcome.passed && outcome.reason.ends_with("counters balanced, 5 samples"), "{}", outcome.reason);
    for _ in 0..3 {
        say(&mut plan, 4000, 3900);
    }
    let Next::Task(task) = plan.next(0) else { panic!() };
    let mut bad = step(&task, 10.0, frames);
    plan.done(&mut bad);
    assert!(plan.watch(&frames).is_some_and(|it| it.contains("counters do not balance")));
    assert_eq!((bad.passed, plan.next(0), plan.outcome().passed), (Some(false), Next::End, false));
}
