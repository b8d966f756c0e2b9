//! What reports of DFP agents do to reals, and what agents are told.

use std::time::{Duration, SystemTime};

use super::{
    Bench,
    dfp::{agent_id, load},
};
use crate::dfp::packet::{BindId, Protocol, Row, RowKey};

const FARMS: &str = "\
ip slb serverfarm A
 real 10.1.1.51
  weight 5
  faildetect numconns 2 numclients 1
  retry 30
  inservice
 real 10.1.1.52
  weight 1
  inservice
!
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm A
 inservice
!
";

const AGENTS: &str = "ip slb dfp\n agent 10.1.1.51 500\n agent 10.1.1.52 500\n!\n";

fn bench() -> Bench {
    Bench::new(&format!("{FARMS}{AGENTS}"))
}

fn row(last: u8, bind_id: u16, weight: u16) -> Row {
    let key = RowKey {
        address: [10, 1, 1, last].into(),
        protocol: Protocol::UDP,
        port: 434,
        bind_id: BindId(bind_id),
    };
    Row { key, weight }
}

/// The agent on 10.1.1.AGENT reports.
fn report(bench: &mut Bench, agent: u8, rows: &[Row]) {
    let loads: Vec<_> = rows.iter().copied().map(load).collect();
    bench.core.dfp_report(agent_id(bench, agent), &loads, SystemTime::UNIX_EPOCH);
}

fn weights(bench: &Bench) -> Vec<u32> {
    bench.core.snapshot().reals.iter().flatten().map(|real| real.live.weight()).collect()
}

/// The reals of the next new sessions.
fn run(bench: &mut Bench, of: &str, count: usize) -> Vec<u8> {
    (0..count).map(|at| bench.goes_to(&format!("{of}{at}@example.com"))).collect()
}

/// 10.1.1.51 fails by repeated requests of two nodes whose names are `of` and a number.
fn fail(bench: &mut Bench, of: &str) {
    let mut lost = 0;
    for at in 0..200 {
        let node = format!("{of}{at}@example.com");
        if lost < 2 && bench.goes_to(&node) == 51 {
            lost += 1;
            for _ in 0..4 {
                bench.goes_to(&node);
            }
        }
    }
    assert_eq!(bench.real(51).0, "FAILED");
}

#[test]
fn a_report_is_the_weight_and_its_loss_brings_the_static_one_back() {
    let mut bench = bench();
    assert_eq!(weights(&bench), [5, 1]);
    report(&mut bench, 51, &[row(51, 65535, 2), row(52, 65535, 65535)]);
    assert_eq!(weights(&bench), [2, 65535]);
    report(&mut bench, 52, &[row(52, 65535, 3)]);
    assert_eq!(weights(&bench), [2, 3], "neither scaled nor limited, the last one counts");
    bench.core.dfp_lost(agent_id(&bench, 51));
    assert_eq!(weights(&bench), [5, 3]);
    bench.configure("ip slb serverfarm A\n real 10.1.1.52\n weight 9");
    assert_eq!(weights(&bench), [5, 3], "static only");
    bench.core.dfp_lost(agent_id(&bench, 52));
    assert_eq!(weights(&bench), [5, 9]);
}

#[test]
fn the_turn_under_way_ends_when_the_new_weight_is_used_up() {
    let mut bench = bench();
    assert_eq!(run(&mut bench, "a", 3), [51, 51, 51]);
    report(&mut bench, 51, &[row(51, 65535, 4)]);
    assert_eq!(run(&mut bench, "b", 6), [51, 52, 51, 51, 51, 51], "one more, then the next turn");
    let mut bench = self::bench();
    assert_eq!(run(&mut bench, "a", 3), [51, 51, 51]);
    report(&mut bench, 51, &[row(51, 65535, 2)]);
    assert_eq!(run(&mut bench, "b", 4), [52, 51, 51, 52], "used up already");
    let mut bench = self::bench();
    assert_eq!(run(&mut bench, "a", 3), [51, 51, 51]);
    report(&mut bench, 52, &[row(52, 65535, 2)]);
    assert_eq!(run(&mut bench, "b", 5), [51, 51, 52, 52, 51], "the turn of the other goes on");
}

#[test]
fn removing_dfp_an_agent_or_its_incarnation_restores_static_weights() {
    for command in ["no ip slb dfp", "ip slb dfp\n no agent 10.1.1.51 500"] {
        let mut bench = bench();
        let id = agent_id(&bench, 51);
        report(&mut bench, 51, &[row(51, 65535, 25), row(52, 65535, 5)]);
        assert_eq!(weights(&bench), [25, 5]);
        bench.configure(command);
        assert_eq!(weights(&bench), [5, 1], "{command}");
        bench.configure("ip slb dfp\n agent 10.1.1.51 500");
        bench.core.dfp_report(id, &[load(row(51, 65535, 77))], SystemTime::UNIX_EPOCH);
        assert_eq!(weights(&bench), [5, 1], "the former connection has nothing to say any more");
        assert_eq!(bench.run("show ip slb dfp weights"), "");
    }
}

#[test]
fn weight_0_throttles_and_sessions_stay() {
    let mut bench = bench();
    assert_eq!(bench.goes_to("first@example.com"), 51);
    report(&mut bench, 51, &[row(51, 65535, 0)]);
    assert_eq!(bench.real(51).0, "DFP_THROTTLED");
    assert_eq!(bench.goes_to("first@example.com"), 51);
    assert!(run(&mut bench, "n", 20).iter().all(|real| *real == 52));
    report(&mut bench, 51, &[row(51, 65535, 1)]);
    assert_eq!(bench.real(51).0, "OPERATIONAL");
    report(&mut bench, 51, &[row(51, 65535, 0)]);
    bench.core.dfp_lost(agent_id(&bench, 51));
    assert_eq!((bench.real(51).0.as_str(), weights(&bench)[0]), ("OPERATIONAL", 5));
}

#[test]
fn a_report_revives_a_failed_real_and_a_repeated_one_once_in_its_retry_time() {
    let mut bench = bench();
    fail(&mut bench, "k");
    report(&mut bench, 51, &[row(51, 65535, 0)]);
    assert_eq!(bench.real(51).0, "FAILED", "0 revives nobody");
    report(&mut bench, 51, &[row(52, 65535, 10), row(51, 7, 10)]);
    assert_eq!(bench.real(51).0, "FAILED", "not about it");
    report(&mut bench, 51, &[row(51, 65535, 10)]);
    assert_eq!(bench.real(51).0, "OPERATIONAL");
    fail(&mut bench, "l");
    report(&mut bench, 51, &[row(51, 65535, 10)]);
    assert_eq!(bench.real(51).0, "OPERATIONAL", "the first repetition");
    fail(&mut bench, "m");
    report(&mut bench, 51, &[row(51, 65535, 10)]);
    assert_eq!(bench.real(51).0, "FAILED", "again within 30 s");
    report(&mut bench, 51, &[row(51, 65535, 11)]);
    assert_eq!(bench.real(51).0, "OPERATIONAL", "news");
}

#[test]
fn losing_the_agent_or_another_farm_heals_nobody() {
    let mut bench = bench();
    report(&mut bench, 52, &[row(51, 0, 7)]);
    report(&mut bench, 51, &[row(51, 65535, 9)]);
    assert_eq!(weights(&bench)[0], 7, "the exact BindID");
    fail(&mut bench, "n");
    bench.core.dfp_lost(agent_id(&bench, 52));
    assert_eq!((bench.real(51).0.as_str(), weights(&bench)[0]), ("FAILED", 9));
}

#[test]
fn rows_are_for_the_farms_of_their_bind_id() {
    let other = "ip slb serverfarm B\n bindid 7\n real 10.1.1.51\n  inservice\n!\nip slb vserver W\n \
                 virtual 10.1.1.11 udp 434 service ipmobile\n serverfarm B\n inservice\n!\n";
    let mut bench = Bench::new(&format!("{FARMS}{other}{AGENTS}"));
    report(&mut bench, 51, &[row(51, 7, 3)]);
    assert_eq!(weights(&bench), [5, 1, 3]);
    report(&mut bench, 51, &[row(51, 0, 4)]);
    assert_eq!(weights(&bench), [4, 1, 3]);
    report(&mut bench, 51, &[row(51, 65535, 6)]);
    assert_eq!(weights(&bench), [4, 1, 3], "exact ones first");
    bench.configure("ip slb serverfarm B\n bindid 8");
    assert_eq!(weights(&bench), [4, 1, 6]);
    bench.configure("ip slb serverfarm B\n real 10.1.1.52\n inservice");
    report(&mut bench, 52, &[row(52, 65535, 12)]);
    assert_eq!(weights(&bench), [4, 12, 6, 12]);
    bench.configure("ip slb serverfarm A\n no real 10.1.1.52");
    bench.configure("ip slb serverfarm A\n real 10.1.1.52\n inservice");
    let mut all = weights(&bench);
    all.sort_unstable();
    assert_eq!(all, [4, 6, 12, 12], "a real that is made anew has it from the start");
}

#[test]
fn agents_are_told_of_a_real_that_fails_or_is_taken_out_and_returns() {
    let mut bench = bench();
    bench.core.take_effects();
    report(&mut bench, 51, &[row(51, 65535, 25)]);
    let address = agent_id(&bench, 51).address;
    let told = |bench: &mut Bench| {
        bench.pass(Duration::from_millis(100));
        bench.core.take_effects().server_states
    };
    assert_eq!(told(&mut bench), []);
    report(&mut bench, 51, &[row(51, 65535, 0)]);
    assert_eq!(told(&mut bench), [], "what DFP did");
    report(&mut bench, 51, &[row(51, 65535, 24)]);
    assert_eq!(told(&mut bench), []);
    bench.configure("ip slb serverfarm A\n real 10.1.1.51\n no inservice");
    assert_eq!(told(&mut bench), [(address, vec![row(51, 65535, 0)])]);
    bench.configure("ip slb serverfarm A\n real 10.1.1.51\n inservice");
    assert_eq!(told(&mut bench), [(address, vec![row(51, 65535, 24)])]);
    fail(&mut bench, "o");
    assert_eq!(told(&mut bench), [(address, vec![row(51, 65535, 0)])]);
    bench.configure("ip slb serverfarm A\n real 10.1.1.52\n no inservice");
    assert_eq!(told(&mut bench), [], "nobody has reported on it");
}

#[test]
fn what_is_wanted_of_the_manager_follows_the_configuration() {
    let mut bench = bench();
    assert!(bench.core.take_effects().dfp_changed);
    let wanted = |bench: &Bench, last: u8| {
        let wanted = bench.core.dfp_wanted();
        wanted.into_iter().find(|wanted| wanted.config.address.octets()[3] == last).unwrap()
    };
    let first = wanted(&bench, 51);
    assert!(!first.bind_ids);
    bench.configure("ip slb dfp\n agent 10.1.1.51 500 30");
    assert!(bench.core.take_effects().dfp_changed);
    let longer = wanted(&bench, 51);
    assert_eq!((longer.id, longer.config.timeout, longer.entered), (first.id, 30, 1));
    bench.configure("ip slb dfp\n agent 10.1.1.51 500 30");
    assert!(bench.core.take_effects().dfp_changed);
    assert_eq!((wanted(&bench, 51).entered, wanted(&bench, 52).entered), (2, 0), "entered once more");
    bench.configure("ip slb dfp\n agent 10.1.1.51 500 20\n agent 10.1.1.51 500 30");
    assert_eq!((wanted(&bench, 51).config, wanted(&bench, 51).entered), (longer.config, 4), "there and back");
    assert!(bench.core.take_effects().dfp_changed);
    bench.configure("hostname other");
    assert!(!bench.core.take_effects().dfp_changed);
    bench.configure("ip slb serverfarm A\n bindid 3");
    assert!(bench.core.take_effects().dfp_changed && wanted(&bench, 51).bind_ids);
    bench.configure("ip slb dfp\n no agent 10.1.1.51 500\n agent 10.1.1.51 500 30");
    assert_ne!(wanted(&bench, 51).id, first.id);
}

#[test]
fn a_password_has_its_change_over_once_an_agent_was_connected() {
    let passwords = |bench: &mut Bench| {
        let text = bench.run("show ip slb dfp | json");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let password = &json["password"];
        (
            password["current"].as_bool().unwrap(),
            password["pending"].as_bool().unwrap(),
            password["timeout"].as_u64().unwrap(),
        )
    };
    let mut bench = bench();
    bench.configure("ip slb dfp password first 60");
    assert_eq!(passwords(&mut bench), (true, false, 0), "nobody was connected");
    let status = crate::core::Status {
        state: crate::dfp::manager::view::ConnectionState::Open,
        ..crate::core::Status::default()
    };
    bench.core.dfp_status(agent_id(&bench, 51), status);
    bench.configure("ip slb dfp password second 60");
    bench.seconds(10);
    assert_eq!(passwords(&mut bench), (true, true, 50));
    bench.configure("ip slb dfp password third 20");
    assert_eq!(passwords(&mut bench), (true, true, 20));
    bench.seconds(21);
    assert_eq!(passwords(&mut bench), (true, false, 0));
    bench.configure("ip slb dfp\nno ip slb dfp password");
    assert_eq!(passwords(&mut bench), (false, false, 0));
    bench.configure("ip slb dfp password fourth 30");
    assert_eq!(passwords(&mut bench), (false, true, 30));
    bench.configure("no ip slb dfp\nip slb dfp password fifth 30");
    assert_eq!(passwords(&mut bench), (true, false, 0), "a manager made anew");
}
