//! Passwords, and their change-over.

use super::*;

const PARAMETERS: Message = Message::Parameters { keep_alive: Some(30) };

/// Which of no password, `old` and `new` the agent takes.
fn takes(bench: &mut Bench, id: LinkId) -> [bool; 3] {
    [None, Some("old"), Some("new")].map(|password| {
        let before = bench.agent.counters().security_errors();
        assert!(bench.send_with(id, &PARAMETERS, password));
        bench.agent.counters().security_errors() == before
    })
}

/// Makes the agent say something, with this password.
fn says(bench: &mut Bench, id: LinkId, weight: u16, password: Option<&str>) {
    bench.agent.computed(table(&[row(51, weight)]));
    assert_eq!(bench.read_with(id, password).len(), 1);
}

#[test]
fn before_the_agent_has_listened_a_password_counts_at_once() {
    let mut bench = Bench::with(AgentConfig { inservice: false, ..config() });
    bench.change(|config| config.password = password("old", 180));
    bench.change(|config| config.password = password("new", 180));
    bench.change(|config| config.inservice = true);
    bench.agent.computed(table(&[row(51, 25)]));
    bench.serve();
    let id = bench.connect(1);
    assert_eq!(bench.read_with(id, Some("new")).len(), 1);
    assert_eq!(takes(&mut bench, id), [false, false, true]);
    let shown = bench.agent.view(bench.now).password;
    assert_eq!(shown, PasswordView { current: true, pending: false, timeout: 0 });
}

#[test]
fn a_first_password_is_pending_and_messages_without_it_pass() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("new", 60));
    bench.pass(Duration::from_millis(500));
    let shown = bench.agent.view(bench.now).password;
    assert_eq!(shown, PasswordView { current: false, pending: true, timeout: 60 });
    assert_eq!(takes(&mut bench, id), [true, false, true]);
    says(&mut bench, id, 24, None);
    bench.pass(seconds(60));
    assert_eq!(takes(&mut bench, id), [false, false, true]);
    says(&mut bench, id, 23, Some("new"));
    assert_eq!(
        bench.agent.view(bench.now).password,
        PasswordView { current: true, pending: false, timeout: 0 }
    );
}

#[test]
fn until_the_deadline_the_old_one_is_sent_and_both_are_taken() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("old", 0));
    bench.change(|config| config.password = password("new", 30));
    assert_eq!(bench.agent.deadline(), Some(bench.now), "the first weights are due");
    assert!(bench.agent.wants_weights(bench.now));
    assert_eq!(takes(&mut bench, id), [false, true, true]);
    says(&mut bench, id, 24, Some("old"));
    bench.pass(seconds(30));
    assert_eq!(takes(&mut bench, id), [false, false, true]);
    says(&mut bench, id, 23, Some("new"));
    assert_eq!(bench.agent.peers.len(), 1, "the connection lives through it");
}

#[test]
fn what_a_manager_refused_before_the_agents_own_deadline_is_told_again_at_it() {
    let mut bench = Bench::new(&[row(51, 25), row(52, 7)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("old", 0));
    assert_eq!(bench.read_with(id, Some("old")).len(), 1, "everything again, by the password");
    bench.change(|config| config.password = password("new", 30));
    assert_eq!(bench.read_with(id, Some("old")), []);
    bench.agent.computed(table(&[row(51, 24), row(52, 7)]));
    assert_eq!(bench.read_with(id, Some("old")).len(), 1, "which the manager might refuse by now");
    bench.pass(seconds(30));
    let told = bench.read_with(id, Some("new"));
    let [Message::PreferenceInfo(loads)] = told.as_slice() else { panic!("{told:?}") };
    let rows: Vec<_> = loads.iter().flat_map(Load::rows).collect();
    assert_eq!(rows, [row(51, 24), row(52, 7)]);
    assert_eq!(bench.read_with(id, Some("new")), [], "once");
}

#[test]
fn a_change_of_0_seconds_is_at_once() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("new", 0));
    assert_eq!(takes(&mut bench, id), [false, false, true]);
}

#[test]
fn a_second_change_replaces_the_first_and_its_deadline() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("old", 0));
    bench.change(|config| config.password = password("third", 10));
    bench.pass(seconds(5));
    bench.change(|config| config.password = password("new", 10));
    bench.pass(seconds(6));
    assert_eq!(takes(&mut bench, id), [false, true, true]);
    bench.pass(seconds(4));
    assert_eq!(takes(&mut bench, id), [false, false, true]);
}

#[test]
fn the_password_in_use_again_cancels_a_change() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("old", 0));
    bench.change(|config| config.password = password("new", 10));
    bench.change(|config| config.password = password("old", 10));
    bench.pass(seconds(60));
    assert_eq!(takes(&mut bench, id), [false, true, false]);
}

#[test]
fn no_password_is_at_once_and_ignores_digests() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.change(|config| config.password = password("old", 0));
    bench.change(|config| config.password = None);
    assert_eq!(takes(&mut bench, id), [true, true, true]);
    says(&mut bench, id, 24, None);
}

#[test]
fn a_port_that_changes_keeps_the_change_over() {
    let mut bench = Bench::new(&[row(51, 25)]);
    bench.change(|config| config.password = password("old", 0));
    bench.change(|config| config.password = password("new", 30));
    bench.change(|config| config.port = Some(2221));
    let id = bench.connect(1);
    assert_eq!(bench.read_with(id, Some("old")).len(), 1);
    assert_eq!(takes(&mut bench, id), [false, true, true]);
}
