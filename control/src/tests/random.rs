//! Random edits, requests and time: the books always close, nothing panics, and what is printed loads again.

use std::time::Duration;

use proptest::prelude::*;

use super::{Harness, SYSTEM_LINES};
use crate::{
    command::{Configuration as _, load},
    protocols::Configuration,
};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Configure(String),
    Request { vip: u8, user: u8, deregistration: bool },
    Pass(u64),
    Clear(&'static str),
    Neighbour { last: u8, there: bool },
}

fn line() -> impl Strategy<Value = String> {
    let farm = prop::sample::select(vec!["F", "G"]);
    let real = 51..55_u8;
    let vserver = prop::sample::select(vec!["V", "W"]);
    let in_farm = prop::sample::select(vec![
        "no nat server",
        "nat server",
        "failaction purge",
        "no failaction purge",
        "predictor leastconns",
        "no predictor",
    ]);
    let in_real = prop::sample::select(vec![
        "inservice",
        "inservice",
        "inservice",
        "no inservice",
        "weight 1",
        "weight 3",
        "maxconns 2",
        "no maxconns",
        "reassign 1",
        "no reassign",
        "default reassign",
        "faildetect numconns 1 numclients 1",
        "no faildetect inband",
        "retry 1",
    ]);
    let in_vserver = prop::sample::select(vec![
        "inservice",
        "inservice",
        "inservice",
        "no inservice",
        "serverfarm F",
        "serverfarm G backup F",
        "virtual 10.1.1.10 udp 434 service ipmobile",
        "virtual 10.1.1.11 udp any service ipmobile",
        "client 15.0.0.0 255.0.0.0",
        "no client 15.0.0.0 255.0.0.0",
        "idle ipmobile request 4",
    ]);
    prop_oneof![
        1 => (farm.clone(), in_farm).prop_map(|(farm, line)| format!("ip slb serverfarm {farm}\n{line}")),
        6 => (farm.clone(), real.clone(), in_real)
            .prop_map(|(farm, real, line)| format!("ip slb serverfarm {farm}\nreal 10.1.1.{real}\n{line}")),
        2 => (farm.clone(), real)
            .prop_map(|(farm, real)| format!("ip slb serverfarm {farm}\nno real 10.1.1.{real}")),
        4 => (vserver.clone(), in_vserver).prop_map(|(vserver, line)| format!("ip slb vserver {vserver}\n{line}")),
        1 => vserver.prop_map(|vserver| format!("no ip slb vserver {vserver}")),
        1 => farm.prop_map(|farm| format!("no ip slb serverfarm {farm}")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => line().prop_map(Step::Configure),
        12 => (10..12_u8, 0..40_u8, prop::bool::weighted(0.1))
            .prop_map(|(vip, user, deregistration)| Step::Request { vip, user, deregistration }),
        3 => (50..6000_u64).prop_map(Step::Pass),
        1 => prop::sample::select(vec!["clear ip slb sessions", "clear ip slb counters", "clear ip slb sessions vserver V"])
            .prop_map(Step::Clear),
        1 => (51..55_u8, any::<bool>()).prop_map(|(last, there)| Step::Neighbour { last, there }),
    ]
}

const START: &str = "ip slb serverfarm F\n real 10.1.1.51\n  inservice\n real 10.1.1.52\n  weight 2\n  inservice\n!\nip slb \
                     vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm F\n inservice\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_close_after_every_step(steps in prop::collection::vec(step(), 1..120)) {
        let mut harness = Harness::new(START);
        harness.run("debug ip slb sessions ipmobile");
        for step in &steps {
            match step {
                Step::Configure(lines) => {
                    harness.configure(lines);
                }
                Step::Request { vip, user, deregistration } => {
                    harness.send([10, 1, 1, *vip], &format!("user{user}"), *deregistration);
                }
                Step::Pass(millis) => harness.pass(Duration::from_millis(*millis)),
                Step::Clear(line) => {
                    harness.run(line);
                }
                Step::Neighbour { last, there } => {
                    let mut network = super::network();
                    if !there {
                        network.neighbours_mut().remove(&super::neighbour(*last));
                    }
                    harness.network(&network);
                }
            }
            harness.settle();
            harness.assert_counters_balance();
        }
        for line in ["show ip slb reals detail", "show ip slb vservers detail", "show ip slb serverfarms detail",
            "show ip slb sessions ipmobile detail", "show ip slb sessions ipmobile nai user1", "show ip slb stats"] {
            prop_assert!(!harness.run(line).starts_with('%'), "{}", line);
        }
        let printed = harness.core.running().running_config();
        prop_assert!(printed.starts_with(SYSTEM_LINES.split_once('!').unwrap().0), "{}", printed);
        let again = load::<Configuration>("again.conf", &printed).unwrap().configuration;
        prop_assert_eq!(again.running_config(), printed);
    }
}
