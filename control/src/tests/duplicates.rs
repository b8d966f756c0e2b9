//! Addresses that two stations say they have: from a worker's event to the log, the show, the metrics and health.

use common::{event::Event, id::InterfaceId, mac::MacAddr};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Harness, SYSTEM_LINES};
use crate::manage::log::{LogBook, LogLayer};

const SLB: &str = "ip slb serverfarm FARM\n real 10.1.1.51\n  inservice\n!\nip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 \
                   service ipmobile\n serverfarm FARM\n inservice\n!\narp 10.1.1.77 0200.0000.0177\n";
const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);

/// The link address that the network has for 10.1.1.`last`.
const fn known(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, last])
}

impl Harness {
    /// A worker tells that 10.1.1.`last` was claimed, and control hears it.
    fn claim(&mut self, last: u8, mac: MacAddr, before: MacAddr) {
        let address = [10, 1, 1, last].into();
        let event = Event::AddressClaimed { interface: InterfaceId(0), address, mac, before };
        self.worker.events.push(event).unwrap();
        self.pass(std::time::Duration::from_millis(100));
    }
}

/// What is logged of duplicates while `work` is done.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let book = LogBook::new(1000);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(LogLayer(book.clone())), work);
    let lines = book.view().lines.into_iter().map(|line| line.to_string());
    let lines = lines.filter_map(|line| line.split_once(": %").map(|(_, line)| line.to_owned()));
    lines.filter(|line| line.starts_with("IP-4-DUPADDR: ")).collect()
}

#[test]
fn whoever_claims_an_address_of_ours_is_logged_shown_counted_and_degrades_us_for_a_minute() {
    let mut harness = Harness::new(SLB);
    let lines = logged(|| {
        harness.claim(10, OTHER, OURS);
        harness.claim(1, OTHER, OURS);
        harness.claim(10, OTHER, OURS);
        harness.claim(10, OURS, OTHER);
    });
    assert_eq!(
        lines,
        [
            "IP-4-DUPADDR: Duplicate address 10.1.1.10 on Ethernet0, sourced by 0200.0000.0909",
            "IP-4-DUPADDR: Duplicate address 10.1.1.1 on Ethernet0, sourced by 0200.0000.0909",
        ]
    );
    let shown = harness.run("show ip arp duplicates");
    let rows: Vec<Vec<&str>> = shown.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [
            ["10.1.1.1", "us", "0200.0000.0909", "0200.0000.0001", "1", "0", "Ethernet0"],
            ["10.1.1.10", "us", "0200.0000.0909", "0200.0000.0001", "2", "0", "Ethernet0"],
        ]
    );
    let json: serde_json::Value =
        serde_json::from_str(&harness.run("show ip arp duplicates | json")).unwrap();
    assert_eq!(json["duplicates"][1]["address"], "10.1.1.10");
    assert_eq!(
        (&json["duplicates"][1]["times"], &json["duplicates"][1]["holder"]),
        (&2.into(), &"us".into())
    );
    assert!(harness.metrics().contains("homeward_duplicate_addresses_total{interface=\"Ethernet0\"} 3.0\n"));
    let wrong = |harness: &mut Harness| -> Vec<_> {
        let held = harness.core.health().conditions.into_iter();
        held.filter(|held| held.condition == "duplicate-address").map(|held| held.subject).collect()
    };
    assert_eq!(wrong(&mut harness), ["10.1.1.1", "10.1.1.10"]);
    harness.seconds(61);
    assert_eq!(wrong(&mut harness), [""; 0]);
    assert_eq!(logged(|| harness.claim(10, OTHER, OURS)).len(), 1, "it is said again");
}

#[test]
fn a_neighbour_may_move_once_and_a_static_one_never() {
    let mut harness = Harness::new(SLB);
    let lines = logged(|| {
        harness.claim(51, OTHER, known(51));
        harness.seconds(5);
        harness.claim(77, OTHER, known(77));
    });
    assert_eq!(
        lines,
        [
            "IP-4-DUPADDR: Duplicate address 10.1.1.77 on Ethernet0, sourced by 0200.0000.0909 and 0200.0000.014d"
        ]
    );
    let lines = logged(|| harness.claim(51, known(51), OTHER));
    assert_eq!(
        lines,
        [
            "IP-4-DUPADDR: Duplicate address 10.1.1.51 on Ethernet0, sourced by 0200.0000.0133 and 0200.0000.0909"
        ]
    );
    harness.apply_file("test.conf", SYSTEM_LINES).unwrap();
    assert!(harness.run("show ip arp duplicates").contains("10.1.1.51"), "a reload forgets nothing");
}
