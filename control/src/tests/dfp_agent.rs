//! What our own agents report of what happens in the core.

use super::Harness;
use crate::{
    bus::{Fact, HomeAgent},
    dfp::{
        Dfp, Order,
        host_load::{HostLoad, PerMille},
        testing::{
            LinkId, Role, SocketEvent, SocketOrder, Subsystem, agents, hear, host_measured, messages, orders,
            table, tell,
        },
    },
};

const BALANCER: &str = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 3\n  maxconns 4\n  inservice\n !\n \
                        real 10.1.1.52\n  weight 1\n  faildetect numconns 1 numclients 1\n  inservice\n !\n!\n\
                        ip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n \
                        idle ipmobile request 300\n inservice\n!\n";

/// Weights by the address of the server.
fn weights(harness: &mut Harness, subsystem: Subsystem) -> Vec<(String, u16)> {
    let table = table(&mut harness.core, subsystem).expect("active");
    table.rows.iter().map(|row| (row.key.address.to_string(), row.weight)).collect()
}

fn capacity(harness: &mut Harness) -> u16 {
    harness.pass(std::time::Duration::from_millis(50));
    let weights = weights(harness, Subsystem::Slb);
    assert_eq!(weights[1], ("0.0.0.0".to_owned(), 0));
    assert_eq!((weights.len(), weights[0].0.as_str()), (2, "10.1.1.10"));
    weights[0].1
}

#[test]
fn a_virtual_server_reports_what_its_reals_have_left() {
    let mut harness = Harness::new(BALANCER);
    assert_eq!(capacity(&mut harness), 65535);
    // Three of four go to .51, which has room for four.
    for nai in ["a", "b", "c", "d"] {
        harness.request([10, 1, 1, 10], nai);
    }
    assert_eq!(harness.real(51).1, 3);
    assert_eq!(capacity(&mut harness), 28671);
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.52\nno inservice");
    assert_eq!(capacity(&mut harness), 12287);
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nno inservice");
    assert_eq!(capacity(&mut harness), 0);
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.52\ninservice");
    assert_eq!(capacity(&mut harness), 16383);
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    assert_eq!(capacity(&mut harness), 0);
}

#[test]
fn while_it_drains_the_balancer_reports_0() {
    let mut harness = Harness::new(BALANCER);
    harness.core.stop();
    assert_eq!(capacity(&mut harness), 0);
}

#[test]
fn without_virtual_servers_there_is_only_the_row_for_everything_else() {
    let mut harness = Harness::new("ip dfp agent slb\n");
    assert_eq!(weights(&mut harness, Subsystem::Slb), [("0.0.0.0".to_owned(), 0)]);
}

#[test]
fn a_home_agent_reports_by_its_bindings_and_without_one_there_is_nothing() {
    let mut harness = Harness::new("ip dfp agent ipmobile\n");
    assert!(table(&mut harness.core, Subsystem::IpMobile).is_none());
    let idle = HostLoad { cpu: PerMille::ALL, memory: PerMille::ALL };
    for (bindings, host, weight) in [(5000, None, 25), (0, Some(idle), 25), (50, Some(idle), 24)] {
        let agent = HomeAgent { bindings, max_bindings: 10_000, calls: None, busy: None, max_weight: 25 };
        hear(&mut harness.core, &Fact::HomeAgent(Some(agent)));
        host_measured(&mut harness.core, host);
        assert_eq!(weights(&mut harness, Subsystem::IpMobile), [("0.0.0.0".to_owned(), weight)]);
    }
    let table = table(&mut harness.core, Subsystem::IpMobile).unwrap();
    assert!(table.local, "the manager knows the home agent by the address that it has connected to");
    let key = table.rows[0].key;
    assert_eq!((key.protocol.0, key.port, key.bind_id.0), (17, 434, 65535));
    harness.core.stop();
    assert_eq!(weights(&mut harness, Subsystem::IpMobile)[0].1, 0);
}

#[test]
fn the_host_is_measured_each_interval_for_a_home_agent_only() {
    let mut harness = Harness::new("ip dfp agent ipmobile\n port 500\n inservice\n");
    let measurements = |harness: &mut Harness| {
        harness.seconds(10);
        harness.core.take_orders::<Dfp>().iter().filter(|order| **order == Order::Measure).count()
    };
    assert_eq!(measurements(&mut harness), 0);
    let agent = HomeAgent { bindings: 0, max_bindings: 10_000, calls: None, busy: None, max_weight: 25 };
    hear(&mut harness.core, &Fact::HomeAgent(Some(agent)));
    assert_eq!((measurements(&mut harness), measurements(&mut harness)), (1, 1));
}

/// What the sockets were told, in words.
fn ordered(harness: &mut Harness) -> Vec<String> {
    let words = |order| match order {
        SocketOrder::Listen(address) => format!("listen {}", address.port()),
        SocketOrder::Unlisten(port) => format!("unlisten {port}"),
        other => format!("{other:?}"),
    };
    orders(&mut harness.core).into_iter().map(words).collect()
}

#[test]
fn what_lines_have_made_of_agents_is_done_one_after_the_other() {
    let mut harness = Harness::new("ip dfp agent slb\n port 666\n inservice\n!\nip dfp agent ipmobile\n!\n");
    assert_eq!(ordered(&mut harness), ["listen 666"]);
    harness.configure("ip dfp agent slb\nport 666\ninservice");
    assert_eq!(ordered(&mut harness), [""; 0], "as it was");
    harness.configure("ip dfp agent slb\nno inservice\ninservice\nno port\nport 666");
    assert_eq!(ordered(&mut harness), ["unlisten 666", "listen 666", "unlisten 666", "listen 666"]);
    // An agent that is deleted ends its connections in order, and is another one when it is there again.
    tell(&mut harness.core, SocketEvent::Listening(666));
    let (remote, local) = ("10.1.1.9:40000".parse().unwrap(), [10, 1, 1, 1].into());
    tell(&mut harness.core, SocketEvent::Accepted { link: LinkId::Accepted(1), port: 666, remote, local });
    assert_eq!(agents(&mut harness.core)[0].managers.len(), 1);
    assert_eq!(messages(&orders(&mut harness.core), LinkId::Accepted(1), Role::Manager).len(), 1);
    harness.configure("no ip dfp agent slb\nip dfp agent slb\nport 667\ninservice");
    assert_eq!(ordered(&mut harness), ["unlisten 666", "End(Accepted(1), Finish)", "listen 667"]);
    assert_eq!(agents(&mut harness.core)[0].service.as_str(), "ipmobile", "the order of their creation");
    assert!(agents(&mut harness.core).iter().all(|agent| agent.managers.is_empty()));
}

#[test]
fn when_the_tasks_have_died_the_port_is_listened_on_anew_and_managers_may_come_again() {
    let mut harness = Harness::new("ip dfp agent slb\n port 666\n inservice\n!\n");
    assert_eq!(ordered(&mut harness), ["listen 666"]);
    tell(&mut harness.core, SocketEvent::Listening(666));
    let (remote, local) = ("10.1.1.9:40000".parse().unwrap(), [10, 1, 1, 1].into());
    let accepted = SocketEvent::Accepted { link: LinkId::Accepted(1), port: 666, remote, local };
    tell(&mut harness.core, accepted.clone());
    orders(&mut harness.core);
    harness.core.tasks_died::<Dfp>();
    assert!(agents(&mut harness.core)[0].managers.is_empty());
    let health = harness.core.health();
    assert!(health.live && health.ready, "forwarding goes on");
    assert_eq!(
        (health.conditions[0].condition, health.conditions[0].subject.as_str()),
        ("tasks-died", "dfp")
    );
    assert_eq!(ordered(&mut harness), ["listen 666"]);
    // The sockets of the new tasks number from the beginning.
    tell(&mut harness.core, SocketEvent::Listening(666));
    tell(&mut harness.core, accepted);
    assert_eq!(messages(&orders(&mut harness.core), LinkId::Accepted(1), Role::Manager).len(), 1);
}

#[test]
fn agents_that_swap_their_ports_close_both_first() {
    let agents = |slb, ipmobile| {
        format!(
            "ip dfp agent slb\n port {slb}\n inservice\n!\nip dfp agent ipmobile\n port {ipmobile}\n inservice\n!\n"
        )
    };
    let mut harness = Harness::new(&agents(500, 600));
    let agent = HomeAgent { bindings: 0, max_bindings: 10_000, calls: None, busy: None, max_weight: 25 };
    hear(&mut harness.core, &Fact::HomeAgent(Some(agent)));
    assert_eq!(ordered(&mut harness), ["listen 500", "listen 600"]);
    harness.apply_file("swapped.conf", &format!("{}{}", super::SYSTEM_LINES, agents(600, 500))).unwrap();
    assert_eq!(ordered(&mut harness), ["unlisten 500", "unlisten 600", "listen 600", "listen 500"]);
}

#[test]
fn many_changes_at_once_end_in_the_last() {
    let mut harness = Harness::new("ip dfp agent slb\n inservice\n!\nip dfp agent ipmobile\n port 500\n!\n");
    let lines: Vec<_> = (1..=300).map(|port| format!("port {}", 1000 + port)).collect();
    harness.configure(&format!("ip dfp agent slb\n{}", lines.join("\n")));
    let ordered = ordered(&mut harness);
    assert_eq!(ordered[..3], ["listen 1001", "unlisten 1001", "listen 1002"]);
    assert_eq!((ordered.len(), ordered.last().unwrap().as_str()), (599, "listen 1300"));
}
