use std::{net::Ipv4Addr, time::Duration};

use super::*;

fn real(address: &str, farm: &str, weight: u32, conns: u32) -> RealView {
    RealView {
        real: address.parse().unwrap(),
        port: None,
        farm: farm.into(),
        weight,
        admin_weight: 8,
        state: "OPERATIONAL".into(),
        conns,
        maxconns: u32::MAX,
        reassign: Some(3),
        retry: 60,
        retry_remaining: None,
        inband: true,
        failconn_threshold: 8,
        failconn_count: 0,
        failclient_threshold: 2,
        failclient_count: 0,
        total_established: 2,
        total_failures: 0,
        disregarded_failures: 0,
        doubted_failures: 0,
        server_failures: 0,
        adjacency: None,
    }
}

fn session(vserver: &str, hash: u32, client: &str, real: &str) -> SessionView {
    SessionView {
        vserver: vserver.into(),
        nai_hash: NaiHash(hash),
        client: client.parse().unwrap(),
        client_port: 434,
        real: real.parse().unwrap(),
        farm: "HAFARM".into(),
        nat: "S",
        state: "IPMOBILE_ESTAB",
        retry: 1,
        reassign: Some(3),
        remaining: 8,
        test: false,
    }
}

#[test]
fn reals_are_as_the_guide_prints_them() {
    let text = reals_text(&[real("99.99.11.11", "FARM1", 1, 2), real("99.99.11.12", "FARM1", 1, 2)], false);
    let expected = "\
real                farm name          weight  state          conns
-------------------------------------------------------------------
99.99.11.11         FARM1              1       OPERATIONAL    2
99.99.11.12         FARM1              1       OPERATIONAL    2
";
    assert_eq!(text, expected);
    let text = reals_text(&[real("10.1.1.51", "HAFARM", 24, 50), real("10.1.1.52", "HAFARM", 24, 50)], false);
    assert!(text.ends_with(
        "10.1.1.51           HAFARM             24      OPERATIONAL    50
10.1.1.52           HAFARM             24      OPERATIONAL    50
"
    ));
}

#[test]
fn sessions_are_as_the_guide_prints_them_in_the_order_of_buckets() {
    let mut sessions = vec![
        session("MIPSLB", 0x47E2_FD1B, "15.1.1.51", "10.1.1.51"),
        session("MIPSLB", 0x1DC0_E314, "15.1.1.51", "10.1.1.52"),
        session("MIPSLB", 0x2BDE_E911, "15.1.1.51", "10.1.1.51"),
        session("MIPSLB", 0xA984_DF0A, "15.1.1.51", "10.1.1.52"),
    ];
    sort_sessions(&mut sessions);
    let expected = "\
vserver         NAI hash         client          real            state
-------------------------------------------------------------------------------
MIPSLB          A984DF0A00000000 15.1.1.51       10.1.1.52       IPMOBILE_ESTAB
MIPSLB          1DC0E31400000000 15.1.1.51       10.1.1.52       IPMOBILE_ESTAB
MIPSLB          2BDEE91100000000 15.1.1.51       10.1.1.51       IPMOBILE_ESTAB
MIPSLB          47E2FD1B00000000 15.1.1.51       10.1.1.51       IPMOBILE_ESTAB
";
    assert_eq!(sessions_text(&sessions, false), expected);
    for session in &mut sessions {
        session.vserver = "IPSECSLB".into();
        session.client = Ipv4Addr::new(10, 1, 1, 51);
        session.real = Ipv4Addr::new(10, 99, 11, session.real.octets()[3] - 40);
    }
    let expected = "\
vserver         NAI hash         client          real            state
-------------------------------------------------------------------------------
IPSECSLB        A984DF0A00000000 10.1.1.51       10.99.11.12     IPMOBILE_ESTAB
IPSECSLB        1DC0E31400000000 10.1.1.51       10.99.11.12     IPMOBILE_ESTAB
IPSECSLB        2BDEE91100000000 10.1.1.51       10.99.11.11     IPMOBILE_ESTAB
IPSECSLB        47E2FD1B00000000 10.1.1.51       10.99.11.11     IPMOBILE_ESTAB
";
    assert_eq!(sessions_text(&sessions, false), expected);
    let json = serde_json::to_value(&sessions[0]).unwrap();
    assert_eq!(json["nai_hash"], "A984DF0A00000000");
    assert_eq!(json["client_port"], 434);
}

#[test]
fn an_overlong_cell_pushes_by_one_blank_and_is_never_cut() {
    let mut long = real("192.168.100.200", "ABCDEFGHIJKLMNO", 255, 4_000_000_000);
    long.port = Some(65535);
    long.farm = "ABCDEFGHIJKLMNOPQRS".into();
    let text = reals_text(&[long], false);
    assert_eq!(
        text.lines().nth(2).unwrap(),
        "192.168.100.200:65535 ABCDEFGHIJKLMNOPQRS 255  OPERATIONAL    4000000000"
    );
    assert_eq!(sessions_text(&[], false).lines().count(), 2);
}

#[test]
fn details_tables_and_stats_have_their_golden_text() {
    assert_eq!(
        reals_text(&[real("10.1.1.51", "HAFARM", 24, 2)], true),
        "\
10.1.1.51, HAFARM, state = OPERATIONAL, type = server
  conns = 2, dummy_conns = 0, maxconns = 4294967295
  weight = 24, weight(admin) = 8, metric = 0, remainder = 0
  reassign = 3, retry = 60
  failconn threshold = 8, failconn count = 0
  failclient threshold = 2, failclient count = 0
  total conns established = 2, total conn failures = 0
  server failures = 0
"
    );
    let farm = FarmView {
        server_farm: "HAFARM".into(),
        predictor: "ROUNDROBIN",
        nat: "S",
        bind_id: 0,
        probes: Vec::new(),
        failaction_purge: false,
        vservers: vec!["MIPSLB".into()],
        reals: vec![real("10.1.1.51", "HAFARM", 24, 2), real("10.1.1.52", "HAFARM", 24, 2)],
    };
    assert_eq!(
        farms_text(&[farm], false),
        "\
server farm     predictor    nat   reals   bind id
---------------------------------------------------
HAFARM          ROUNDROBIN   S     2       0
"
    );
    assert_eq!(
        conns_text(),
        "\
vserver         prot client                real                  state     nat
-------------------------------------------------------------------------------
"
    );
    assert_eq!(
        StatsView::default().text(),
        " Pkts via normal switching:   0
 Pkts via special switching:  0
 Pkts Dropped:                0
 Connections Created:         0
 Connections Established:     0
 Connections Destroyed:       0
 Connections Reassigned:      0
 Zombie Count:                0
 Connections Reused:          0
 Failed Connection Allocs:    0
 Failed Real Assignments:     0
"
    );
}

#[test]
fn virtual_servers_have_their_golden_text() {
    let vserver = VserverView {
        vserver: "MIPSLB".into(),
        protocol: "UDP",
        address: "10.1.1.10/32:434".into(),
        state: "OPERATIONAL",
        conns: 4,
        v_index: 7,
        service: "IPMOBILE",
        server_farm: Some("HAFARM".into()),
        backup_server_farm: None,
        backup_hits: 0,
        ipmobile_request_idle: 300,
        strict_home_agent: false,
        client_rate: None,
        clients: Vec::new(),
        total_conns: 4,
        no_nai: 0,
        no_key: 0,
        malformed: 0,
        not_rrq: 0,
        ha_field_set: 0,
        deregistrations: 0,
        deregistrations_refused: 0,
        no_real: 0,
        session_alloc_fail: 0,
        client_rate_drops: 0,
    };
    let limited = VserverView { client_rate: Some(50), client_rate_drops: 7, ..vserver.clone() };
    assert!(vservers_text(&[limited], true).ends_with("\n  client rate = 50, client rate drops = 7\n"));
    assert_eq!(
        vservers_text(std::slice::from_ref(&vserver), false),
        "\
slb vserver      prot  virtual               state          conns
-------------------------------------------------------------------
MIPSLB           UDP   10.1.1.10/32:434      OPERATIONAL    4
"
    );
    assert_eq!(
        vservers_text(&[vserver], true),
        "\
MIPSLB, state = OPERATIONAL, v_index = 7
  virtual = 10.1.1.10/32:434, UDP, service = IPMOBILE, advertise = TRUE
  server farm = HAFARM, delay = 10, idle = 3600
  ipmobile request idle = 300
  backup server farm = <none>, backup_hits = 0
  sticky timer = 0, sticky subnet = 255.255.255.255
  synguard counter = 0, synguard period = 0
  conns = 4, total conns = 4, syns = 0, syn drops = 0
  standby group = None
"
    );
}

#[test]
fn the_displayed_hash_is_fnv_1a() {
    // Vectors of the FNV reference code.
    assert_eq!(NaiHash::from_key(b""), NaiHash(0x811c_9dc5));
    assert_eq!(NaiHash::from_key(b"foobar"), NaiHash(0xbf9c_f968));
    assert_eq!(NaiHash::from_key(b"a").to_string(), "E40C292C00000000");
}

#[test]
fn probes_have_their_golden_text() {
    let asked = ProbedView {
        server: Ipv4Addr::new(10, 1, 1, 51),
        port: 0,
        state: "OPERATIONAL",
        outages: 0,
        current: Span(Duration::ZERO),
        cumulative: Span(Duration::from_secs(3725)),
        tries: 12,
        answers: 11,
        not_sent: 1,
        round_trip: Some(Duration::from_micros(214)),
    };
    let probe = ProbeView {
        probe: "HAPROBE".into(),
        kind: "ping",
        script: None,
        interval: 10,
        timeout: 5,
        faildetect: 10,
        retry: 2,
        farms: vec!["HAFARM".into()],
        servers: vec![ProbedView { cumulative: Span(Duration::ZERO), ..asked.clone() }],
    };
    assert_eq!(
        probes_text(std::slice::from_ref(&probe), false),
        "\
Server:Port           State        Outages  Current  Cumulative
----------------------------------------------------------------
10.1.1.51:0           OPERATIONAL  0        00:00:00 00:00:00
"
    );
    let probe = ProbeView { servers: vec![asked], ..probe };
    assert_eq!(
        probes_text(&[probe], true),
        "\
HAPROBE, type = ping, server farms = HAFARM
  interval = 10, timeout = 5, faildetect = 10, retry = 2
  server 10.1.1.51:0, state = OPERATIONAL, outages = 0, current = 00:00:00, cumulative = 01:02:05
    tries = 12, answers = 11, not sent = 1, last answer took 0.214 ms
"
    );
}
