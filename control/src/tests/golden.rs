//! The examples of the guide, from requests to `show` and `debug`, with its keys put in place of ours.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::{Event, SessionChange, SessionEvent},
    id::WorkerId,
    slb::{KeySpace, Outcome, Request},
};

use super::Harness;

/// Keys of users 1 to 4 as the guide prints them.
const KEYS: [u32; 4] = [0x47E2_FD1B, 0x1DC0_E314, 0x2BDE_E911, 0xA984_DF0A];

const DIRECTED: &str = "ip slb serverfarm HAFARM\n nat server\n real 10.1.1.51\n  weight 1\n  inservice\n real 10.1.1.52\n  \
                        weight 1\n  inservice\n!\nip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n \
                        serverfarm HAFARM\n idle ipmobile request 300\n inservice\n";

/// Users 1 to 4 register, each with its key.
fn register(harness: &mut Harness) {
    let snapshot = harness.snapshot();
    let vserver = snapshot.slb.vservers.iter().flatten().find(|vserver| vserver.name == "MIPSLB").unwrap();
    for (user, key) in (1..).zip(KEYS) {
        let nai = format!("mwts-mip-np-user{user}@ispxyz.com");
        let request = Request {
            vserver: vserver.id,
            identity: harness.director().identity(vserver, KeySpace::Nai, nai.as_bytes()),
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            deregistration: false,
            home_agent: None,
        };
        let outcome =
            harness.director().handle(&snapshot, &request, &|| key, harness.now.tick(), WorkerId(0), |_| ());
        assert!(matches!(outcome, Outcome::Forward { change: Some(SessionChange::Created), .. }));
    }
}

#[test]
fn four_sessions_show_as_in_the_guide() {
    let mut harness = Harness::new(DIRECTED);
    register(&mut harness);
    assert_eq!(
        harness.run("show ip slb sessions ipmobile"),
        "\
vserver         NAI hash         client          real            state
-------------------------------------------------------------------------------
MIPSLB          A984DF0A00000000 15.1.1.51       10.1.1.52       IPMOBILE_ESTAB
MIPSLB          1DC0E31400000000 15.1.1.51       10.1.1.52       IPMOBILE_ESTAB
MIPSLB          2BDEE91100000000 15.1.1.51       10.1.1.51       IPMOBILE_ESTAB
MIPSLB          47E2FD1B00000000 15.1.1.51       10.1.1.51       IPMOBILE_ESTAB
"
    );
    assert_eq!(
        harness.run("show ip slb reals"),
        "\
real                farm name          weight  state          conns
-------------------------------------------------------------------
10.1.1.51           HAFARM             1       OPERATIONAL    2
10.1.1.52           HAFARM             1       OPERATIONAL    2
"
    );
    assert_eq!(
        harness.run("show ip slb vservers"),
        "\
slb vserver      prot  virtual               state          conns
-------------------------------------------------------------------
MIPSLB           UDP   10.1.1.10/32:434      OPERATIONAL    4
"
    );
    assert_eq!(
        harness.run("show ip slb sessions client 15.1.1.0 255.255.255.0 | count MIPSLB"),
        harness.run("show ip slb sessions vserver mipslb | count MIPSLB")
    );
    assert_eq!(harness.run("show ip slb sessions client 15.1.1.52").lines().count(), 2);
    let json: serde_json::Value =
        serde_json::from_str(&harness.run("show ip slb sessions ipmobile | json")).unwrap();
    assert_eq!(json["sessions"][0]["nai_hash"], "A984DF0A00000000");
    assert_eq!(json["sessions"][0]["real"], "10.1.1.52");
    harness.assert_counters_balance();
}

/// Six virtual servers before it make ours the seventh, as in the guide.
fn seventh() -> String {
    let before: String =
        ["V1", "V2", "V3", "V4", "V5", "V6"].map(|name| format!("ip slb vserver {name}\n!\n")).concat();
    before + &DIRECTED.replace("10.1.1.10", "15.1.1.10")
}

#[test]
fn a_new_session_and_its_end_print_the_lines_of_the_guide() {
    let mut harness = Harness::new(&seventh());
    harness.run("debug ip slb sessions ipmobile");
    let snapshot = harness.snapshot();
    let vserver = snapshot.slb.vservers.iter().flatten().find(|vserver| vserver.name == "MIPSLB").unwrap();
    let event = |change, nai: &[u8]| {
        Event::Session(SessionEvent {
            change,
            vserver: vserver.id,
            real: snapshot.farm(vserver.farm).unwrap().reals[0],
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            display_hash: KEYS[0],
            nai: nai.into(),
        })
    };
    harness.worker.events.push(event(SessionChange::Created, b"mwts-mip-np-user1@ispxyz.com")).unwrap();
    harness.worker.events.push(event(SessionChange::TimedOut, b"")).unwrap();
    harness.pass(Duration::from_millis(50));
    let lines: Vec<String> = harness.log_lines();
    let expected = "\
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI: mwts-mip-np-user1@ispxyz.com, length: 28
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: event= IPMOBILE_REQ_REQUEST, state= IPMOBILE_INIT -> IPMOBILE_ESTAB
*Apr 21 15:26:03: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 10.1.1.51, NAT= S
*Apr 21 15:26:03: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: event= IPMOBILE_TIMEOUT, state= IPMOBILE_ESTAB -> IPMOBILE_INIT
*Apr 21 15:26:03: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 10.1.1.51, NAT= S
*Apr 21 15:26:03: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000";
    assert_eq!(lines.join("\n"), expected);
    harness.run("configure terminal\nservice timestamps debug datetime msec\nend");
    harness.worker.events.push(event(SessionChange::Repeated, b"a\nb")).unwrap();
    harness.pass(Duration::from_millis(50));
    let lines: Vec<String> = harness.log_lines();
    assert_eq!(
        lines[7],
        "*Apr 21 15:26:03.000: SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI: a\\x0Ab, length: 3"
    );
    harness.run("undebug all");
    harness.worker.events.push(event(SessionChange::Repeated, b"c")).unwrap();
    harness.pass(Duration::from_millis(50));
    assert_eq!(
        harness.core.shared().log.view().total,
        10,
        "an event on its way when debugging ended is not printed"
    );
}
