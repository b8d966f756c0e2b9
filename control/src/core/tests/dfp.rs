//! `show ip slb dfp`, `show ip dfp` and `debug` of DFP, with what the roles would say put in.

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use super::Bench;
use crate::{
    core::{AgentId, Status},
    dfp::{
        agent,
        counter::{Counter, Counters},
        debug::Facility,
        manager::view::ConnectionState,
        packet::{BindEntry, BindId, BindTable, Host, Load, Protocol, Row, RowKey},
        view::{Clock, PasswordView},
    },
};

const CONFIGURATION: &str = "ip slb dfp password Cookies 60\n agent 10.1.1.52 500\n agent 10.1.1.51 500 30 3 20\n!\n\
                             ip dfp agent slb\n port 666\n inservice\n!\nip dfp agent mobileip\n password cisco\n";

/// 14:59:15 UTC 04/21/03 and some seconds.
fn clock(seconds: u64) -> Clock {
    Clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_050_937_155 + seconds))
}

fn row(address: [u8; 4], protocol: Protocol, port: u16, bind_id: u16, weight: u16) -> Row {
    Row { key: RowKey { address: address.into(), protocol, port, bind_id: BindId(bind_id) }, weight }
}

fn home_agent(last: u8) -> Row {
    row([10, 1, 1, last], Protocol::UDP, 434, 65535, 25)
}

/// The configured agent 10.1.1.LAST.
pub(super) fn agent_id(bench: &Bench, last: u8) -> AgentId {
    let wanted = bench.core.dfp_wanted();
    wanted.iter().map(|wanted| wanted.id).find(|id| id.address.ip().octets()[3] == last).unwrap()
}

/// A report of one row.
pub(super) fn load(row: Row) -> Load {
    let host = Host { address: row.key.address, bind_id: row.key.bind_id, weight: row.weight };
    Load { port: row.key.port, protocol: row.key.protocol, hosts: vec![host] }
}

/// What the manager of the guide hears: two agents, weight 25 each.
fn manager(bench: &mut Bench) {
    for (last, seconds) in [(52, 0), (51, 8)] {
        let id = agent_id(bench, last);
        bench.core.dfp_report(id, &[load(home_agent(last))], clock(seconds).0);
    }
    open(bench, Counters::default(), vec![]);
}

/// The connection with 10.1.1.51 is open.
fn open(bench: &mut Bench, counters: Counters, bind_ids: Vec<BindTable>) {
    let status = Status {
        state: ConnectionState::Open,
        counters,
        last_message: Some(clock(8).0),
        bind_ids: bind_ids.into(),
    };
    bench.core.dfp_status(agent_id(bench, 51), status);
}

/// What the agent `slb` of the DFP note says.
fn slb(bench: &Bench) -> agent::view::View {
    let mut view = agent::view::View::of(&bench.core.running().dfp.agents[0]);
    view.app_active = true;
    view.listening = true;
    view.managers = vec![agent::view::ManagerView {
        address: Ipv4Addr::new(172, 18, 45, 27),
        port: 41022,
        timeout: 0,
        counters: Counters::default(),
    }];
    view.weights =
        vec![row([1, 1, 1, 1], Protocol::TCP, 80, 0, 65535), row([0, 0, 0, 0], Protocol::ANY, 0, 65534, 0)];
    view.bind_ids = vec![BindTable {
        server: Ipv4Addr::new(1, 1, 1, 1),
        port: 80,
        protocol: Protocol::TCP,
        entries: vec![BindEntry {
            bind_id: BindId(0),
            client: Ipv4Addr::UNSPECIFIED,
            mask: Ipv4Addr::UNSPECIFIED,
        }],
    }];
    view
}

/// A bench with both roles put in.
fn bench() -> Bench {
    let mut bench = Bench::new(CONFIGURATION);
    let slb = slb(&bench);
    manager(&mut bench);
    bench.core.dfp_mut().agents = vec![slb];
    bench
}

#[test]
fn weights_show_as_in_the_guide() {
    assert_eq!(
        bench().run("show ip slb dfp weights"),
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
    assert_eq!(bench().run("show ip dfp agent slb detail"), expected);
}

#[test]
fn without_detail_every_configured_agent_shows_its_block() {
    let mut bench = bench();
    assert_eq!(bench.run("show ip dfp agent slb"), SLB_BLOCK);
    let second = "\
DFP Agent for service: MOBILEIP
  Port: <none> Interval: 10
  Current passwd: <set> Pending passwd: <none>
  Passwd timeout: 0
  Inservice: no AppActive: no

  Manager IP Address  Timeout
  ------------------  -------
";
    assert_eq!(bench.run("show ip dfp"), format!("{SLB_BLOCK}\n{second}"));
    assert_eq!(bench.run("show ip dfp agent ipm"), second, "by its other name, abbreviated");
    assert_eq!(bench.run("show ip dfp agent csm"), "% Unknown DFP agent subsystem csm\n");
    bench.configure("no ip dfp agent mobileip");
    assert_eq!(bench.run("show ip dfp agent mobileip"), "% DFP agent not found\n");
}

#[test]
fn an_agent_in_trouble_says_so_in_detail() {
    let mut bench = bench();
    let agent = &mut bench.core.dfp_mut().agents[0];
    agent.counters.add(Counter::SecurityMismatch, 3);
    agent.counters.add(Counter::KeyId, 2);
    agent.listen_error = Some("Address already in use".into());
    agent.password = PasswordView { current: true, pending: true, timeout: 42 };
    let other = BindTable { server: Ipv4Addr::new(1, 1, 1, 2), ..agent.bind_ids[0].clone() };
    agent.bind_ids.push(other);
    let text = bench.run("show ip dfp agent slb detail");
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
    let mut bench = bench();
    assert_eq!(bench.run("show ip slb dfp"), MANAGER);
    assert_eq!(bench.run("show ip slb dfp agent 10.1.1.51 500"), FIRST);
    assert_eq!(bench.run("show ip slb dfp agent 10.1.1.51 501"), "% DFP agent not found\n");
    let second = "\
DFP Agent 10.1.1.52:500  Connection state: Not Open
  Timeout = 0  Retry Count = 0  Interval = 180 (Default)
  Security errors = 0
  Last message received: <none>
  Last reported Real weights for Protocol UDP, Port 434
    Host 10.1.1.52  Bind ID 65535  Weight 25
";
    assert_eq!(bench.run("show ip slb dfp detail"), format!("{MANAGER}\n{second}\n{FIRST}"));
    assert_eq!(
        bench.run("show ip slb dfp manager 172.18.45.27"),
        "DFP Manager 172.18.45.27:41022\n  Timeout = 0\n  Security errors = 0\n  Unexpected errors = 0\n"
    );
    assert_eq!(bench.run("show ip slb dfp manager 172.18.45.28"), "% DFP manager not found\n");
}

#[test]
fn an_agent_that_errs_shows_what_and_its_tables() {
    let mut bench = bench();
    let table = slb(&bench).bind_ids.remove(0);
    let mut counters = Counters::default();
    counters.add(Counter::SecurityMissing, 2);
    counters.add(Counter::BadLength, 1);
    open(&mut bench, counters, vec![table]);
    let id = agent_id(&bench, 51);
    bench.core.dfp_report(id, &[load(row([1, 1, 1, 9], Protocol(0), 0, 0, 7))], clock(8).0);
    assert_eq!(
        bench.run("show ip slb dfp agent 10.1.1.51 500"),
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
    let mut bench = Bench::new("");
    assert_eq!(bench.run("show ip slb dfp").lines().count(), 5);
    assert_eq!(bench.run("show ip slb dfp weights"), "");
    assert_eq!(bench.run("show ip dfp"), "");
}

#[test]
fn json_has_the_same_facts_and_no_password() {
    let mut bench = bench();
    let mut json = |line: &str| -> serde_json::Value {
        let text = bench.run(&format!("{line} | json"));
        assert!(!text.contains("Cookies") && !text.contains("cisco"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let manager = json("show ip slb dfp detail");
    assert_eq!(manager["password"], serde_json::json!({ "current": true, "pending": false, "timeout": 0 }));
    assert_eq!(manager["agents"][1]["state"], "open");
    assert_eq!(manager["agents"][1]["last_message"], "2003-04-21T14:59:23Z");
    assert_eq!(manager["agents"][1]["counters"]["key_id_set"], 0);
    assert_eq!(manager["agents"][0]["state"], "not_open");
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
    let mut bench = bench();
    let said = |bench: &Bench| -> Vec<String> {
        bench.core.debug_dfp(Facility::Agent, || "DFP: a".into());
        bench.core.debug_dfp(Facility::Manager, || "SLB_DFP: m".into());
        let lines = bench.core.log().view().lines.iter().map(ToString::to_string).collect();
        bench.core.log().clear();
        lines
    };
    bench.pass(Duration::from_millis(50));
    assert_eq!(said(&bench), [""; 0]);
    assert_eq!(bench.run("debug ip dfp agent"), "DFP debugging is on\n");
    assert_eq!(said(&bench), ["*Apr 21 15:26:03: DFP: a"]);
    assert_eq!(bench.run("debug ip slb dfp"), "SLB DFP debugging is on\n");
    assert_eq!(said(&bench), ["*Apr 21 15:26:03: DFP: a", "*Apr 21 15:26:03: SLB_DFP: m"]);
    assert_eq!(
        bench.run("show debugging"),
        "DFP:\n  DFP debugging is on\nIP SLB:\n  SLB DFP debugging is on\n"
    );
    assert_eq!(bench.run("undebug ip dfp agent"), "DFP debugging is off\n");
    assert_eq!(said(&bench), ["*Apr 21 15:26:03: SLB_DFP: m"]);
    assert_eq!(bench.run("no debug ip slb dfp"), "SLB DFP debugging is off\n");
    assert_eq!(bench.run("show debugging"), "");
    assert_eq!(bench.run("debug ip slb all"), "IP SLB Session debugging is on\nSLB DFP debugging is on\n");
    assert_eq!(bench.run("debug all"), "All possible debugging has been turned on\n");
    assert_eq!(said(&bench).len(), 2);
    assert_eq!(bench.run("no debug all"), "All possible debugging has been turned off\n");
    assert_eq!(said(&bench), [""; 0]);
}

#[test]
fn agents_can_be_debugged_in_user_exec_and_the_manager_cannot() {
    let mut bench = bench();
    bench.run("disable");
    for (line, said) in [
        ("debug ip dfp agent", "DFP debugging is on\n"),
        ("no debug ip dfp agent", "DFP debugging is off\n"),
        ("debug ip dfp agent", "DFP debugging is on\n"),
        ("undebug ip dfp agent", "DFP debugging is off\n"),
    ] {
        assert_eq!(bench.run(line), said, "{line}");
        assert_eq!(bench.core.dfp().is_debugging(Facility::Agent), said.contains("is on"), "{line}");
    }
    for line in ["debug ip slb dfp", "debug ip slb sessions", "debug all", "undebug all"] {
        assert!(bench.run(line).contains("% Invalid input detected"), "{line}");
    }
    assert!(!bench.core.dfp().is_debugging(Facility::Manager));
    let help = bench.shell.help("");
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
    let mut bench = bench();
    bench.core.dfp_mut().agents[0].counters.add(Counter::SlowClose, 4);
    let mut counters = Counters::default();
    counters.add(Counter::TableOverflow, 5);
    open(&mut bench, counters, vec![]);
    let text = bench.core.metrics();
    for line in [
        r#"homeward_dfp_agent_events_total{service="slb",event="slow_closes"} 4.0"#,
        r#"homeward_dfp_agent_managers{service="slb"} 1.0"#,
        r#"homeward_dfp_agent_listening{service="mobileip"} 0.0"#,
        r#"homeward_dfp_manager_events_total{agent="10.1.1.51:500",event="table_overflow"} 5.0"#,
        r#"homeward_dfp_manager_state{agent="10.1.1.51:500",state="open"} 1.0"#,
        r#"homeward_dfp_manager_state{agent="10.1.1.52:500",state="open"} 0.0"#,
        r#"homeward_dfp_reported_weight{real="10.1.1.51",protocol="UDP",port="434",bind_id="65535"} 25.0"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let events = text.lines().filter(|line| line.starts_with("homeward_dfp_agent_events_total{"));
    assert_eq!(events.count(), 2 * Counter::ALL.len());
}

#[test]
fn help_and_completion_know_the_commands() {
    let bench = bench();
    let words = |line: &str| bench.shell.complete(line).words;
    assert_eq!(words("show ip slb dfp "), ["agent", "detail", "manager", "weights"]);
    assert_eq!(words("show ip dfp "), ["agent", "detail"]);
    assert_eq!(words("show ip dfp agent "), ["ipmobile", "mobileip", "slb"]);
    assert_eq!(words("debug ip d"), ["dfp"]);
    assert_eq!(words("undebug ip slb d"), ["dfp"]);
}
