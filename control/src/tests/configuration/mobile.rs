//! Lines of the home agent.

use super::*;

fn after(lines: &[&str]) -> String {
    Harness::configuring(lines).text()
}

const LINES: &[&str] = &[
    "ip access-list standard AWAY",
    " 10 permit 10.9.0.0 0.0.255.255",
    "!",
    "access-list 10 permit 15.1.1.51",
    "!",
    "router mobile",
    "!",
    "ip local pool NODES 10.9.0.1 10.9.0.250",
    "!",
    "ip mobile home-agent address 10.1.1.51 care-of-access 10 lifetime 1800 replay 30 reverse-tunnel mandatory roam-access AWAY strip-realm suppress-unreachable unknown-ha accept",
    "ip mobile home-agent dynamic-address 10.1.1.51",
    "ip mobile home-agent virtual-address 10.1.1.10",
    "ip mobile home-agent max-binding 5000",
    "ip mobile home-agent max-cps 100",
    "ip mobile home-agent dfp-max-weight 50",
    "ip mobile home-agent reject-static-addr",
    "ip mobile home-agent nat traversal keepalive 60 forced accept",
    "ip mobile virtual-network 10.9.0.0 255.255.0.0",
    "ip mobile host 10.9.1.1 10.9.1.9 virtual-network 10.9.0.0 255.255.0.0",
    "ip mobile host nai @example.com address pool local NODES virtual-network 10.9.0.0 255.255.0.0 care-of-access 10 lifetime 600",
    "ip mobile host nai fixed@example.com static-address 10.9.2.1 10.9.2.2 address 10.9.2.1 virtual-network 10.9.0.0 255.255.0.0",
    "ip mobile secure host nai @example.com spi 100 key ascii 7 06150A225E4B1D",
    "ip mobile secure foreign-agent 15.1.1.51 inbound-spi 1A0 outbound-spi 1B0 key hex 7 00544357550959555C75181B5C4F53404553545D732A252A313621170313060750 replay timestamp 9 algorithm md5 mode prefix-suffix",
    "!",
];

const INTERFACE: &str = "interface Loopback0\n ip address 10.1.1.51 255.255.255.255\n!\n";

#[test]
fn every_line_is_written_as_it_is_entered() {
    let text = format!("{INTERFACE}{}\n", LINES.join("\n"));
    let loaded = load::<Configuration>("f", &text).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.configuration.running_config(), text);
}

#[test]
fn words_after_no_are_forgotten_and_the_rest_stays() {
    let agent = "ip mobile home-agent address 10.1.1.51 care-of-access 10 lifetime 1800 replay 30 reverse-tunnel-off roam-access 11 strip-realm suppress-unreachable unknown-ha accept";
    let words = [
        ("address 10.1.1.51", " address 10.1.1.51"),
        ("care-of-access 10", " care-of-access 10"),
        ("lifetime 1800", " lifetime 1800"),
        ("replay 30", " replay 30"),
        ("reverse-tunnel-off", " reverse-tunnel-off"),
        ("roam-access 11", " roam-access 11"),
        ("strip-realm", " strip-realm"),
        ("suppress-unreachable", " suppress-unreachable"),
        ("unknown-ha accept", " unknown-ha accept"),
    ];
    let lists = ["access-list 10 permit any", "access-list 11 permit any"];
    let before = after(&lists);
    for (undone, gone) in words {
        let line = format!("no ip mobile home-agent {undone}");
        let lines = [&lists[..], &[agent, &line]].concat();
        assert_eq!(after(&lines), format!("{before}{}\n!\n", agent.replace(gone, "")), "{line}");
    }
    let mandatory =
        ["ip mobile home-agent reverse-tunnel mandatory", "no ip mobile home-agent reverse-tunnel mandatory"];
    assert_eq!(after(&mandatory), "ip mobile home-agent\n!\n");
    let all = [&lists[..], &[agent, "ip mobile home-agent max-cps 5", "no ip mobile home-agent"]].concat();
    assert_eq!(after(&all), before);
}

#[test]
fn a_list_that_is_named_must_be_there() {
    let whole = |lists: &str| format!("{lists}router mobile\nip mobile home-agent care-of-access 10\n");
    let error = |lists| load::<Configuration>("f", &whole(lists)).unwrap_err()[0].to_string();
    assert!(error("").contains("IP Mobile: access list 10 does not exist"), "{}", error(""));
    assert!(load::<Configuration>("f", &whole("access-list 10 permit any\n")).is_ok());
    let extended = "ip access-list extended A\n permit ip any any\n!\nip mobile home-agent roam-access A\n";
    let error = load::<Configuration>("f", extended).unwrap_err()[0].to_string();
    assert!(error.contains("IP Mobile: access list A is not a standard one"), "{error}");
}

#[test]
fn a_balancers_address_without_our_own_is_warned_of() {
    let lines =
        |more| format!("{INTERFACE}router mobile\nip mobile home-agent virtual-address 10.1.1.10\n{more}");
    let warnings = |more| load::<Configuration>("f", &lines(more)).unwrap().warnings;
    assert!(warnings("")[0].contains("nodes that ask for 10.1.1.10"), "{:?}", warnings(""));
    assert_eq!(warnings("ip mobile home-agent dynamic-address 10.1.1.51\n"), Vec::<String>::new());
}

#[test]
fn what_is_not_there_yet_is_refused_in_words() {
    let host = "ip mobile host nai @b";
    for (line, why) in [
        (
            format!("{host} interface Ethernet0"),
            "behind an interface are not supported: say `virtual-network`",
        ),
        (format!("{host} virtual-network 10.9.0.0 255.255.0.0 aaa load-sa"), "AAA is not supported"),
        (
            format!("{host} address pool dhcp-proxy-client virtual-network 10.9.0.0 255.255.0.0"),
            "from DHCP are not supported",
        ),
        ("ip mobile home-agent broadcast".to_owned(), "broadcasts are not forwarded"),
    ] {
        let reply = Harness::configuring(&["ip mobile virtual-network 10.9.0.0 255.255.0.0"]).run(&line);
        assert!(reply.error.is_some() && reply.text.contains(why), "{line}: {}", reply.text);
    }
}
