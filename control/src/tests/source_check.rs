//! `ip verify unicast source`: from its line to workers, the show and the metrics.

use common::{
    id::WorkerId,
    net::{ReachableVia, SourceCheck, VerifySource},
};

use super::Harness;

fn check(harness: &Harness) -> Option<SourceCheck> {
    harness.snapshot().net.interfaces[0].source_check.clone()
}

#[test]
fn a_line_is_at_once_with_workers_and_what_they_drop_is_shown() {
    let mut harness = Harness::new("");
    assert_eq!(check(&harness), None);
    assert!(!harness.run("show interfaces").contains("verif"));
    harness.configure("interface Ethernet0\nip verify unicast source reachable-via rx");
    let strict = check(&harness).expect("it checks");
    assert_eq!(strict.verify, VerifySource { via: ReachableVia::Rx, allow_default: false });
    strict.drops.add(WorkerId(0), 0, 3);
    let text = harness.run("show interfaces Ethernet0");
    assert!(text.contains("\n  IP verify source reachable-via RX\n   3 verification drops\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&harness.run("show interfaces | json")).unwrap();
    let shown = &json["interfaces"][0]["source_check"];
    assert_eq!(*shown, serde_json::json!({"reachable_via": "rx", "allow_default": false, "drops": 3}));
    assert!(harness.metrics().contains("homeward_interface_rpf_drops_total{interface=\"Ethernet0\"} 3.0\n"));

    harness.configure("interface Ethernet0\nip verify unicast source reachable-via any allow-default");
    let loose = check(&harness).expect("it checks");
    assert_eq!(loose.verify, VerifySource { via: ReachableVia::Any, allow_default: true });
    assert_eq!(loose.drops.total(0), 3, "another check of the same interface");
    assert!(
        harness
            .run("show running-config")
            .contains(" ip verify unicast source reachable-via any allow-default\n")
    );

    harness.configure("interface Ethernet0\nno ip verify unicast source reachable-via any");
    assert_eq!(check(&harness), None);
    let refused = harness.configure("interface Loopback0\nip verify unicast source reachable-via rx");
    assert!(refused.contains("Loopback0 has no device"), "{refused}");
}
