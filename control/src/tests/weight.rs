//! What reports of DFP agents do to reals, and what agents are told.

use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt as _;

use super::Harness;
use crate::{
    dfp::testing::{
        BindId, ConnectionState, LinkId, Message, Protocol, Role, Row, RowKey, SocketEvent, SocketOrder,
        agent, link, load, lose, messages, orders, peer, tell,
    },
    manage::log::{LogBook, LogLayer},
};

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

fn harness() -> Harness {
    Harness::new(&format!("{FARMS}{AGENTS}"))
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
fn report(harness: &mut Harness, last: u8, rows: &[Row]) {
    crate::dfp::testing::report(&mut harness.core, agent(last), rows);
}

fn weights(harness: &Harness) -> Vec<u32> {
    harness.snapshot().slb.reals.iter().flatten().map(|real| real.live.weight()).collect()
}

/// The reals of the next new sessions.
fn run(harness: &mut Harness, of: &str, count: usize) -> Vec<u8> {
    (0..count).map(|at| harness.goes_to(&format!("{of}{at}@example.com"))).collect()
}

/// 10.1.1.51 fails by repeated requests of two nodes whose names are `of` and a number.
fn fail(harness: &mut Harness, of: &str) {
    let mut lost = 0;
    for at in 0..200 {
        let node = format!("{of}{at}@example.com");
        if lost < 2 && harness.goes_to(&node) == 51 {
            lost += 1;
            for _ in 0..4 {
                harness.goes_to(&node);
            }
        }
    }
    assert_eq!(harness.real(51).0, "FAILED");
}

#[test]
fn a_report_is_the_weight_and_its_loss_brings_the_static_one_back() {
    let mut harness = harness();
    assert_eq!(weights(&harness), [5, 1]);
    report(&mut harness, 51, &[row(51, 65535, 2), row(52, 65535, 65535)]);
    assert_eq!(weights(&harness), [2, 65535]);
    report(&mut harness, 52, &[row(52, 65535, 3)]);
    assert_eq!(weights(&harness), [2, 3], "neither scaled nor limited, the last one counts");
    lose(&mut harness.core, agent(51));
    assert_eq!(weights(&harness), [5, 3]);
    harness.configure("ip slb serverfarm A\n real 10.1.1.52\n weight 9");
    assert_eq!(weights(&harness), [5, 3], "static only");
    lose(&mut harness.core, agent(52));
    assert_eq!(weights(&harness), [5, 9]);
}

#[test]
fn the_turn_under_way_ends_when_the_new_weight_is_used_up() {
    let mut harness = harness();
    assert_eq!(run(&mut harness, "a", 3), [51, 51, 51]);
    report(&mut harness, 51, &[row(51, 65535, 4)]);
    assert_eq!(run(&mut harness, "b", 6), [51, 52, 51, 51, 51, 51], "one more, then the next turn");
    let mut harness = self::harness();
    assert_eq!(run(&mut harness, "a", 3), [51, 51, 51]);
    report(&mut harness, 51, &[row(51, 65535, 2)]);
    assert_eq!(run(&mut harness, "b", 4), [52, 51, 51, 52], "used up already");
    let mut harness = self::harness();
    assert_eq!(run(&mut harness, "a", 3), [51, 51, 51]);
    report(&mut harness, 52, &[row(52, 65535, 2)]);
    assert_eq!(run(&mut harness, "b", 5), [51, 51, 52, 52, 51], "the turn of the other goes on");
}

#[test]
fn removing_dfp_an_agent_or_its_incarnation_restores_static_weights() {
    for command in ["no ip slb dfp", "ip slb dfp\n no agent 10.1.1.51 500"] {
        let mut harness = harness();
        report(&mut harness, 51, &[row(51, 65535, 25), row(52, 65535, 5)]);
        assert_eq!(weights(&harness), [25, 5]);
        let former = link(&mut harness.core, agent(51)).unwrap();
        harness.configure(command);
        assert_eq!(weights(&harness), [5, 1], "{command}");
        harness.configure("ip slb dfp\n agent 10.1.1.51 500");
        let mut bytes = Vec::new();
        let late = Message::PreferenceInfo(vec![load(row(51, 65535, 77))]);
        late.encode(&mut bytes, None).unwrap();
        tell(&mut harness.core, SocketEvent::Input(former, bytes));
        assert_eq!(weights(&harness), [5, 1], "the former connection has nothing to say any more");
        assert_eq!(harness.run("show ip slb dfp weights"), "");
    }
}

#[test]
fn weight_0_throttles_and_sessions_stay() {
    let mut harness = harness();
    assert_eq!(harness.goes_to("first@example.com"), 51);
    report(&mut harness, 51, &[row(51, 65535, 0)]);
    assert_eq!(harness.real(51).0, "DFP_THROTTLED");
    assert_eq!(harness.goes_to("first@example.com"), 51);
    assert!(run(&mut harness, "n", 20).iter().all(|real| *real == 52));
    report(&mut harness, 51, &[row(51, 65535, 1)]);
    assert_eq!(harness.real(51).0, "OPERATIONAL");
    report(&mut harness, 51, &[row(51, 65535, 0)]);
    lose(&mut harness.core, agent(51));
    assert_eq!((harness.real(51).0.as_str(), weights(&harness)[0]), ("OPERATIONAL", 5));
}

#[test]
fn a_report_revives_a_failed_real_and_a_repeated_one_once_in_its_retry_time() {
    let mut harness = harness();
    fail(&mut harness, "k");
    report(&mut harness, 51, &[row(51, 65535, 0)]);
    assert_eq!(harness.real(51).0, "FAILED", "0 revives nobody");
    report(&mut harness, 51, &[row(52, 65535, 10), row(51, 7, 10)]);
    assert_eq!(harness.real(51).0, "FAILED", "not about it");
    report(&mut harness, 51, &[row(51, 65535, 10)]);
    assert_eq!(harness.real(51).0, "OPERATIONAL");
    fail(&mut harness, "l");
    report(&mut harness, 51, &[row(51, 65535, 10)]);
    assert_eq!(harness.real(51).0, "OPERATIONAL", "the first repetition");
    fail(&mut harness, "m");
    report(&mut harness, 51, &[row(51, 65535, 10)]);
    assert_eq!(harness.real(51).0, "FAILED", "again within 30 s");
    report(&mut harness, 51, &[row(51, 65535, 11)]);
    assert_eq!(harness.real(51).0, "OPERATIONAL", "news");
}

#[test]
fn a_sign_of_life_is_a_report_of_more_than_0_about_a_real_whose_weight_is_not_0() {
    // The weight is that of the exact BindID; what is reported after the failure is about any.
    let mut harness = harness();
    report(&mut harness, 51, &[row(51, 0, 7)]);
    fail(&mut harness, "p");
    report(&mut harness, 51, &[row(51, 65535, 0)]);
    assert_eq!((harness.real(51).0.as_str(), weights(&harness)[0]), ("FAILED", 7));
    report(&mut harness, 51, &[row(51, 65535, 3)]);
    assert_eq!((harness.real(51).0.as_str(), weights(&harness)[0]), ("OPERATIONAL", 7));

    let mut harness = self::harness();
    fail(&mut harness, "q");
    report(&mut harness, 51, &[row(51, 0, 0)]);
    report(&mut harness, 51, &[row(51, 65535, 3)]);
    assert_eq!((harness.real(51).0.as_str(), weights(&harness)[0]), ("FAILED", 0));
    // That was no revival: the first repetition is still to come.
    report(&mut harness, 51, &[row(51, 0, 5)]);
    fail(&mut harness, "r");
    report(&mut harness, 51, &[row(51, 0, 5)]);
    assert_eq!(harness.real(51).0, "OPERATIONAL");
}

#[test]
fn a_lost_connection_is_logged_and_that_of_a_removed_agent_is_not() {
    let mut harness = harness();
    for last in [51, 52] {
        report(&mut harness, last, &[row(last, 65535, 2)]);
    }
    let logged = |work: &mut dyn FnMut()| {
        let book = LogBook::new(100);
        let subscriber = tracing_subscriber::registry().with(LogLayer(book.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let lines: Vec<String> = book.view().lines.iter().map(ToString::to_string).collect();
        lines.into_iter().filter(|line| line.contains("%SLB_DFP-4-LOST: ")).collect::<Vec<_>>()
    };
    let lines = logged(&mut || lose(&mut harness.core, agent(51)));
    assert!(matches!(&lines[..], [line] if line.contains("10.1.1.51:500")), "{lines:?}");
    let lines = logged(&mut || _ = harness.configure("ip slb dfp\n no agent 10.1.1.52 500"));
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn losing_the_agent_or_another_farm_heals_nobody() {
    let mut harness = harness();
    report(&mut harness, 52, &[row(51, 0, 7)]);
    report(&mut harness, 51, &[row(51, 65535, 9)]);
    assert_eq!(weights(&harness)[0], 7, "the exact BindID");
    fail(&mut harness, "n");
    lose(&mut harness.core, agent(52));
    assert_eq!((harness.real(51).0.as_str(), weights(&harness)[0]), ("FAILED", 9));
}

#[test]
fn rows_are_for_the_farms_of_their_bind_id() {
    let other = "ip slb serverfarm B\n bindid 7\n real 10.1.1.51\n  inservice\n!\nip slb vserver W\n \
                 virtual 10.1.1.11 udp 434 service ipmobile\n serverfarm B\n inservice\n!\n";
    let mut harness = Harness::new(&format!("{FARMS}{other}{AGENTS}"));
    report(&mut harness, 51, &[row(51, 7, 3)]);
    assert_eq!(weights(&harness), [5, 1, 3]);
    report(&mut harness, 51, &[row(51, 0, 4)]);
    assert_eq!(weights(&harness), [4, 1, 3]);
    report(&mut harness, 51, &[row(51, 65535, 6)]);
    assert_eq!(weights(&harness), [4, 1, 3], "exact ones first");
    harness.configure("ip slb serverfarm B\n bindid 8");
    assert_eq!(weights(&harness), [4, 1, 6]);
    harness.configure("ip slb serverfarm B\n real 10.1.1.52\n inservice");
    report(&mut harness, 52, &[row(52, 65535, 12)]);
    assert_eq!(weights(&harness), [4, 12, 6, 12]);
    harness.configure("ip slb serverfarm A\n no real 10.1.1.52");
    harness.configure("ip slb serverfarm A\n real 10.1.1.52\n inservice");
    let mut all = weights(&harness);
    all.sort_unstable();
    assert_eq!(all, [4, 6, 12, 12], "a real that is made anew has it from the start");
}

#[test]
fn agents_are_told_of_a_real_that_fails_or_is_taken_out_and_returns() {
    let mut harness = harness();
    report(&mut harness, 51, &[row(51, 65535, 25)]);
    let links = [51, 52].map(|last| link(&mut harness.core, agent(last)).unwrap());
    orders(&mut harness.core);
    let told = |harness: &mut Harness| {
        harness.pass(Duration::from_millis(100));
        let orders = orders(&mut harness.core);
        assert_eq!(messages(&orders, links[1], Role::Agent), [], "it has reported nothing");
        messages(&orders, links[0], Role::Agent)
    };
    let state = |weight| [Message::ServerState(vec![load(row(51, 65535, weight))])];
    assert_eq!(told(&mut harness), []);
    report(&mut harness, 51, &[row(51, 65535, 0)]);
    assert_eq!(told(&mut harness), [], "what DFP did");
    report(&mut harness, 51, &[row(51, 65535, 24)]);
    assert_eq!(told(&mut harness), []);
    harness.configure("ip slb serverfarm A\n real 10.1.1.51\n no inservice");
    assert_eq!(told(&mut harness), state(0));
    harness.configure("ip slb serverfarm A\n real 10.1.1.51\n inservice");
    assert_eq!(told(&mut harness), state(24));
    fail(&mut harness, "o");
    assert_eq!(told(&mut harness), state(0));
    harness.configure("ip slb serverfarm A\n real 10.1.1.52\n no inservice");
    assert_eq!(told(&mut harness), [], "nobody has reported on it");
}

#[test]
fn what_is_wanted_of_the_manager_follows_the_configuration() {
    let mut harness = harness();
    let connects = |orders: &[SocketOrder]| -> Vec<_> {
        let connect = |order: &SocketOrder| match order {
            SocketOrder::Connect(link, address) => Some((*link, *address)),
            _ => None,
        };
        orders.iter().filter_map(connect).collect()
    };
    let first = connects(&orders(&mut harness.core));
    assert_eq!(first.iter().map(|(_, address)| *address).collect::<Vec<_>>(), [agent(51), agent(52)]);
    let link = |harness: &mut Harness, last| link(&mut harness.core, agent(last)).unwrap();
    let (near, far) = (link(&mut harness, 51), link(&mut harness, 52));
    let said = |harness: &mut Harness, link: LinkId| {
        let orders = orders(&mut harness.core);
        (messages(&orders, link, Role::Agent), connects(&orders).len())
    };
    let parameters = |seconds| Message::Parameters { keep_alive: Some(seconds) };
    tell(&mut harness.core, SocketEvent::Connected(near));
    assert_eq!(said(&mut harness, near), (vec![parameters(0)], 0));
    harness.configure("ip slb dfp\n agent 10.1.1.51 500 30");
    assert_eq!(said(&mut harness, near), (vec![parameters(30)], 0));
    harness.configure("ip slb dfp\n agent 10.1.1.51 500 20\n agent 10.1.1.51 500 30");
    assert_eq!(said(&mut harness, near), (vec![parameters(20), parameters(30)], 0), "there and back");
    // Given up after the first attempt, until the line is entered once more.
    harness.configure("ip slb dfp\n agent 10.1.1.52 500 0 1 1");
    for _ in 0..2 {
        let link = link(&mut harness, 52);
        tell(&mut harness.core, SocketEvent::Failed(link, "refused".into()));
        harness.seconds(2);
    }
    assert_eq!(peer(&mut harness.core, agent(52)).state, ConnectionState::Failed);
    orders(&mut harness.core);
    harness.configure("ip slb dfp\n agent 10.1.1.52 500 0 1 1");
    assert_eq!(said(&mut harness, far), (vec![], 1), "entered once more");
    harness.configure("hostname other");
    assert_eq!(orders(&mut harness.core), []);
    harness.configure("ip slb serverfarm A\n bindid 3");
    assert_eq!(said(&mut harness, near), (vec![Message::BindIdRequest], 0));
    harness.configure("ip slb dfp\n no agent 10.1.1.51 500\n agent 10.1.1.51 500 30");
    let made_anew = orders(&mut harness.core);
    assert!(matches!(made_anew[0], SocketOrder::End(ended, _) if ended == near), "{made_anew:?}");
    assert_ne!(connects(&made_anew)[0].0, near);
}

#[test]
fn a_password_has_its_change_over_once_an_agent_was_connected() {
    let passwords = |harness: &mut Harness| {
        let text = harness.run("show ip slb dfp | json");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let password = &json["password"];
        (
            password["current"].as_bool().unwrap(),
            password["pending"].as_bool().unwrap(),
            password["timeout"].as_u64().unwrap(),
        )
    };
    let mut harness = harness();
    harness.configure("ip slb dfp password first 60");
    assert_eq!(passwords(&mut harness), (true, false, 0), "nobody was connected");
    let link = link(&mut harness.core, agent(51)).unwrap();
    tell(&mut harness.core, SocketEvent::Connected(link));
    harness.configure("ip slb dfp password second 60");
    harness.seconds(10);
    assert_eq!(passwords(&mut harness), (true, true, 50));
    harness.configure("ip slb dfp password third 20");
    assert_eq!(passwords(&mut harness), (true, true, 20));
    harness.seconds(21);
    assert_eq!(passwords(&mut harness), (true, false, 0));
    harness.configure("ip slb dfp\nno ip slb dfp password");
    assert_eq!(passwords(&mut harness), (false, false, 0));
    harness.configure("ip slb dfp password fourth 30");
    assert_eq!(passwords(&mut harness), (false, true, 30));
    harness.configure("no ip slb dfp\nip slb dfp password fifth 30");
    assert_eq!(passwords(&mut harness), (true, false, 0), "a manager made anew");
}
