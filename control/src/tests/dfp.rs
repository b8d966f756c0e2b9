//! `show ip slb dfp`, `show ip dfp` and `debug` of DFP.

use std::{net::Ipv4Addr, time::Duration};

use super::Harness;
use crate::{
    bus::{Fact, Service, VirtualServer},
    command::Secret,
    dfp::testing::{
        AgentView, BindEntry, BindId, BindTable, Counter, Host, Key, LinkId, Load, Message, PasswordView,
        Protocol, Row, RowKey, SocketEvent, agent, agent_text, agents, clock, debug, hear, is_debugging,
        load, peer, say, tell,
    },
};

const CONFIGURATION: &str = "ip slb dfp password Cookies 60\n agent 10.1.1.52 500\n agent 10.1.1.51 500 30 3 20\n!\n\
                             ip dfp agent slb\n port 666\n inservice\n!\nip dfp agent mobileip\n password cisco\n";

fn row(address: [u8; 4], protocol: Protocol, port: u16, bind_id: u16, weight: u16) -> Row {
    Row { key: RowKey { address: address.into(), protocol, port, bind_id: BindId(bind_id) }, weight }
}

/// A virtual server of a web site with all of its capacity.
fn web(last: u8) -> VirtualServer {
    let service = Service { protocol: Protocol::TCP.0, port: 80 };
    VirtualServer { address: Ipv4Addr::new(1, 1, 1, last), service, clients: Vec::new(), capacity: 65535 }
}

/// A manager connects to the agent `slb`.
fn accept(harness: &mut Harness, link: u64, address: [u8; 4]) -> LinkId {
    let (link, local) = (LinkId::Accepted(link), [10, 1, 1, 1].into());
    let remote = std::net::SocketAddrV4::new(address.into(), 41022);
    tell(&mut harness.core, SocketEvent::Accepted { link, port: 666, remote, local });
    link
}

fn key() -> Key {
    Key::new(&Secret::clear("Cookies").unwrap())
}

/// A harness with both roles: what the manager of the guide hears (two agents, weight 25 each), and what the agent of
/// the DFP note says to its manager.
fn harness() -> Harness {
    let mut harness = Harness::new(CONFIGURATION);
    for (last, seconds) in [(52, 0), (51, 8)] {
        harness.core.set_time(harness.now, clock(seconds));
        let report = load(row([10, 1, 1, last], Protocol::UDP, 434, 65535, 25));
        say(&mut harness.core, agent(last), &Message::PreferenceInfo(vec![report]), Some(&key()));
    }
    hear(&mut harness.core, &Fact::VirtualServers([web(1)].into()));
    tell(&mut harness.core, SocketEvent::Listening(666));
    accept(&mut harness, 1, [172, 18, 45, 27]);
    harness
}

#[test]
fn weights_show_as_in_the_guide() {
    assert_eq!(
        harness().run("show ip slb dfp weights"),
        "  Real IP Address: 10.1.1.51 Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25
    Set by Agent 10.1.1.51:500 at 14:59:23 UTC 04/21/03
  Real IP Address: 10.1.1.52 Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25
    Set by Agent 10.1.1.52:500 at 14:59:15 UTC 04/21/03
"
    );
}

const SLB_BLOCK: &str = "\
DFP Agent for service: SLB
  Port: 666 Interval: 10
  Current passwd: <none> Pending passwd: <none>
  Passwd timeout: 0
  Inservice: yes AppActive: yes

  Manager IP Address  Timeout
  ------------------  -------
  172.18.45.27        0
";

#[test]
fn an_agent_shows_in_detail_as_in_the_note() {
    let expected = format!(
        "Unexpected errors: 0\n\n{SLB_BLOCK}
Weight Table Report for Agent SLB

Weights for Port: 80 Protocol: TCP

IP Address      Bind ID  Weight
--------------- -------  ------
1.1.1.1         0        65535

Weights for Port: 0 (wildcard) Protocol: 0 (wildcard)

IP Address      Bind ID  Weight
--------------- -------  ------
0.0.0.0         65534    0

Bind ID Table Report for Agent SLB

Bind IDs for Port: 80 Protocol: TCP

Bind ID  Client IP      Client Mask
-------  -------------- -----------
0        0.0.0.0        0.0.0.0
"
    );
    assert_eq!(harness().run("show ip dfp agent slb detail"), expected);
}

#[test]
fn without_detail_every_configured_agent_shows_its_block() {
    let mut harness = harness();
    assert_eq!(harness.run("show ip dfp agent slb"), SLB_BLOCK);
    let second = "\
DFP Agent for service: MOBILEIP
  Port: <none> Interval: 10
  Current passwd: <set> Pending passwd: <none>
  Passwd timeout: 0
  Inservice: no AppActive: no

  Manager IP Address  Timeout
  ------------------  -------
";
    assert_eq!(harness.run("show ip dfp"), format!("{SLB_BLOCK}\n{second}"));
    assert_eq!(harness.run("show ip dfp agent ipm"), second, "by its other name, abbreviated");
    assert_eq!(harness.run("show ip dfp agent csm"), "% Unknown DFP agent subsystem csm\n");
    harness.configure("no ip dfp agent mobileip");
    assert_eq!(harness.run("show ip dfp agent mobileip"), "% DFP agent not found\n");
}

#[test]
fn an_agent_in_trouble_says_so_in_detail() {
    let mut harness = harness();
    hear(&mut harness.core, &Fact::VirtualServers([web(1), web(2)].into()));
    let mut view: AgentView = agents(&mut harness.core).remove(0);
    view.counters.add(Counter::SecurityMismatch, 3);
    view.counters.add(Counter::KeyId, 2);
    view.listen_error = Some("Address already in use".into());
    view.password = PasswordView { current: true, pending: true, timeout: 42 };
    let text = agent_text(&[view], true);
    assert!(
        text.starts_with("Unexpected errors: 3\n  security mismatch: 3\n  key ID set: 2\n\nDFP Agent"),
        "{text}"
    );
    for line in [
        "  Current passwd: <set> Pending passwd: <set>",
        "  Passwd timeout: 42",
        "  Cannot listen: Address already in use",
        "Bind IDs for Port: 80 Protocol: TCP IP Address: 1.1.1.2",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}

const MANAGER: &str = "\
DFP Manager:
  Current passwd: <set> Pending passwd: <none>
  Passwd timeout: 0 sec
Agent IP        Port    Timeout  Retry Count  Interval
---------------------------------------------------------------
10.1.1.52       500     0        0            180 (Default)
10.1.1.51       500     30       3            20
";

const FIRST: &str = "\
DFP Agent 10.1.1.51:500  Connection state: Open
  Timeout = 30  Retry Count = 3  Interval = 20
  Security errors = 0
  Last message received: 14:59:23 UTC 04/21/03
  Last reported Real weights for Protocol UDP, Port 434
    Host 10.1.1.51  Bind ID 65535  Weight 25
";

#[test]
fn the_manager_shows_its_agents() {
    let mut harness = harness();
    assert_eq!(harness.run("show ip slb dfp"), MANAGER);
    assert_eq!(harness.run("show ip slb dfp agent 10.1.1.51 500"), FIRST);
    assert_eq!(harness.run("show ip slb dfp agent 10.1.1.51 501"), "% DFP agent not found\n");
    let second = "\
DFP Agent 10.1.1.52:500  Connection state: Open
  Timeout = 0  Retry Count = 0  Interval = 180 (Default)
  Security errors = 0
  Last message received: 14:59:15 UTC 04/21/03
  Last reported Real weights for Protocol UDP, Port 434
    Host 10.1.1.52  Bind ID 65535  Weight 25
";
    assert_eq!(harness.run("show ip slb dfp detail"), format!("{MANAGER}\n{second}\n{FIRST}"));
    assert_eq!(
        harness.run("show ip slb dfp manager 172.18.45.27"),
        "DFP Manager 172.18.45.27:41022\n  Timeout = 0\n  Security errors = 0\n  Unexpected errors = 0\n"
    );
    assert_eq!(harness.run("show ip slb dfp manager 172.18.45.28"), "% DFP manager not found\n");
}

#[test]
fn an_agent_of_which_nothing_was_heard_shows_that() {
    let mut harness = Harness::new("ip slb dfp\n agent 10.1.1.52 500\n");
    assert_eq!(
        harness.run("show ip slb dfp agent 10.1.1.52 500"),
        "DFP Agent 10.1.1.52:500  Connection state: Connecting
  Timeout = 0  Retry Count = 0  Interval = 180 (Default)
  Security errors = 0
  Last message received: <none>
"
    );
}

#[test]
fn an_agent_that_errs_shows_what_and_its_tables() {
    let mut harness = harness();
    let other = row([1, 1, 1, 9], Protocol(0), 0, 0, 7);
    say(&mut harness.core, agent(51), &Message::PreferenceInfo(vec![load(other)]), Some(&key()));
    let mut view = peer(&mut harness.core, agent(51));
    view.counters.add(Counter::SecurityMissing, 2);
    view.counters.add(Counter::BadLength, 1);
    let (client, mask) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
    view.bind_ids = vec![BindTable {
        server: Ipv4Addr::new(1, 1, 1, 1),
        port: 80,
        protocol: Protocol::TCP,
        entries: vec![BindEntry { bind_id: BindId(0), client, mask }],
    }];
    assert_eq!(
        view.text(),
        "DFP Agent 10.1.1.51:500  Connection state: Open
  Timeout = 30  Retry Count = 3  Interval = 20
  Security errors = 2
  Unexpected errors = 3
    bad length = 1
    security missing = 2
  Last message received: 14:59:23 UTC 04/21/03
  Last reported Real weights for Protocol 0 (wildcard), Port 0 (wildcard)
    Host 1.1.1.9  Bind ID 0  Weight 7
  Last reported Real weights for Protocol UDP, Port 434
    Host 10.1.1.51  Bind ID 65535  Weight 25
  Bind IDs of 1.1.1.1 for Protocol TCP, Port 80
    Bind ID 0  Client 0.0.0.0  Mask 0.0.0.0
"
    );
}

#[test]
fn a_manager_that_is_not_configured_shows_an_empty_table() {
    let mut harness = Harness::new("");
    assert_eq!(harness.run("show ip slb dfp").lines().count(), 5);
    assert_eq!(harness.run("show ip slb dfp weights"), "");
    assert_eq!(harness.run("show ip dfp"), "");
}

#[test]
fn json_has_the_same_facts_and_no_password() {
    let mut harness = harness();
    let mut json = |line: &str| -> serde_json::Value {
        let text = harness.run(&format!("{line} | json"));
        assert!(!text.contains("Cookies") && !text.contains("cisco"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let manager = json("show ip slb dfp detail");
    assert_eq!(manager["password"], serde_json::json!({ "current": true, "pending": false, "timeout": 0 }));
    assert_eq!(manager["agents"][1]["state"], "open");
    assert_eq!(manager["agents"][1]["last_message"], "2003-04-21T14:59:23Z");
    assert_eq!(manager["agents"][1]["counters"]["key_id_set"], 0);
    assert_eq!(manager["agents"][0]["state"], "open");
    assert_eq!(manager["agents"][0]["last_message"], "2003-04-21T14:59:15Z");
    assert_eq!(json("show ip slb dfp agent 10.1.1.51 500")["agents"][0]["reported"][0]["weight"], 25);
    assert_eq!(
        json("show ip slb dfp weights")["weights"][0],
        serde_json::json!({
            "real": "10.1.1.51", "protocol": "UDP", "port": 434, "bind_id": 65535, "weight": 25,
            "agent": "10.1.1.51", "agent_port": 500, "set_at": "2003-04-21T14:59:23Z",
        })
    );
    let agents = json("show ip dfp");
    assert_eq!(agents["agents"][0]["service"], "slb");
    assert_eq!(agents["agents"][0]["bind_ids"][0]["mask"], "0.0.0.0");
    assert_eq!(agents["agents"][1]["password"]["current"], true);
    assert_eq!(json("show ip slb dfp manager 172.18.45.27")["managers"][0]["port"], 41022);
}

#[test]
fn debugging_is_turned_on_and_off_for_each_role() {
    let mut harness = harness();
    let said = |harness: &mut Harness| -> Vec<String> {
        debug(&mut harness.core);
        let lines = harness.log_lines();
        harness.core.shared().log.clear();
        lines
    };
    harness.pass(Duration::from_millis(50));
    assert_eq!(said(&mut harness), [""; 0]);
    assert_eq!(harness.run("debug ip dfp agent"), "DFP debugging is on\n");
    assert_eq!(said(&mut harness), ["*Apr 21 15:26:03: DFP: a"]);
    assert_eq!(harness.run("debug ip slb dfp"), "SLB DFP debugging is on\n");
    assert_eq!(said(&mut harness), ["*Apr 21 15:26:03: DFP: a", "*Apr 21 15:26:03: SLB_DFP: m"]);
    assert_eq!(
        harness.run("show debugging"),
        "DFP:\n  DFP debugging is on\nIP SLB:\n  SLB DFP debugging is on\n"
    );
    assert_eq!(harness.run("undebug ip dfp agent"), "DFP debugging is off\n");
    assert_eq!(said(&mut harness), ["*Apr 21 15:26:03: SLB_DFP: m"]);
    assert_eq!(harness.run("no debug ip slb dfp"), "SLB DFP debugging is off\n");
    assert_eq!(harness.run("show debugging"), "");
    assert_eq!(
        harness.run("debug ip slb all"),
        "IP SLB Session debugging is on\nIP SLB Probe debugging is on\nSLB DFP debugging is on\n"
    );
    assert_eq!(harness.run("debug all"), "All possible debugging has been turned on\n");
    assert_eq!(said(&mut harness).len(), 2);
    assert_eq!(harness.run("no debug all"), "All possible debugging has been turned off\n");
    assert_eq!(said(&mut harness), [""; 0]);
}

#[test]
fn agents_can_be_debugged_in_user_exec_and_the_manager_cannot() {
    let mut harness = harness();
    harness.run("disable");
    for (line, said) in [
        ("debug ip dfp agent", "DFP debugging is on\n"),
        ("no debug ip dfp agent", "DFP debugging is off\n"),
        ("debug ip dfp agent", "DFP debugging is on\n"),
        ("undebug ip dfp agent", "DFP debugging is off\n"),
    ] {
        assert_eq!(harness.run(line), said, "{line}");
        assert_eq!(is_debugging(&mut harness.core).0, said.contains("is on"), "{line}");
    }
    for line in ["debug ip slb dfp", "debug ip slb sessions", "debug all", "undebug all"] {
        assert!(harness.run(line).contains("% Invalid input detected"), "{line}");
    }
    assert!(!is_debugging(&mut harness.core).1);
    let help = harness.shell.help("");
    for line in [
        "debug     Debugging functions\n",
        "undebug   Disable debugging functions\n",
        "no        Disable debugging functions\n",
    ] {
        assert!(help.contains(line), "{help}");
    }
}

#[test]
fn metrics_count_every_event_of_both_roles() {
    let mut harness = harness();
    let row = |port| row([10, 1, 1, 51], Protocol::UDP, port, 65535, 25);
    // One is known already, and there is room for 4095 more.
    for first in (1000..5100).step_by(100) {
        let rows: Vec<_> = (first..first + 100).map(row).collect();
        let hosts = |row: &Row| Host { address: row.key.address, bind_id: row.key.bind_id, weight: 25 };
        let load = |row: &Row| Load { port: row.key.port, protocol: Protocol::UDP, hosts: vec![hosts(row)] };
        let report = Message::PreferenceInfo(rows.iter().map(load).collect());
        say(&mut harness.core, agent(51), &report, Some(&key()));
    }
    for last in 1..=4 {
        let link = accept(&mut harness, 1 + u64::from(last), [10, 1, 2, last]);
        tell(&mut harness.core, SocketEvent::Input(link, vec![1, 0]));
    }
    harness.seconds(11);
    let text = harness.metrics();
    for line in [
        r#"homeward_dfp_agent_events_total{service="slb",event="slow_closes"} 4.0"#,
        r#"homeward_dfp_agent_managers{service="slb"} 1.0"#,
        r#"homeward_dfp_agent_listening{service="mobileip"} 0.0"#,
        r#"homeward_dfp_manager_events_total{agent="10.1.1.51:500",event="table_overflow"} 5.0"#,
        r#"homeward_dfp_manager_state{agent="10.1.1.51:500",state="open"} 1.0"#,
        r#"homeward_dfp_manager_state{agent="10.1.1.52:500",state="not_open"} 0.0"#,
        r#"homeward_dfp_reported_weight{real="10.1.1.51",protocol="UDP",port="434",bind_id="65535"} 25.0"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let events = text.lines().filter(|line| line.starts_with("homeward_dfp_agent_events_total{"));
    assert_eq!(events.count(), 2 * Counter::ALL.len());
}

#[test]
fn help_and_completion_know_the_commands() {
    let harness = harness();
    let words = |line: &str| harness.shell.complete(line).words;
    assert_eq!(words("show ip slb dfp "), ["agent", "detail", "manager", "weights"]);
    assert_eq!(words("show ip dfp "), ["agent", "detail"]);
    assert_eq!(words("show ip dfp agent "), ["ipmobile", "mobileip", "slb"]);
    assert_eq!(words("debug ip d"), ["dfp"]);
    assert_eq!(words("undebug ip slb d"), ["dfp"]);
}
