//! What strangers and broken clients send.

use std::net::SocketAddrV4;

use common::wire::mobile_ip::Extension;
use control::home_agent::registration::*;

use super::harness::*;

#[test]
fn a_request_without_any_extension_is_ignored() {
    let mut lab = Lab::new();
    let ask = Ask::of("");
    let bare = ask.bare(CLOCK);
    assert_eq!(bare.len(), 24);
    assert_eq!(lab.send(&ask, &bare), Outcome::Discarded(Discard::NoAuthorization));
    let ask = Ask::at(home(100));
    assert_eq!(lab.send(&ask, &ask.bare(CLOCK)), Outcome::Discarded(Discard::NoAuthorization));
}

#[test]
fn a_new_source_port_at_each_retry_is_answered_there() {
    let mut lab = Lab::new();
    for port in [1024, 40_000, 65_535, 434] {
        let ask = Ask { source: SocketAddrV4::new(AGENT, port), ..Ask::of("a@b") };
        let Outcome::Reply { to, code, .. } = lab.outcome(&ask) else { panic!() };
        assert!(code.is_accepted() && to.port() == port);
        assert_eq!(lab.agent.bindings(), 1);
    }
    let view = lab.agent.bindings_from(home(0), lab.now).next().unwrap();
    assert_eq!((view.source, view.source_port), (AGENT, 434));
}

#[test]
fn a_hundred_and_twenty_extensions_are_read() {
    let mut lab = Lab::new();
    let skipped = |count| vec![Extension::Other { kind: 200, data: vec![7] }; count];
    assert_eq!(lab.code(&Ask { before: skipped(120), ..Ask::of("a@b") }), 0);
    let normal: Vec<_> = (0..120).map(|_| Extension::Other { kind: 133, data: vec![0; 3] }).collect();
    assert_eq!(lab.code(&Ask { before: normal, ..Ask::of("a@b") }), 0);
    assert_eq!(lab.agent.counters().get(Counter::NormalVendorMobile), 120);
    assert_eq!(lab.code(&Ask { before: vec![Extension::Pad; 1000], ..Ask::of("a@b") }), 0);
    let authentications = vec![
        Extension::Auth {
            kind: common::wire::mobile_ip::AuthKind::MobileHome,
            spi: 0x100,
            authenticator: vec![0; 16]
        };
        120
    ];
    assert_eq!(lab.code(&Ask { after: authentications, ..Ask::of("a@b") }), 134);
}

#[test]
fn odd_nais_are_different_nodes_and_print_in_one_word() {
    let mut lab = Lab::new();
    let odd: [&[u8]; 6] = [b"a b@b", b"a\n%IP-4-FORGED: x@b", b"\x1b[2J@b", b"A@b", b"a@b", b"\\x41@b"];
    let longest = [&[b'n'; 253][..], b"@b"].concat();
    let all: Vec<&[u8]> = odd.into_iter().chain([&longest[..]]).collect();
    for nai in &all {
        let ask = Ask { nai: nai.to_vec(), ..Ask::of("") };
        assert_eq!(lab.code(&ask), 0);
        let echoed = lab.reply();
        assert_eq!(echoed.nai(), Some(*nai));
        let lines: Vec<_> = lab
            .seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Debug(line) => Some(line),
                _ => None,
            })
            .collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", lines[0]);
        lab.code(&Ask { key: "wrong", ..ask });
    }
    assert_eq!(lab.agent.registered(), all.len());
    let shown: Vec<String> =
        lab.agent.bindings_from(home(0), lab.now).map(|one| one.identity.to_string()).collect();
    assert!(shown.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_graphic())));
    assert_eq!(shown.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    let violations: Vec<_> = lab.agent.violations().iter().collect();
    assert_eq!(violations.len(), all.len());
}

#[test]
fn strangers_leave_nothing_behind_but_a_bounded_list() {
    let mut lab = Lab::new();
    for stranger in 0..3000 {
        let ask = Ask { spi: 0x200, ..Ask::of(&format!("{stranger}@b")) };
        lab.discarded(&ask);
    }
    assert_eq!((lab.agent.known(), lab.agent.violations().iter().count()), (0, 1024));
    assert_eq!(lab.agent.violations().total(), 3000);
    let (total, last) = lab.agent.violations().iter().next().unwrap();
    assert_eq!((total, last.peer), (1, Violator::Mobile(Identity::Nai(b"2999@b"))));
    assert_eq!((last.spi, last.reason, last.source), (0x200, Reason::BadSpi, AGENT));
}

#[test]
fn a_lone_user_is_found_only_if_realms_are_stripped() {
    let mut policy = policy();
    policy.associations.insert(PeerName::Nai(b"u"), association(0x100, KEY)).unwrap();
    let host = policy.hosts.get(Identity::Nai(b"@b"), false).unwrap().clone();
    policy.hosts.insert_nai(b"u", host);
    let mut lab = Lab::with(policy);
    assert_eq!(lab.discarded(&Ask::of("u@elsewhere")), Discard::NoAssociation);
    lab.policy.strip_realm = true;
    assert_eq!(lab.code(&Ask::of("u@elsewhere")), 0);
    assert_eq!(lab.agent.bindings_of(Identity::Nai(b"u@elsewhere"), lab.now).count(), 1);
}
