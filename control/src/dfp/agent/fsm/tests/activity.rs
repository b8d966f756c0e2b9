//! When the agent listens, and what the commands do.

use super::*;

#[test]
fn it_listens_only_in_service_with_an_active_subsystem_and_a_port() {
    for (inservice, active, port, listens) in [
        (false, false, None, false),
        (false, true, Some(PORT), false),
        (true, false, Some(PORT), false),
        (true, true, None, false),
        (true, true, Some(PORT), true),
    ] {
        let mut bench = Bench::with(AgentConfig { port, inservice, ..config() });
        if active {
            bench.agent.computed(table(&[row(51, 25)]));
        }
        assert_eq!(bench.agent.listen(bench.now), port.filter(|_| listens));
        bench.serve();
        let view = bench.agent.view(bench.now);
        assert_eq!((view.inservice, view.app_active, view.listening), (inservice, active, listens));
        let accepted = bench.accept(manager(1, 4000), LOCAL);
        assert_eq!(accepted.is_some(), listens);
    }
}

#[test]
fn a_new_agent_has_the_defaults_and_does_nothing() {
    let mut bench = Bench::with(AgentConfig::new("slb".parse().unwrap()));
    let view = bench.agent.view(bench.now);
    assert_eq!((view.interval, view.port, view.inservice), (10, None, false));
    assert!(!bench.agent.wants_weights(bench.now) && bench.agent.deadline().is_none());
}

/// Checks that what `change` does ends every connection in order and takes no new ones.
fn ends(change: impl FnOnce(&mut Bench)) -> Bench {
    let mut bench = Bench::new(&[row(51, 25)]);
    let peers = [bench.greet(1), bench.greet(2)];
    change(&mut bench);
    assert_eq!(bench.agent.peers.len(), 0);
    for id in peers {
        assert_eq!(bench.turn(id), Turn::Finish);
        assert_eq!(bench.turn(id), Turn::Abort, "forgotten");
        assert!(!bench.agent.input(id, &[1], bench.now));
    }
    bench
}

#[test]
fn no_inservice_ends_connections_and_inservice_listens_again() {
    let mut bench = ends(|bench| bench.change(|config| config.inservice = false));
    assert_eq!(bench.agent.listen(bench.now), None);
    assert!(bench.accept(manager(1, 4000), LOCAL).is_none());
    bench.change(|config| config.inservice = true);
    assert!(bench.agent.view(bench.now).listening);
    bench.greet(1);
}

#[test]
fn another_port_ends_connections_and_is_listened_on() {
    let mut bench = ends(|bench| bench.change(|config| config.port = Some(2221)));
    assert_eq!(bench.agent.listen(bench.now), Some(2221));
    bench.greet(1);
}

#[test]
fn the_same_port_changes_nothing() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.port = Some(PORT));
    assert_eq!((bench.agent.peers.len(), bench.turn(id)), (1, Turn::Wait));
}

#[test]
fn no_port_ends_connections_and_listens_on_none() {
    let bench = ends(|bench| bench.change(|config| config.port = None));
    assert_eq!(bench.agent.listen(bench.now), None);
    assert!(!bench.agent.view(bench.now).listening);
}

#[test]
fn a_subsystem_that_goes_inactive_ends_connections_and_keeps_inservice() {
    for through in [
        |bench: &mut Bench| bench.agent.computed(None),
        |bench: &mut Bench| bench.agent.changed(None, false, bench.now),
    ] {
        let mut bench = ends(through);
        let view = bench.agent.view(bench.now);
        assert_eq!((view.inservice, view.app_active, view.listening), (true, false, false));
        bench.agent.changed(table(&[row(51, 25)]), false, bench.now);
        bench.serve();
        assert!(bench.agent.view(bench.now).listening);
        bench.greet(1);
    }
}

#[test]
fn a_port_that_cannot_be_listened_on_is_told_once_and_tried_each_interval() {
    let mut bench = Bench::with(config());
    bench.agent.computed(table(&[row(51, 25)]));
    assert!(bench.agent.listen_failed("Address in use".into(), bench.now), "news");
    assert_eq!(bench.agent.listen(bench.now), None);
    assert_eq!(bench.agent.view(bench.now).listen_error.as_deref(), Some("Address in use"));
    bench.pass(seconds(9));
    assert_eq!(bench.agent.listen(bench.now), None);
    bench.pass(seconds(1));
    assert_eq!(bench.agent.listen(bench.now), Some(PORT));
    assert!(!bench.agent.listen_failed("Address in use".into(), bench.now), "no news");
    assert!(bench.agent.wants_weights(bench.now));
    assert_eq!(bench.agent.deadline(), Some(bench.now.after(seconds(10))));
    bench.pass(seconds(10));
    bench.serve();
    let view = bench.agent.view(bench.now);
    assert!(view.listening && view.listen_error.is_none());
}

#[test]
fn a_late_answer_about_an_old_port_opens_nothing() {
    let mut bench = Bench::with(config());
    bench.agent.computed(table(&[]));
    let asked = bench.agent.listen(bench.now).unwrap();
    bench.agent.configure(AgentConfig { port: Some(2221), ..config() }, bench.now);
    bench.agent.listening(asked);
    assert!(!bench.agent.view(bench.now).listening);
}

#[test]
fn weights_are_wanted_once_an_interval_and_a_new_interval_begins_at_once() {
    let mut bench = Bench::with(config());
    assert!(bench.agent.wants_weights(bench.now), "at once, though the subsystem is not active yet");
    assert!(!bench.agent.wants_weights(bench.now));
    assert_eq!(bench.agent.deadline(), Some(bench.now.after(seconds(10))));
    bench.pass(seconds(10));
    assert!(bench.agent.wants_weights(bench.now));
    bench.pass(seconds(8));
    bench.change(|config| config.interval = 5);
    bench.pass(seconds(4));
    assert!(!bench.agent.wants_weights(bench.now));
    bench.pass(seconds(1));
    assert!(bench.agent.wants_weights(bench.now));
}
