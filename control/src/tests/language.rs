//! Configurations, refusals and `show` through the language.

use super::{Harness, SYSTEM_LINES};
use crate::{
    command::{Configuration as _, load},
    protocols::Configuration,
};

const DISPATCHED_STATIC: &str = "\
ip slb serverfarm HAFARM
  real 10.1.1.51
    weight 1
  inservice
!
  real 10.1.1.52
    weight 1
  inservice
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 300
  inservice
";

const DISPATCHED_DFP: &str = "\
ip slb serverfarm HAFARM
  real 10.1.1.51
  inservice
!
  real 10.1.1.52
  inservice
!
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 300
  inservice
ip slb dfp
  agent 10.1.1.51 500
  agent 10.1.1.52 500
!
";

const DIRECTED_STATIC: &str = "\
ip slb serverfarm HAFARM
nat server
real 10.1.1.51
  weight 1
  inservice
!
real 10.1.1.52
  weight 1
  inservice

ip slb vserver MIPSLB
virtual 10.1.1.10 udp 434 service ipmobile
serverfarm HAFARM
idle ipmobile request 300
inservice
";

const DIRECTED_DFP: &str = "\
ip slb serverfarm HAFARM
nat server
real 10.1.1.51
  inservice
!
real 10.1.1.52
  weight 1
  inservice
!
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 300
  inservice
!
ip slb dfp
  agent 10.1.1.51 500
  agent 10.1.1.52 500
";

fn printed(text: &str) -> String {
    match load::<Configuration>("test.conf", text) {
        Ok(loaded) => loaded.configuration.startup_config(),
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn the_four_configurations_of_the_guide_load_and_round_trip() {
    for sample in [DISPATCHED_STATIC, DISPATCHED_DFP, DIRECTED_STATIC, DIRECTED_DFP] {
        let once = printed(sample);
        assert_eq!(printed(&once), once);
        for line in sample.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "!") {
            assert!(once.lines().any(|printed| printed.trim() == line), "{line} in\n{once}");
        }
    }
    assert_eq!(
        printed(DIRECTED_DFP),
        "\
ip slb serverfarm HAFARM
 nat server
 real 10.1.1.51
  inservice
 !
 real 10.1.1.52
  weight 1
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 idle ipmobile request 300
 inservice
!
ip slb dfp
 agent 10.1.1.51 500
 agent 10.1.1.52 500
!
"
    );
}

#[test]
fn the_configurations_that_ship_load_and_round_trip() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf");
    let mut loaded = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let once = printed(&std::fs::read_to_string(&path).unwrap());
            assert_eq!(printed(&once), once, "{}", path.display());
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "one for each example of the guide");
}

#[test]
fn a_name_of_two_words_points_at_the_second() {
    let mut harness = Harness::new("");
    harness.run("configure terminal");
    // `homeward(config)#` has 17 columns and `ip slb vserver MIPS ` 20.
    assert_eq!(
        harness.run("ip slb vserver MIPS LB"),
        format!("{}^\n% Invalid input detected at '^' marker.\n\n", " ".repeat(37))
    );
    assert!(harness.core.running().slb.vservers.is_empty());
}

#[test]
fn every_command_round_trips() {
    let text = "\
ip slb serverfarm HAFARM
 nat server
 bindid 65533
 failaction purge
 real 20.1.1.51 4434
  weight 255
  reassign 4
  faildetect numconns 4 numclients 1
  no faildetect inband
  maxconns 100
  retry 5
  inservice
 !
 real 20.1.1.52
  no reassign
  faildetect numconns 9
!
ip slb serverfarm SPARE
 nat client POOL
 predictor leastconns
!
ip slb vserver MIPSLB
 virtual 10.1.1.16 255.255.255.240 udp any service ipmobile
 serverfarm HAFARM backup OTHER
 client 15.0.0.0 255.0.0.0
 client 15.1.1.0 255.255.255.0 exclude
 idle ipmobile request 4
 sticky 60 group 1 netmask 255.255.255.0
 synguard 10 200
 replicate casa 1.1.1.1 1.1.1.2 4231 10
 home-agent strict
!
ip slb dfp password cisco 60
 agent 20.1.1.51 500 10 3 20
!
";
    assert_eq!(printed(text), text);
    let negated = "\
ip slb serverfarm HAFARM
 no nat server
 no bindid 65533
 default failaction purge
 no real 20.1.1.52
 real 20.1.1.51 4434
  no weight 255
  default reassign
  no faildetect numconns 4 numclients 1
  faildetect inband
  no maxconns 3
  no retry
  no inservice
 no real 20.1.1.51 4434
no ip slb serverfarm SPARE
ip slb vserver MIPSLB
 no virtual
 no serverfarm
 no client 15.0.0.0 255.0.0.0
 no client 15.1.1.0 255.255.255.0
 no idle ipmobile request
 no sticky
 no synguard
 no replicate casa
 no home-agent strict
 no inservice
ip slb dfp
 no agent 20.1.1.51 500
no ip slb dfp password
";
    assert_eq!(
        printed(&format!("{text}{negated}")),
        "ip slb serverfarm HAFARM\n!\nip slb vserver MIPSLB\n!\nip slb dfp\n!\n"
    );
    assert_eq!(
        printed(&format!(
            "{text}no ip slb dfp\nno ip slb vserver MIPSLB\nno ip slb serverfarm HAFARM\nno ip slb serverfarm SPARE\n"
        )),
        ""
    );
}

#[test]
fn aliases_abbreviations_and_port_names_are_read_and_printed_in_full() {
    let text = "ip slb serverf hafarm\nrea 10.1.1.51\nins\nip slb vservers mipslb\nvirt 10.1.1.10 udp mobile-ip serv ipm\nserv hafarm\nins\n";
    assert_eq!(
        printed(text),
        "ip slb serverfarm HAFARM\n real 10.1.1.51\n  inservice\n!\nip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 \
         service ipmobile\n serverfarm HAFARM\n inservice\n!\n"
    );
}

#[test]
fn least_connections_client_nat_sticky_and_synguard_bind_but_do_not_go_into_service() {
    for (block, line, reason) in [
        (
            "ip slb serverfarm F",
            "predictor leastconns",
            "predictor leastconns is not supported with service ipmobile",
        ),
        ("ip slb serverfarm F", "nat client POOL", "client NAT is not supported with service ipmobile"),
        ("ip slb vserver V", "sticky 60", "sticky is not supported with service ipmobile"),
        ("ip slb vserver V", "synguard 10", "synguard is not supported with service ipmobile"),
        (
            "ip slb vserver V",
            "replicate casa 1.1.1.1 1.1.1.2 4231",
            "replicate is not supported with service ipmobile",
        ),
    ] {
        let mut harness = Harness::new("");
        let farm = "ip slb serverfarm F\nreal 10.1.1.51\ninservice\nip slb vserver V\nvirtual 10.1.1.10 udp 434 service ipmobile\nserverfarm F";
        assert_eq!(harness.configure(&format!("{farm}\n{block}\n{line}")), "", "{line}: binding is allowed");
        assert_eq!(harness.configure("ip slb vserver V\ninservice"), format!("% SLB: {reason}\n"));
        let shown = harness.run("show ip slb vservers");
        assert!(shown.contains("OUTOFSERVICE"), "{shown}");
        // And the other way round: what is in service refuses the line.
        harness.configure(&format!(
            "{block}\nno {}",
            line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
        ));
        assert_eq!(harness.configure("ip slb vserver V\ninservice"), "", "{line}");
        assert_eq!(harness.configure(&format!("{block}\n{line}")), format!("% SLB: {reason}\n"));
        assert!(harness.run("show ip slb vservers").contains("OPERATIONAL"));
    }
}

#[test]
fn commands_without_effect_are_refused() {
    let mut harness = Harness::new(DISPATCHED_STATIC);
    for (line, what) in [
        ("ip slb probe P http", "probe http"),
        ("ip slb probe P dns", "probe dns"),
        ("ip slb probe P ping\naddress 10.1.1.9", "an address that is not routed"),
        ("ip slb entries session 1000", "entries"),
        ("ip slb maxbuffers frag 10", "maxbuffers"),
        ("ip slb natpool P 1.1.1.1 1.1.1.9 netmask 255.255.255.0", "natpool"),
        ("ip slb timers gtp gsn 90", "timers"),
        ("ip slb static drop", "static"),
        ("snmp-server enable traps slb", "snmp-server"),
        ("ip slb serverfarm HAFARM\npredictor route-map M", "predictor route-map"),
        ("ip slb serverfarm HAFARM\nreal 10.1.1.51\nmaxconns 5 sticky-override", "sticky-override"),
        ("ip slb serverfarm HAFARM\nreal 10.1.1.51\nrate burst 5", "rate"),
        ("ip slb serverfarm HAFARM\nreal 10.1.1.51\nmaxclients 5", "maxclients"),
        ("ip slb vserver MIPSLB\nidle 3600", "idle of connections"),
        ("ip slb vserver MIPSLB\nidle gtp request 30", "idle gtp"),
        ("ip slb vserver MIPSLB\nidle radius framed-ip 30", "idle radius"),
        ("ip slb vserver MIPSLB\ndelay 10", "delay"),
        ("ip slb vserver MIPSLB\nadvertise active", "advertise"),
        ("ip slb vserver MIPSLB\ninservice standby G", "inservice standby"),
        ("ip slb vserver MIPSLB\nserverfarm HAFARM backup X sticky", "serverfarm backup sticky"),
        ("ip slb vserver V\nvirtual 10.1.1.11 udp 1812 service radius", "service radius"),
        ("ip slb vserver V\nvirtual 10.1.1.11 udp 2123 service gtp-inspect", "service gtp-inspect"),
        ("ip slb vserver V\nvirtual 10.1.1.11 udp 434", "virtual without service ipmobile"),
    ] {
        assert_eq!(harness.configure(line), format!("% SLB: {what} is not supported\n"), "{line}");
    }
    assert_eq!(
        harness.configure("ip slb vserver V\nvirtual 10.1.0.0 255.255.0.0 udp 434 service ipmobile"),
        "% SLB: virtual address ranges larger than /24 are not supported\n"
    );
}

#[test]
fn probes_are_made_used_and_shown() {
    let mut harness = Harness::new(DISPATCHED_STATIC);
    let long = format!("ip slb probe S script\nscript a {} {}", "x".repeat(127), "y".repeat(128));
    for (lines, text) in [
        ("ip slb serverfarm HAFARM\nprobe P", "% SLB: probe P does not exist\n"),
        ("ip slb probe P ping\nport 7", "% SLB: a probe of type ping has none\n"),
        ("ip slb probe P ping\nrequest mobile-ip", "% SLB: a probe of type ping has none\n"),
        ("ip slb probe P tcp", "% SLB: probe P is of type ping\n"),
        ("ip slb probe P ping\ntimeout 11", "% SLB: timeout 11 of probe P is longer than its interval 10\n"),
        (
            "ip slb probe R custom udp\nrequest data 1499 0102",
            "% SLB: the payload of a probe has at most 1500 bytes\n",
        ),
        ("ip slb probe R custom udp\nrequest data 5 0102\nno request data 6\nno request data 5", ""),
        ("ip slb serverfarm HAFARM\nprobe R", "% SLB: probe R has no request\n"),
        ("ip slb probe R custom udp\nrequest mobile-ip nai probe@example.net\nno request data 5", ""),
        ("ip slb probe R custom udp\ninterval 1\nfaildetect 2\nretry 3\nport 4434\nno port", ""),
        ("ip slb serverfarm HAFARM\nprobe R\nprobe P\nno probe P\nprobe R", ""),
        ("no ip slb probe R", "% SLB: probe R is in use\n"),
        ("no ip slb probe P ping", ""),
        ("ip slb probe R custom udp\nscript a.sh", "% SLB: a probe of type custom udp has none\n"),
        ("ip slb probe S script\nrequest mobile-ip", "% SLB: a probe of type script has none\n"),
        ("ip slb serverfarm HAFARM\nprobe S", "% SLB: probe S has no script\n"),
        (
            "ip slb probe S script\nscript ../a.sh",
            "% SLB: the name of a script has at most 63 letters, digits, dots, hyphens and underscores, and begins \
             with a letter or a digit\n",
        ),
        (&long, "% SLB: the arguments of a script have at most 255 characters\n"),
        ("ip slb probe S script\nscript once\nno script\nscript ha-check.sh  --deep $HOME;  2 \nretry 3", ""),
        ("ip slb serverfarm HAFARM\nprobe S", ""),
        ("ip slb probe S script\nno script", "% SLB: probe S has no script\n"),
        ("ip slb probe S ping", "% SLB: probe S is of type script\n"),
    ] {
        assert_eq!(harness.configure(lines), text, "{lines}");
    }
    let running = harness.run("show running-config");
    let probe = "ip slb probe R custom udp\n interval 1\n faildetect 2\n retry 3\n request mobile-ip nai probe@example.net\n!\n";
    assert!(running.contains(probe) && !running.contains("probe P"), "{running}");
    assert_eq!(running.matches(" probe R\n").count(), 1, "{running}");
    let probe = "ip slb probe S script\n retry 3\n script ha-check.sh --deep $HOME; 2\n!\n";
    assert!(running.contains(probe), "{running}");
    let shown = harness.run("show ip slb probe name S detail");
    assert!(shown.starts_with("S, type = script, server farms = HAFARM\n"), "{shown}");
    assert!(shown.contains("\n  script = ha-check.sh --deep $HOME; 2\n"), "{shown}");
    let json = harness.run("show ip slb probe name S | json");
    assert!(json.contains(r#""script": "ha-check.sh --deep $HOME; 2""#), "{json}");
    let shown = harness.run("show ip slb probe");
    let row = "10.1.1.51:434         OPERATIONAL  0        00:00:00 00:00:00\n";
    assert!(shown.contains(row), "{shown}");
    assert!(harness.run("show ip slb probe name R detail").contains("server farms = HAFARM\n"), "{shown}");
    assert!(harness.run("show ip slb serverfarms detail").contains("  probes = R, S\n"));
    assert_eq!(harness.run("show ip slb probe name X"), "% SLB: probe X does not exist\n");
}

#[test]
fn edits_in_service_and_of_what_is_used_are_refused() {
    let mut harness = Harness::new(DISPATCHED_STATIC);
    let busy = "% SLB: virtual server MIPSLB must be out of service\n";
    for line in
        ["virtual 10.1.1.11 udp 434 service ipmobile", "no virtual", "serverfarm OTHER", "no serverfarm"]
    {
        assert_eq!(harness.configure(&format!("ip slb vserver MIPSLB\n{line}")), busy, "{line}");
    }
    for (lines, text) in [
        ("ip slb vserver MIPSLB\nserverfarm HAFARM", ""),
        ("no ip slb serverfarm HAFARM", "% SLB: server farm HAFARM is in use\n"),
        ("ip slb serverfarm HAFARM\nreal 10.1.1.10", "% SLB: real 10.1.1.10 is a virtual address\n"),
        (
            "ip slb vserver V\nserverfarm HAFARM\nvirtual 10.1.1.10 udp 434 service ipmobile\ninservice",
            "% SLB: virtual address 10.1.1.10:434 is in use by MIPSLB\n",
        ),
        (
            "no ip slb vserver V\nip slb vserver W\ninservice",
            "% SLB: virtual server W has no virtual address\n",
        ),
        (
            "ip slb vserver W\nvirtual 10.1.1.1 udp 434 service ipmobile\ninservice",
            "% SLB: virtual server W has no server farm\n",
        ),
        (
            "ip slb vserver W\nserverfarm HAFARM\ninservice",
            "% SLB: virtual address 10.1.1.1 is an interface address\n",
        ),
        (
            "ip slb vserver W\nvirtual 10.1.1.12 tcp 434 service ipmobile\ninservice",
            "% SLB: service ipmobile requires udp\n",
        ),
        (
            "ip slb serverfarm HAFARM\nreal 20.1.1.51",
            "% Warning: real 20.1.1.51 is not directly connected; dispatched mode needs layer 2 adjacency\n",
        ),
        (
            "ip slb serverfarm HAFARM\nreal 10.1.1.53 4434",
            "% SLB: real 10.1.1.53 has a port; a port needs nat server\n",
        ),
    ] {
        assert_eq!(harness.configure(lines), text, "{lines}");
    }
}

#[test]
fn a_bad_file_changes_nothing() {
    let mut harness = Harness::new(DISPATCHED_STATIC);
    let before = harness.core.running().running_config();
    let generation = harness.snapshot().generation;
    let bad = format!("{SYSTEM_LINES}ip slb vserver OTHER\n inservice\n");
    let errors = harness.apply_file("bad.conf", &bad).unwrap_err();
    assert!(errors[0].contains("virtual server OTHER has no virtual address"), "{errors:?}");
    assert!(harness.apply_file("bad.conf", "ip slb vserver A B\n").is_err());
    assert_eq!(harness.core.running().running_config(), before);
    assert_eq!(harness.snapshot().generation, generation);
}

#[test]
fn shows_are_abbreviated_filtered_and_refused_by_name() {
    let mut harness = Harness::new(DISPATCHED_STATIC);
    let reals = harness.run("sh ip slb rea");
    assert_eq!(
        reals,
        "\
real                farm name          weight  state          conns
-------------------------------------------------------------------
10.1.1.51           HAFARM             1       OPERATIONAL    0
10.1.1.52           HAFARM             1       OPERATIONAL    0
"
    );
    assert_eq!(harness.run("show ip slb reals sfarm hafarm"), reals);
    assert_eq!(harness.run("show ip slb reals vserver mipslb"), reals);
    assert_eq!(harness.run("show ip slb reals vserver X"), "% SLB: virtual server X does not exist\n");
    assert_eq!(harness.run("show ip slb serverfarms name X"), "% SLB: server farm X does not exist\n");
    assert_eq!(harness.run("show ip slb conns").lines().count(), 2);
    assert!(
        harness.run("show ip slb vservers detail").starts_with("MIPSLB, state = OPERATIONAL, v_index = 1\n")
    );
    assert_eq!(harness.run("debug ip slb sessions ipmobile"), "IP SLB Session debugging is on\n");
    assert_eq!(harness.run("show debugging"), "IP SLB:\n  IP SLB Session debugging is on\n");
    assert!(harness.snapshot().slb.debug_sessions);
    for off in ["undebug all", "no debug all"] {
        assert_eq!(harness.run(off), "All possible debugging has been turned off\n");
        assert!(!harness.snapshot().slb.debug_sessions);
        harness.run("debug ip slb sessions");
    }
    assert_eq!(harness.run("no debug ip slb sessions ipmobile"), "IP SLB Session debugging is off\n");
    assert_eq!(harness.run("show debugging"), "");
}

#[test]
fn every_command_has_help() {
    let commands = super::Core::<super::All>::commands();
    assert_eq!(commands.without_help(), Vec::<String>::new());
}
