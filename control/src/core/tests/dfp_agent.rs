//! What our own agents report of what happens in the core.

use super::Bench;
use crate::core::AgentChange;
use crate::dfp::agent::{
    config::Subsystem,
    figures::{Figures, PerMille},
    weight::HomeAgentLoad,
};

const BALANCER: &str = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 3\n  maxconns 4\n  inservice\n !\n \
                        real 10.1.1.52\n  weight 1\n  faildetect numconns 1 numclients 1\n  inservice\n !\n!\n\
                        ip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n \
                        idle ipmobile request 300\n inservice\n!\n";

/// Weights by the address of the server.
fn weights(bench: &Bench, subsystem: Subsystem) -> Vec<(String, u16)> {
    let table = bench.core.dfp_table(subsystem).expect("active");
    table.rows.iter().map(|row| (row.key.address.to_string(), row.weight)).collect()
}

fn capacity(bench: &Bench) -> u16 {
    let weights = weights(bench, Subsystem::Slb);
    assert_eq!(weights[1], ("0.0.0.0".to_owned(), 0));
    assert_eq!((weights.len(), weights[0].0.as_str()), (2, "10.1.1.10"));
    weights[0].1
}

#[test]
fn a_virtual_server_reports_what_its_reals_have_left() {
    let mut bench = Bench::new(BALANCER);
    assert_eq!(capacity(&bench), 65535);
    // Three of four go to .51, which has room for four.
    for nai in ["a", "b", "c", "d"] {
        bench.request([10, 1, 1, 10], nai);
    }
    assert_eq!(bench.real(51).1, 3);
    assert_eq!(capacity(&bench), 28671);
    bench.configure("ip slb serverfarm HAFARM\nreal 10.1.1.52\nno inservice");
    assert_eq!(capacity(&bench), 12287);
    bench.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nno inservice");
    assert_eq!(capacity(&bench), 0);
    bench.configure("ip slb serverfarm HAFARM\nreal 10.1.1.52\ninservice");
    assert_eq!(capacity(&bench), 16383);
    bench.configure("ip slb vserver MIPSLB\nno inservice");
    assert_eq!(capacity(&bench), 0);
}

#[test]
fn while_it_drains_the_balancer_reports_0() {
    let mut bench = Bench::new(BALANCER);
    bench.core.drain();
    assert_eq!(capacity(&bench), 0);
}

#[test]
fn without_virtual_servers_there_is_only_the_row_for_everything_else() {
    let bench = Bench::new("ip dfp agent slb\n");
    assert_eq!(weights(&bench, Subsystem::Slb), [("0.0.0.0".to_owned(), 0)]);
}

#[test]
fn a_home_agent_reports_by_its_bindings_and_without_one_there_is_nothing() {
    let mut bench = Bench::new("ip dfp agent ipmobile\n");
    assert!(bench.core.dfp_table(Subsystem::IpMobile).is_none());
    let idle = Figures { cpu: PerMille::ALL, memory: PerMille::ALL };
    for (bindings, figures, weight) in [(5000, None, 25), (0, Some(idle), 25), (50, Some(idle), 24)] {
        let load = HomeAgentLoad { bindings, max_bindings: 10_000, figures, calls: None, max_weight: 25 };
        bench.core.dfp_mut().home_agent = Some(load);
        assert_eq!(weights(&bench, Subsystem::IpMobile), [("0.0.0.0".to_owned(), weight)]);
    }
    let table = bench.core.dfp_table(Subsystem::IpMobile).unwrap();
    assert!(table.local, "the manager knows the home agent by the address that it has connected to");
    let key = table.rows[0].key;
    assert_eq!((key.protocol.0, key.port, key.bind_id.0), (17, 434, 65535));
    bench.core.drain();
    assert_eq!(weights(&bench, Subsystem::IpMobile)[0].1, 0);
}

fn changes(bench: &mut Bench) -> Vec<String> {
    let words = |change: AgentChange| match change {
        AgentChange::Removed(subsystem) => format!("no {subsystem:?}"),
        AgentChange::Set(config) => format!("{} {:?} {}", config.name, config.port, config.inservice),
    };
    bench.core.take_dfp_agent_changes().into_iter().map(words).collect()
}

#[test]
fn what_lines_have_made_of_agents_is_told_one_after_the_other() {
    let mut bench = Bench::new("ip dfp agent slb\n port 666\n inservice\n!\nip dfp agent ipmobile\n!\n");
    assert_eq!(changes(&mut bench), ["slb Some(666) true", "ipmobile None false"]);
    bench.configure("ip dfp agent slb\nport 666\ninservice");
    assert_eq!(changes(&mut bench), [""; 0], "as it was");
    bench.configure("ip dfp agent slb\nno inservice\ninservice\nno port\nport 666");
    assert_eq!(
        changes(&mut bench),
        ["slb Some(666) false", "slb Some(666) true", "slb None true", "slb Some(666) true"]
    );
    // What was before a deletion is nobody's concern any more; the other agent's changes stay.
    bench.configure(
        "ip dfp agent slb\nno inservice\nexit\nip dfp agent mobileip\nport 500\nexit\nno ip dfp agent slb",
    );
    assert_eq!(changes(&mut bench), ["ipmobile Some(500) false", "no Slb"]);
    bench.configure("ip dfp agent slb\nport 667\nexit\nno ip dfp agent slb\nip dfp agent slb");
    assert_eq!(changes(&mut bench), ["no Slb", "slb None false"]);
}

#[test]
fn after_too_many_changes_at_once_the_agent_begins_anew() {
    let mut bench = Bench::new("ip dfp agent slb\n!\nip dfp agent ipmobile\n port 500\n!\n");
    let lines: Vec<_> = (1..=300).map(|port| format!("port {}", 1000 + port)).collect();
    bench.configure(&format!("ip dfp agent slb\n{}", lines.join("\n")));
    let changes = changes(&mut bench);
    assert_eq!(changes[..3], ["ipmobile Some(500) false", "no Slb", "slb Some(1256) false"]);
    assert_eq!(changes.last().unwrap(), "slb Some(1300) false");
    assert_eq!(changes.len(), 47);
}
