//! Which home address a request gets (section 8.5 of the specification of Mobile IP).

use std::{net::Ipv4Addr, sync::Arc};

use control::home_agent::registration::*;

use super::harness::*;

fn say(policy: &mut Policy, nai: &str, change: impl FnOnce(&mut Host)) {
    let mut host = Host::new(Arc::new(Network::Interface("Ethernet0".into())));
    change(&mut host);
    policy.hosts.insert_nai(nai.as_bytes(), Arc::new(host));
}

/// The address of the reply, or the code of the denial.
fn given(lab: &mut Lab, ask: &Ask) -> Result<Ipv4Addr, u8> {
    match lab.code(ask) {
        0 => Ok(lab.reply().home_address),
        code => Err(code),
    }
}

fn naming(nai: &str, last: u8) -> Ask {
    Ask { home: home(last), ..Ask::of(nai) }
}

#[test]
fn named_without_nai() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &Ask::at(home(100))), Ok(home(100)));
    // Neither a host nor a virtual network has it.
    assert_eq!(given(&mut lab, &Ask::at(home(200))), Err(129));
    let prefix = "10.9.0.192/26".parse().unwrap();
    lab.policy.virtual_networks.push(Arc::new(Network::Virtual(prefix)));
    assert_eq!(given(&mut lab, &Ask::at(home(200))), Ok(home(200)));
}

#[test]
fn named_with_nai() {
    let mut lab = Lab::new();
    // Of its pool, held, and neither.
    assert_eq!(given(&mut lab, &naming("a@b", 5)), Ok(home(5)));
    assert_eq!(given(&mut lab, &naming("a@b", 5)), Ok(home(5)));
    assert_eq!(given(&mut lab, &naming("a@b", 50)), Err(129));
    say(&mut lab.policy, "s@b", |host| {
        host.static_addresses = StaticAddresses::These([home(60), home(61)].into());
    });
    assert_eq!(given(&mut lab, &naming("s@b", 61)), Ok(home(61)));
    assert_eq!(given(&mut lab, &naming("s@b", 62)), Err(129));
    say(&mut lab.policy, "p@b", |host| host.static_addresses = StaticAddresses::Pool("P".into()));
    assert_eq!(given(&mut lab, &naming("p@b", 9)), Ok(home(9)));
    assert_eq!(given(&mut lab, &naming("p@b", 10)), Err(129));
    say(&mut lab.policy, "f@b", |host| host.address = AddressSource::Fixed(home(70)));
    assert_eq!(given(&mut lab, &naming("f@b", 70)), Ok(home(70)));
    // Nobody said anything of it.
    lab.policy.associations.insert(PeerName::Nai(b"x@y"), association(0x100, KEY)).unwrap();
    assert_eq!(given(&mut lab, &naming("x@y", 5)), Err(129));
    assert_eq!(given(&mut lab, &Ask::of("x@y")), Err(129));
}

#[test]
fn what_another_holds_is_refused() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &naming("a@b", 5)), Ok(home(5)));
    assert_eq!(given(&mut lab, &naming("c@b", 5)), Err(129));
    // The same address without NAI is another mobile node.
    assert_eq!(given(&mut lab, &naming("d@b", 7)), Ok(home(7)));
    lab.policy.associations.insert(PeerName::Hosts(home(5), home(7)), association(0x100, KEY)).unwrap();
    let host = Arc::new(Host::new(Arc::new(Network::Interface("Ethernet0".into()))));
    lab.policy.hosts.insert_range(home(5), home(7), host).unwrap();
    assert_eq!(given(&mut lab, &Ask::at(home(5))), Err(129));
    // Nor can it take it away.
    assert_eq!(given(&mut lab, &Ask { lifetime: 0, care_of: home(5), ..Ask::at(home(5)) }), Ok(home(5)));
    assert_eq!(lab.agent.bindings(), 2);
}

#[test]
fn named_addresses_can_be_rejected_unless_held() {
    let mut lab = Lab::with(Policy { reject_static_address: true, ..policy() });
    assert_eq!(given(&mut lab, &naming("a@b", 1)), Err(129));
    assert_eq!(given(&mut lab, &Ask::of("a@b")), Ok(home(1)));
    assert_eq!(given(&mut lab, &naming("a@b", 1)), Ok(home(1)));
    assert_eq!(given(&mut lab, &Ask::at(home(100))), Ok(home(100)));
}

#[test]
fn not_named() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &Ask::of("a@b")), Ok(home(1)));
    assert_eq!(given(&mut lab, &Ask::of("c@b")), Ok(home(2)));
    // The same again.
    assert_eq!(given(&mut lab, &Ask::of("a@b").care_of(52)), Ok(home(1)));
    say(&mut lab.policy, "f@b", |host| host.address = AddressSource::Fixed(home(70)));
    assert_eq!(given(&mut lab, &Ask::of("f@b")), Ok(home(70)));
    say(&mut lab.policy, "g@b", |host| host.address = AddressSource::Fixed(home(70)));
    assert_eq!(given(&mut lab, &Ask::of("g@b")), Err(130));
    say(&mut lab.policy, "n@b", |_| {});
    assert_eq!(given(&mut lab, &Ask::of("n@b")), Err(130));
    say(&mut lab.policy, "q@b", |host| host.address = AddressSource::Pool("gone".into()));
    assert_eq!(given(&mut lab, &Ask::of("q@b")), Err(130));
}

#[test]
fn a_pool_gives_the_lowest_until_it_is_empty() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &naming("x@b", 3)), Ok(home(3)));
    let users = || (1..9_u8).map(|user| Ask::of(&format!("{user}@b")));
    let addresses: Vec<_> = users().map(|ask| given(&mut lab, &ask).unwrap().octets()[3]).collect();
    assert_eq!(addresses, [1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(given(&mut lab, &Ask::of("late@b")), Err(130));
    assert_eq!(lab.code(&Ask { lifetime: 0, ..Ask::of("4@b") }), 0);
    assert_eq!(given(&mut lab, &Ask::of("late@b")), Ok(home(5)));
}

#[test]
fn who_returns_gets_his_address_while_it_is_free() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &Ask::of("a@b")), Ok(home(1)));
    assert_eq!(given(&mut lab, &Ask::of("c@b")), Ok(home(2)));
    // By a deregistration, by its end, by an operator.
    assert_eq!(lab.code(&Ask { lifetime: 0, ..Ask::of("a@b") }), 0);
    lab.wait(1800);
    assert!(lab.bindings().is_empty());
    assert_eq!(given(&mut lab, &Ask::of("c@b")), Ok(home(2)));
    assert_eq!(lab.clear(Clear::Nai(b"c@b"), 1), 1);
    assert_eq!(given(&mut lab, &Ask::of("d@b")), Ok(home(1)));
    assert_eq!(given(&mut lab, &Ask::of("c@b")), Ok(home(2)));
    assert_eq!(given(&mut lab, &Ask::of("a@b")), Ok(home(3)));
}

#[test]
fn our_own_addresses_are_nobodys() {
    let mut lab = Lab::with(Policy { own: [home(1), home(2), OWN].into(), ..policy() });
    assert_eq!(given(&mut lab, &Ask::of("a@b")), Ok(home(3)));
    assert_eq!(given(&mut lab, &naming("c@b", 1)), Err(129));
}

#[test]
fn another_address_ends_the_bindings_of_the_first() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &naming("a@b", 5)), Ok(home(5)));
    assert_eq!(given(&mut lab, &Ask { flags: "S", ..naming("a@b", 6).care_of(52) }), Ok(home(6)));
    assert_eq!(lab.bindings(), [(home(6), Ipv4Addr::new(15, 1, 1, 52))]);
    assert!(matches!(lab.done()[..], [
        Seen::Removed(_, Cause::Replaced),
        Seen::Off(off, Cause::Replaced),
        Seen::On(on),
        Seen::Installed(_)
    ] if off == home(5) && on == home(6)));
}

#[test]
fn the_assigned_address_as_care_of_address_is_poorly_formed() {
    let mut lab = Lab::new();
    assert_eq!(given(&mut lab, &Ask { care_of: home(1), ..Ask::of("a@b") }), Err(134));
}
