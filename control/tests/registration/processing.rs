//! The rows of the processing order (section 8.2 of the specification of Mobile IP), in their order.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::wire::mobile_ip::{
    AuthKind, Extension, RRP_FIXED, Vendor,
    auth::{Algorithm, Association, Key},
};
use control::home_agent::registration::*;

use super::harness::*;

const FOREIGN: &str = "fa-key";

fn with_foreign_agent() -> Lab {
    let mut policy = policy();
    policy.associations.insert(PeerName::ForeignAgent(AGENT), association(0x200, FOREIGN)).unwrap();
    Lab::with(policy)
}

/// The request with a foreign-home authentication behind it.
fn vouched(lab: &mut Lab, ask: &Ask, spi: u32, key: &str) -> Vec<u8> {
    let mut bytes = ask.bytes(lab.next_identification());
    sign(&mut bytes, AuthKind::ForeignHome, spi, key);
    bytes
}

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Reply { code, .. } => code.0,
        Outcome::Discarded(reason) => panic!("{}", reason.word()),
    }
}

fn critical() -> Extension {
    Extension::Vendor(Vendor { kind: 38, reserved: 0, vendor: 9, vendor_type: 0x7777, value: vec![1, 2] })
}

#[test]
fn step_1_out_of_service() {
    let mut lab = Lab::with(Policy { service: false, ..policy() });
    assert_eq!(lab.discarded(&Ask::of("a@b")), Discard::ServiceOff);
}

#[test]
fn step_2_a_wrong_checksum_and_what_cannot_be_walked() {
    let mut lab = Lab::new();
    let bytes = Ask::of("a@b").bytes(CLOCK);
    let mut discarded = |payload: &[u8], checksum_ok| {
        let received = Received {
            source: SocketAddrV4::new(AGENT, 434),
            destination: SocketAddrV4::new(OWN, 434),
            destination_is_broadcast: false,
            checksum_ok,
            payload,
        };
        match lab.receive(&received) {
            Outcome::Discarded(reason) => reason,
            Outcome::Reply { code, .. } => panic!("{code}"),
        }
    };
    assert_eq!(discarded(&bytes, false), Discard::Checksum);
    assert_eq!(discarded(&bytes[..23], true), Discard::TooShort);
    assert_eq!(discarded(&[], true), Discard::TooShort);
    assert_eq!(discarded(&[3; 60], true), Discard::NotRequest);
    assert_eq!(discarded(&bytes[..25], true), Discard::ExtTruncated);
    assert_eq!(discarded(&bytes[..bytes.len() - 1], true), Discard::ExtOverrun);
    assert_eq!(lab.agent.counters().get(Counter::Ignored), 6);
    assert_eq!(lab.agent.counters().discarded(Discard::TooShort), 2);
}

#[test]
fn step_3_an_unknown_type_below_128() {
    let mut lab = Lab::new();
    // 46, 49: known shapes, but nothing to a home agent.
    for kind in [46, 49] {
        let ask = Ask { before: vec![Extension::Other { kind, data: vec![0; 4] }], ..Ask::of("a@b") };
        assert_eq!(lab.discarded(&ask), Discard::UnknownNonSkippable);
    }
    let mut bytes = Ask::of("a@b").bytes(CLOCK);
    bytes.extend([100, 0]);
    let outcome = lab.send(&Ask::of("a@b"), &bytes);
    assert_eq!(outcome, Outcome::Discarded(Discard::UnknownNonSkippable));
    let ask = Ask { before: vec![Extension::Other { kind: 200, data: vec![0; 4] }], ..Ask::of("a@b") };
    assert_eq!(lab.code(&ask), 0);
}

#[test]
fn step_4_nobody() {
    let mut lab = Lab::new();
    assert_eq!(lab.discarded(&Ask::at(Ipv4Addr::UNSPECIFIED)), Discard::NoIdentity);
    // An empty NAI is none.
    let empty = || vec![Extension::Nai(Vec::new())];
    assert_eq!(lab.discarded(&Ask { before: empty(), ..Ask::of("") }), Discard::NoIdentity);
    assert_eq!(lab.code(&Ask { before: empty(), ..Ask::at(home(100)) }), 0);
    assert!(lab.violations().is_empty());
}

#[test]
fn step_5_no_authentication_no_association_a_wrong_authenticator() {
    let mut lab = Lab::new();
    let ask = Ask::of("a@b");
    let bare = ask.bare(CLOCK);
    assert_eq!(lab.send(&ask, &bare), Outcome::Discarded(Discard::NoAuthorization));
    assert_eq!(lab.violations(), [Reason::MissingExtension]);
    let mut aaa = bare.clone();
    let key = Key::from_ascii(KEY).unwrap();
    Association { spi: 0x100, algorithm: Algorithm::HmacMd5, key }.sign_aaa(b"", &mut aaa);
    assert_eq!(lab.send(&ask, &aaa), Outcome::Discarded(Discard::NoAuthorization));
    assert_eq!(lab.agent.counters().get(Counter::AaaUnverified), 1);
    assert_eq!(lab.discarded(&Ask::of("a@c")), Discard::NoAssociation);
    assert_eq!(lab.violations(), [Reason::NoAssociation]);
    assert_eq!(lab.discarded(&Ask { spi: 0x101, ..Ask::of("a@b") }), Discard::BadSpi);
    assert_eq!(lab.violations(), [Reason::BadSpi]);
    for (length, reason) in [(3, Discard::AuthTooShort), (19, Discard::AuthLength), (21, Discard::AuthLength)]
    {
        let mut short = bare.clone();
        short.extend([32, length, 0, 0, 1, 0]);
        short.resize(bare.len() + 2 + usize::from(length), 0);
        assert_eq!(lab.send(&ask, &short), Outcome::Discarded(reason));
    }
    assert_eq!(lab.code(&Ask { key: "wrong", ..Ask::of("a@b") }), 131);
    assert_eq!(lab.violations(), [Reason::BadAuthenticator]);
    assert_eq!((lab.agent.bindings(), lab.agent.known()), (0, 0));
}

#[test]
fn step_5_wrong_authenticators_are_answered_a_hundred_times_a_second() {
    let mut lab = Lab::new();
    let wrong = Ask { key: "wrong", ..Ask::of("a@b") };
    let replies = |lab: &mut Lab, ask: &Ask| {
        (0..300).filter(|_| matches!(lab.outcome(ask), Outcome::Reply { .. })).count()
    };
    assert_eq!(replies(&mut lab, &wrong), 100);
    assert_eq!(lab.agent.counters().discarded(Discard::RateLimited), 200);
    // Another source, and proven requests, do not suffer.
    assert_eq!(replies(&mut lab, &wrong.clone().care_of(52)), 100);
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    lab.wait(3);
    assert_eq!(replies(&mut lab, &wrong), 100);
}

#[test]
fn step_6_an_identification_off_the_clock_or_not_greater() {
    let mut lab = Lab::new();
    for off in [CLOCK - 8 * SECOND, CLOCK + 8 * SECOND, 0, 0x1231_3000] {
        assert_eq!(lab.code(&Ask { identification: Some(off), ..Ask::of("a@b") }), 133);
        assert_eq!(lab.violations(), [Reason::BadIdentifier]);
        assert_eq!(lab.reply().identification, CLOCK | off & 0xffff_ffff);
    }
    assert!(lab.bindings().is_empty());
    let at = |identification| Ask { identification: Some(identification), ..Ask::of("a@b") };
    assert_eq!(lab.code(&at(CLOCK + 7 * SECOND)), 0);
    assert_eq!(lab.reply().identification, CLOCK + 7 * SECOND);
    assert_eq!(lab.code(&Ask { flags: "", ..at(CLOCK + 7 * SECOND) }), 133);
    assert_eq!(lab.code(&at(CLOCK + SECOND)), 133);
}

#[test]
fn step_6_an_association_has_a_tolerance_of_its_own() {
    let mut policy = policy();
    let key = Key::from_ascii(KEY).unwrap();
    let strict = SecurityAssociation::new(0x100, 0x100, Algorithm::HmacMd5, key, Some(1));
    policy.associations.insert(PeerName::Nai(b"s@b"), strict).unwrap();
    let mut lab = Lab::with(policy);
    let late = |nai| Ask { identification: Some(CLOCK - 2 * SECOND), ..Ask::of(nai) };
    assert_eq!((lab.code(&late("s@b")), lab.code(&late("a@b"))), (133, 0));
}

#[test]
fn step_6_a_duplicate_gets_its_reply_again_with_what_is_left() {
    let mut lab = Lab::new();
    let ask = Ask::of("a@b");
    let bytes = ask.bytes(CLOCK + 1);
    assert_eq!(code(lab.send(&ask, &bytes)), 0);
    let first = lab.reply();
    lab.wait(100);
    assert_eq!(code(lab.send(&ask, &bytes)), 0);
    assert!(lab.done().is_empty());
    let again = lab.reply();
    assert_eq!((first.lifetime, again.lifetime), (1800, 1700));
    assert_eq!((again.home_address, again.identification), (first.home_address, first.identification));
    assert_eq!(lab.agent.counters().get(Counter::Repeated), 1);
    lab.wait(1700);
    assert!(lab.bindings().is_empty());
    // Now it is only old.
    assert_eq!(code(lab.send(&ask, &bytes)), 133);
}

#[test]
fn step_6_nothing_comes_back_after_a_deregistration() {
    let mut lab = Lab::new();
    let ask = Ask::of("a@b");
    let (register, deregister) = (ask.bytes(CLOCK + 1), Ask { lifetime: 0, ..ask.clone() }.bytes(CLOCK + 2));
    assert_eq!(code(lab.send(&ask, &register)), 0);
    for _ in 0..2 {
        assert_eq!(code(lab.send(&ask, &deregister)), 0);
        assert_eq!(lab.reply().home_address, home(1));
        assert_eq!(code(lab.send(&ask, &register)), 133);
    }
    assert!(lab.bindings().is_empty() && lab.agent.known() == 1);
    lab.wait(300);
    assert_eq!(lab.agent.known(), 0);
}

#[test]
fn step_6_what_was_denied_is_not_accepted_later() {
    let mut lab = Lab::with(Policy { max_binding: 1, ..policy() });
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    let ask = Ask::of("c@b");
    let bytes = ask.bytes(CLOCK + 5);
    assert_eq!(code(lab.send(&ask, &bytes)), 130);
    lab.clear(Clear::All, 9);
    assert_eq!(code(lab.send(&ask, &bytes)), 133);
}

#[test]
fn step_7_a_known_foreign_agent_has_to_vouch() {
    let mut lab = with_foreign_agent();
    let ask = Ask::of("a@b");
    assert_eq!(lab.code(&ask), 132);
    assert_eq!(lab.violations(), [Reason::MissingExtension]);
    let right = vouched(&mut lab, &ask, 0x200, FOREIGN);
    assert_eq!(code(lab.send(&ask, &right)), 0);
    association(0x200, FOREIGN).outbound().verify(AuthKind::ForeignHome, &lab.reply, RRP_FIXED).unwrap();
    for (spi, key, reason) in [(0x200, "other", Reason::BadAuthenticator), (0x201, FOREIGN, Reason::BadSpi)] {
        let wrong = vouched(&mut lab, &ask, spi, key);
        assert_eq!(code(lab.send(&ask, &wrong)), 132);
        assert_eq!(lab.violations(), [reason]);
    }
    // Twice, or with something behind it that it does not cover.
    let mut twice = vouched(&mut lab, &ask, 0x200, FOREIGN);
    sign(&mut twice, AuthKind::ForeignHome, 0x200, FOREIGN);
    assert_eq!(code(lab.send(&ask, &twice)), 132);
    let mut more = vouched(&mut lab, &ask, 0x200, FOREIGN);
    more.extend([200, 0]);
    assert_eq!(code(lab.send(&ask, &more)), 132);
    let mut padded = vouched(&mut lab, &ask, 0x200, FOREIGN);
    padded.extend([0, 0]);
    assert_eq!(code(lab.send(&ask, &padded)), 0);
}

#[test]
fn step_7_a_deregistration_needs_no_voucher_but_a_right_one() {
    let mut lab = with_foreign_agent();
    let ask = Ask { lifetime: 0, ..Ask::of("a@b") };
    assert_eq!(lab.code(&ask), 0);
    let wrong = vouched(&mut lab, &ask, 0x200, "other");
    assert_eq!(code(lab.send(&ask, &wrong)), 132);
}

#[test]
fn step_7_a_stranger_who_vouches_is_ignored() {
    let mut lab = Lab::new();
    let ask = Ask::of("a@b");
    let bytes = vouched(&mut lab, &ask, 0x200, FOREIGN);
    assert_eq!(lab.send(&ask, &bytes), Outcome::Discarded(Discard::UnknownForeignAgent));
    assert_eq!(lab.violations(), [Reason::NoAssociation]);
}

#[test]
fn step_8_poorly_formed() {
    let mut lab = Lab::new();
    let nai = || Extension::Nai(b"a@b".to_vec());
    let forms = [
        Ask { nai: Vec::new(), after: vec![nai()], ..Ask::of("") },
        Ask { before: vec![nai()], ..Ask::of("a@b") },
        Ask { before: vec![Extension::Nai(b"c@b".to_vec())], ..Ask::of("a@b") },
        Ask {
            before: vec![Extension::Generalised { sub_type: 1, spi: 2, authenticator: vec![0; 16] }],
            ..Ask::of("a@b")
        },
        Ask { care_of: Ipv4Addr::UNSPECIFIED, ..Ask::of("a@b") },
        Ask { care_of: Ipv4Addr::new(224, 0, 0, 11), ..Ask::of("a@b") },
        Ask { care_of: Ipv4Addr::BROADCAST, ..Ask::of("a@b") },
        Ask { care_of: OWN, ..Ask::of("a@b") },
        Ask { care_of: VIRTUAL, ..Ask::of("a@b") },
        Ask { care_of: home(100), ..Ask::at(home(100)) },
        Ask { home: Ipv4Addr::new(224, 0, 0, 1), ..Ask::of("a@b") },
        Ask { home: Ipv4Addr::BROADCAST, ..Ask::of("a@b") },
        Ask { home: Ipv4Addr::LOCALHOST, ..Ask::of("a@b") },
    ];
    for ask in forms {
        assert_eq!(lab.code(&ask), 134, "{ask:?}");
    }
    let ask = Ask::of("a@b");
    let mut twice = ask.bytes(lab.next_identification());
    sign(&mut twice, AuthKind::MobileHome, 0x100, KEY);
    assert_eq!(code(lab.send(&ask, &twice)), 134);
    // A NAI behind the authentication for the foreign agent; one before it is in order.
    let mobile_foreign =
        || Extension::Auth { kind: AuthKind::MobileForeign, spi: 0x300, authenticator: vec![0; 16] };
    assert_eq!(lab.code(&Ask { before: vec![mobile_foreign(), nai()], ..Ask::of("") }), 134);
    assert!(lab.bindings().is_empty());
    assert_eq!(lab.code(&Ask { before: vec![mobile_foreign()], ..Ask::of("a@b") }), 0);
}

#[test]
fn step_9_critical_vendor_extensions() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask { before: vec![critical()], ..Ask::of("a@b") }), 140);
    assert_eq!(lab.code(&Ask { after: vec![critical()], ..Ask::of("a@b") }), 141);
    let normal =
        Extension::Vendor(Vendor { kind: 134, reserved: 0, vendor: 9, vendor_type: 1, value: vec![0; 4] });
    let ask = Ask { before: vec![normal.clone(), normal.clone()], after: vec![normal], ..Ask::of("a@b") };
    assert_eq!(lab.code(&ask), 0);
    let counters = lab.agent.counters();
    assert_eq!(
        [Counter::NormalVendorMobile, Counter::NormalVendorForeign].map(|one| counters.get(one)),
        [2, 1]
    );
}

#[test]
fn step_12_access_lists() {
    let only = |last| AccessList::new(move |address: Ipv4Addr| address.octets()[3] == last);
    let mut lab = Lab::with(Policy { care_of_access: Some(only(51)), ..policy() });
    assert_eq!(lab.code(&Ask::of("a@b").care_of(52)), 129);
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    let mut lab = Lab::with(Policy { roam_access: Some(only(2)), ..policy() });
    assert_eq!(lab.code(&Ask { home: home(1), ..Ask::of("a@b") }), 129);
    // The lowest free one is 10.9.0.1.
    assert_eq!(lab.code(&Ask::of("a@b")), 129);
    assert_eq!(lab.code(&Ask { home: home(2), ..Ask::of("a@b") }), 0);
    let mut policy = policy();
    let host = policy.hosts.get(Identity::Nai(b"@b"), false).unwrap();
    let host = Host { care_of_access: Some(only(52)), ..Host::clone(host) };
    policy.hosts.insert_nai(b"@b", host.into());
    let mut lab = Lab::with(policy);
    assert_eq!((lab.code(&Ask::of("a@b")), lab.code(&Ask::of("a@b").care_of(52))), (129, 0));
}

#[test]
fn step_12_a_care_of_address_that_is_away_itself_is_refused() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask { care_of: home(101), ..Ask::at(home(100)) }), 0);
    // A packet for either would go round for ever.
    assert_eq!(lab.code(&Ask { care_of: home(100), ..Ask::at(home(101)) }), 129);
}

#[test]
fn step_15_capacity() {
    let mut lab = Lab::with(Policy { max_binding: 2, simultaneous: 2, ..policy() });
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    assert_eq!(lab.code(&Ask::of("c@b")), 0);
    assert_eq!(lab.code(&Ask::of("d@b")), 130);
    // Who replaces his own takes nothing more.
    assert_eq!(lab.code(&Ask::of("a@b").care_of(52)), 0);
    assert_eq!(lab.code(&Ask { flags: "S", ..Ask::of("a@b").care_of(53) }), 130);
    assert_eq!(lab.code(&Ask { flags: "S", ..Ask::of("a@b").care_of(52) }), 0);
}

#[test]
fn step_16_the_lifetime_is_the_least_of_three() {
    let granted = |asked, host: Option<u16>, agent| {
        let mut policy = Policy { lifetime: agent, ..policy() };
        let said = policy.hosts.get(Identity::Nai(b"@b"), false).unwrap();
        let said = Host { lifetime: host, ..Host::clone(said) };
        policy.hosts.insert_nai(b"@b", said.into());
        let mut lab = Lab::with(policy);
        assert_eq!(lab.code(&Ask { lifetime: asked, ..Ask::of("a@b") }), 0);
        lab.reply().lifetime
    };
    assert_eq!(granted(100, None, 36_000), 100);
    assert_eq!(granted(40_000, None, 36_000), 36_000);
    assert_eq!(granted(40_000, Some(300), 36_000), 300);
    assert_eq!(granted(65_535, Some(65_535), 36_000), 36_000);
    assert_eq!(granted(65_535, None, 65_535), 65_535);
}

#[test]
fn step_16_the_reply_echoes_nai_and_challenge_in_order() {
    let mut lab = Lab::new();
    let challenge = Extension::Challenge(vec![7; 20]);
    assert_eq!(lab.code(&Ask { after: vec![challenge.clone()], ..Ask::of("a@b") }), 0);
    let reply = lab.reply().extensions;
    assert!(
        matches!(&reply[..], [Extension::Nai(nai), Extension::Auth { kind: AuthKind::MobileHome, .. }, last]
            if nai == b"a@b" && *last == challenge)
    );
}

#[test]
fn step_16_a_node_at_home_is_answered_there() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask::at(home(100))), 0);
    let source = SocketAddrV4::new(home(100), 1434);
    let ask = Ask { lifetime: 0, care_of: home(100), source, ..Ask::at(home(100)) };
    let Outcome::Reply { at_home, to, .. } = lab.outcome(&ask) else { panic!() };
    assert!(at_home && to == source);
}
