//! E1 to E5: the text, the caret's column, and that nothing changes.

use super::*;

const INTERFACE: &[&str] = &["hostname Router", "interface Ethernet0", "device net_null0"];
const SUB: &[&str] =
    &["hostname Router", "interface Ethernet0", "device net_null0", "interface Ethernet0.15"];
const DATAPLANE: &[&str] = &["hostname Router", "dataplane"];
const MANAGEMENT: &[&str] = &["hostname Router", "management"];
const GLOBAL: &[&str] = &["hostname Router"];
const FARM: &[&str] = &["hostname Router", "ip slb serverfarm F"];
const REAL: &[&str] = &["hostname Router", "ip slb serverfarm F", "real 10.1.1.51"];
const VSERVER: &[&str] = &["hostname Router", "ip slb vserver V"];
const DFP: &[&str] = &["hostname Router", "ip slb dfp"];

/// Lines with `§` before the character that the caret must stand under, and the prompt before them.
const WRONG: &[(&[&str], &str, &str)] = &[
    (GLOBAL, "Router(config)#", "§frobnicate"),
    (GLOBAL, "Router(config)#", "hostname §bad_name"),
    (GLOBAL, "Router(config)#", "hostname good §bad"),
    (GLOBAL, "Router(config)#", "hostn§ome good"),
    (GLOBAL, "Router(config)#", "  ip route §10.0.0.300 255.0.0.0 10.1.1.1"),
    (GLOBAL, "Router(config)#", "ip route 10.0.0.0 §255.0.255.0 10.1.1.1"),
    (GLOBAL, "Router(config)#", "ip route 10.0.0.0 255.0.0.0 10.1.1.1 §256"),
    (GLOBAL, "Router(config)#", "ip §xyz"),
    (GLOBAL, "Router(config)#", "interface §Serial0"),
    (GLOBAL, "Router(config)#", "interface GigabitEthernet §x"),
    (GLOBAL, "Router(config)#", "interface gi6/1 §(inside port of the IPSEC module)"),
    (GLOBAL, "Router(config)#", "logging level infor§nal"),
    (GLOBAL, "Router(config)#", "logging buffered §15"),
    (GLOBAL, "Router(config)#", "no arp §x"),
    (GLOBAL, "Router(config)#", "arp 10.1.1.1 §0200.5e00.zz"),
    (INTERFACE, "Router(config-if)#", "mtu §575"),
    (INTERFACE, "Router(config-if)#", "mtu 1500 §bytes"),
    (INTERFACE, "Router(config-if)#", "ip address 10.1.1.1 255.255.255.0 seco§dary"),
    (INTERFACE, "Router(config-if)#", "rss key §abc"),
    (INTERFACE, "Router(config-if)#", "en§capsulation dot1q 5"),
    (SUB, "Router(config-subif)#", "encapsulation dot1q §4095"),
    (SUB, "Router(config-subif)#", "de§vice net_null1"),
    (DATAPLANE, "Router(config-dataplane)#", "workers §65"),
    (DATAPLANE, "Router(config-dataplane)#", "sessions §1023"),
    (DATAPLANE, "Router(config-dataplane)#", "hugepages §maybe"),
    (DATAPLANE, "Router(config-dataplane)#", "do show runn§er"),
    (MANAGEMENT, "Router(config-management)#", "http §127.0.0.1"),
    (GLOBAL, "Router(config)#", "ip slb serverf§orm F"),
    (GLOBAL, "Router(config)#", "ip slb serverfarm §A-name-of-16-char"),
    (GLOBAL, "Router(config)#", "ip slb vserver MIPS §LB"),
    (GLOBAL, "Router(config)#", "ip slb §firewallfarm F"),
    (FARM, "Router(config-slb-sfarm)#", "predictor r§andom"),
    (FARM, "Router(config-slb-sfarm)#", "bindid §65534"),
    (FARM, "Router(config-slb-sfarm)#", "real §10.1.1"),
    (FARM, "Router(config-slb-sfarm)#", "real 10.1.1.51 §65536"),
    (REAL, "Router(config-slb-real)#", "weight §70000"),
    (REAL, "Router(config-slb-real)#", "faildetect numconns 2 numc§onns 2"),
    (REAL, "Router(config-slb-real)#", "maxconns §4294967296"),
    (REAL, "Router(config-slb-real)#", "retry 60 §seconds"),
    (VSERVER, "Router(config-slb-vserver)#", "virtual 10.1.1.10 udp §65536 service ipmobile"),
    (VSERVER, "Router(config-slb-vserver)#", "virtual 10.1.1.10 udp 434 service §x"),
    (VSERVER, "Router(config-slb-vserver)#", "idle ipmobile request §3"),
    (INTERFACE, "Router(config-if)#", "ip verify unicast source reachable-via §both"),
    (VSERVER, "Router(config-slb-vserver)#", "client-rate §0"),
    (VSERVER, "Router(config-slb-vserver)#", "client-rate §65536"),
    (VSERVER, "Router(config-slb-vserver)#", "client 10.1.1.0 §0.0.0.255"),
    (DFP, "Router(config-slb-dfp)#", "agent 10.1.1.51 §0"),
    (MANAGEMENT, "Router(config-management)#", "http max-connections §0"),
    (MANAGEMENT, "Router(config-management)#", "exec-timeout §x"),
    (MANAGEMENT, "Router(config-management)#", "health port-down after §86401"),
    (MANAGEMENT, "Router(config-management)#", "health drops above §100"),
    (MANAGEMENT, "Router(config-management)#", "health port-down a§bove 10"),
    (MANAGEMENT, "Router(config-management)#", "health §noise unready"),
    (MANAGEMENT, "Router(config-management)#", "socket /x mode §0999"),
];

#[test]
fn the_caret_stands_under_the_first_bad_character() {
    for (before, prompt, marked) in WRONG {
        let mut harness = Harness::configuring(before);
        let (position, text) = (harness.shell.position().cloned(), harness.text());
        let line = marked.replace('§', "");
        let column = prompt.len() + marked.chars().position(|c| c == '§').unwrap();
        let reply = harness.run(&line);
        let expected = format!("{}^\n% Invalid input detected at '^' marker.\n\n", " ".repeat(column));
        assert_eq!(harness.shell.prompt("Router"), *prompt);
        assert_eq!((reply.text.as_str(), reply.error), (expected.as_str(), Some(ErrorId::E1)), "{line}");
        assert_eq!(
            (harness.shell.position().cloned(), harness.text()),
            (position, text),
            "{line} changed something"
        );
    }
}

#[test]
fn a_weight_out_of_range_is_shown_as_ios_shows_it() {
    let mut harness = Harness::configuring(REAL);
    let line = "weight 70000";
    let screen = format!("{}{line}\n{}", harness.shell.prompt("Router"), harness.run(line).text);
    let expected = "Router(config-slb-real)#weight 70000\n                               ^\n\
                    % Invalid input detected at '^' marker.\n\n";
    assert_eq!(screen, expected);
}

#[test]
fn characters_not_bytes_are_counted() {
    let mut harness = Harness::configuring(GLOBAL);
    assert_eq!(harness.run("hostname é").text.find('^'), Some("Router(config)#hostname ".len()));
    assert_eq!(harness.run("arp é x").text.find('^'), Some("Router(config)#arp ".len()));
    let mut harness = Harness::configuring(&["hostname Router", "interface e0", "description é"]);
    assert_eq!(harness.run("no shutdown éé z").text.find('^'), Some("Router(config-if)#no shutdown ".len()));
}

#[test]
fn in_exec_mode_the_prompt_is_counted_too() {
    let mut harness = Harness::configuring(&["hostname Router", "end"]);
    for (line, column) in
        [("foo", 7), ("show foo", 12), ("show lines detail x", 25), ("show lines | foo", 20)]
    {
        let reply = harness.run(line);
        assert_eq!((reply.text.find('^'), reply.error), (Some(column), Some(ErrorId::E1)), "{line}");
    }
}

#[test]
fn lines_that_end_too_early_are_incomplete() {
    let mut harness = Harness::configuring(GLOBAL);
    for line in
        ["hostname", "ip", "ip route 10.0.0.0 255.0.0.0", "interface", "interface gi", "no", "no arp", "do"]
    {
        let reply = harness.run(line);
        assert_eq!(
            (reply.text.as_str(), reply.error),
            ("% Incomplete command.\n\n", Some(ErrorId::E2)),
            "{line}"
        );
    }
    assert_eq!(harness.text(), "hostname Router\n!\n");
}

#[test]
fn words_that_mean_two_things_are_ambiguous() {
    let mut harness = Harness::configuring(&["hostname Router", "interface e0"]);
    let reply = harness.run("rx 5");
    assert_eq!(reply.text, "% Ambiguous command:  \"rx 5\"\n");
    assert_eq!(reply.error, Some(ErrorId::E3));
    // `m` is `mtu` or `mac-address` here, so it does not mean the global `management`.
    assert_eq!(harness.run("m").error, Some(ErrorId::E3));
    harness.run("end");
    assert_eq!(harness.run("sh l").error, Some(ErrorId::E3));
    assert_eq!(harness.run("show log").error, None);
}

#[test]
fn refusals_name_their_reason_and_change_nothing() {
    for (before, line, text) in [
        (DATAPLANE, "flows 4096", "% flows is not supported\n"),
        (INTERFACE, "ip address 10.1.1.0 255.255.255.0", "% Bad mask /24 for address 10.1.1.0\n"),
        (
            INTERFACE,
            "ip address 10.1.1.1 255.255.255.0 secondary",
            "% Primary address must be set before secondary\n",
        ),
        (INTERFACE, "rss key abcd", "% rss key needs 40 or 52 bytes\n"),
        (INTERFACE, "mac-address 0100.5e00.0001", "% Invalid MAC address\n"),
        (GLOBAL, "ip route 10.1.1.1 255.0.0.0 10.2.2.2", "% Inconsistent address and mask\n"),
        (GLOBAL, "no ip route 10.0.0.0 255.0.0.0", "% No matching route to delete\n"),
        (MANAGEMENT, "socket x", "% socket needs an absolute path of at most 107 bytes\n"),
    ] {
        let mut harness = Harness::configuring(before);
        let text_before = harness.text();
        let reply = harness.run(line);
        assert_eq!((reply.text.as_str(), reply.error), (text, Some(ErrorId::E5)), "{line}");
        assert_eq!(harness.text(), text_before);
    }
}

#[test]
fn a_line_that_breaks_the_whole_is_refused() {
    let mut harness =
        Harness::configuring(&["interface e0", "device net_af_packet0,iface=v0", "interface e1"]);
    let reply = harness.run("device net_af_packet1,iface=v0");
    assert_eq!(reply.text, "% Ethernet1: device net_af_packet1,iface=v0 is in use by Ethernet0\n");
    harness.run("interface e0.7");
    harness.run("encapsulation dot1q 7");
    harness.run("interface e0");
    assert_eq!(harness.run("no device").text, "% Ethernet0.7: Ethernet0 has no device\n");
    assert!(harness.text().contains(" device net_af_packet0,iface=v0\n"));
}

#[test]
fn an_overlong_line_is_refused() {
    let mut harness = Harness::configuring(GLOBAL);
    let reply = harness.run(&format!("hostname {}", "x".repeat(LINE_LIMIT)));
    assert_eq!((reply.error, reply.text.as_str()), (Some(ErrorId::E1), "% Line longer than 4096 bytes\n"));
    assert_eq!(harness.shell.help(&"x".repeat(LINE_LIMIT + 1)), "% Unrecognized command\n");
}
