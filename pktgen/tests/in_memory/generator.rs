//! Foreign agents: what they send, and what they make of the replies.

use std::{collections::HashSet, net::Ipv4Addr, time::Duration};

use common::{
    mac::MacAddr,
    wire::{
        ethernet,
        mobile_ip::{AuthKind, Code, Extension, Flags, RRQ_FIXED, Reply, Request},
    },
};
use pktgen::{
    accounting::{port::PortCounters, registrations::ReplyError},
    command::Command,
    port_loop::{Activity, Endpoint, Transmit},
    report::{self, GenerateReport},
};

use crate::network::{CLOCK, Network, PORT, SMALL, datagram, load};

fn result(network: &Network) -> GenerateReport {
    GenerateReport::new("test", &network.generator, PortCounters::default())
}

fn requests(frames: &[Vec<u8>]) -> Vec<(Ipv4Addr, Request)> {
    frames
        .iter()
        .filter_map(|frame| datagram(frame))
        .map(|(_, ip, datagram)| (ip.header.source(), Request::decode(datagram.payload).unwrap()))
        .collect()
}

#[test]
fn every_node_registers_once_through_its_agent_and_all_adds_up() {
    let mut network = Network::new(SMALL);
    network.run();
    let association = load(SMALL).association().unwrap().clone();
    let sent = requests(&network.sent);
    assert_eq!(sent.len(), 20);
    let mut identifications = HashSet::new();
    for (index, (source, request)) in sent.iter().enumerate() {
        let agent = Ipv4Addr::new(10, 1, 1, 1 + (index % 2) as u8);
        assert_eq!((*source, request.care_of), (agent, agent));
        assert_eq!(request.nai().unwrap(), format!("user{}@r", index + 1).as_bytes());
        assert_eq!((request.lifetime, request.flags), (1800, Flags::REVERSE_TUNNEL));
        assert_eq!(request.identification >> 32, u64::from(CLOCK));
        assert!(identifications.insert(request.identification));
    }
    for frame in &network.sent {
        if let Some((_, _, datagram)) = datagram(frame) {
            association.verify(AuthKind::MobileHome, datagram.payload, RRQ_FIXED).unwrap();
        }
    }
    let result = result(&network);
    assert!(result.is_clean(), "{}", result.table());
    assert_eq!((result.requests.sent, result.requests.answered, result.requests.lost), (20, 20, 0));
    assert_eq!((result.nodes.registered, result.nodes.moved), (20, 0));
    assert_eq!(result.home_agents.len(), 1);
    assert_eq!(result.home_agents[0].address, Ipv4Addr::new(10, 1, 1, 51));
    assert_eq!(network.responder.status(network.now)[0].bindings, 20);
}

#[test]
fn the_rate_is_kept() {
    let mut network = Network::new(&SMALL.replace("[nodes]", "[traffic]\nrate = 10\n[nodes]"));
    while network.now < Duration::from_secs(1) {
        network.step();
    }
    // The first goes out at once, the others every 100 ms; the next hop took a step or two.
    assert_eq!(requests(&network.sent).len(), 10);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_a_doubled_one_is_counted() {
    let retransmit = "[traffic]\nretransmit_after = 0.5\nretransmissions = 2\n[nodes]";
    let mut network = Network::new(&SMALL.replace("[nodes]", retransmit));
    // The first frame back is the ARP reply. Every fourth answer is lost, every fifth comes twice.
    network.deliver = |nth| match nth {
        0 => 1,
        nth if nth % 4 == 0 => 0,
        nth if nth % 5 == 0 => 2,
        _ => 1,
    };
    network.run();
    let result = result(&network);
    let lost = (1..network.answered.len()).filter(|nth| nth % 4 == 0).count() as u64;
    let doubled = (1..network.answered.len()).filter(|nth| nth % 4 != 0 && nth % 5 == 0).count() as u64;
    assert!(lost > 5 && doubled > 2);
    assert_eq!(result.requests.retransmitted, lost);
    assert_eq!(result.requests.lost, lost);
    assert_eq!(result.requests.duplicates, doubled);
    assert_eq!(result.nodes.registered, 20);
    assert_eq!(result.requests.sent, 20 + lost);
    assert_eq!((result.requests.repeated, result.requests.given_up), (0, 0));
}

#[test]
fn who_is_never_answered_is_given_up_after_the_last_retransmission() {
    let retransmit = "[traffic]\nretransmit_after = 0.5\nretransmissions = 2\n[nodes]";
    let mut network = Network::new(&SMALL.replace("[nodes]", retransmit));
    network.responder.command(network.now, &Command::Deaf("ha1".into()));
    network.run();
    let result = result(&network);
    assert_eq!((result.requests.sent, result.requests.given_up), (60, 20));
    assert_eq!((result.nodes.unanswered, result.nodes.registered), (20, 0));
    assert!(!result.is_clean());
    assert_eq!(network.responder.status(network.now)[0].counters.unheard, 60);
}

#[test]
fn repeats_are_of_nodes_sent_before() {
    let mut network =
        Network::new(&SMALL.replace("[nodes]", "[traffic]\nrate = 0\nrequests = 40\nrepeat = 0.5\n[nodes]"));
    network.run();
    let result = result(&network);
    assert_eq!((result.requests.sent, result.requests.answered), (40, 40));
    assert_eq!(result.requests.repeated, 40 - result.nodes.asked);
    assert!((10..=30).contains(&result.requests.repeated));
}

#[test]
fn without_a_next_hop_the_run_fails_by_name() {
    let mut network = Network::new(&SMALL.replace("10.1.1.51\"\n[nodes]", "10.1.1.77\"\n[nodes]"));
    network.run();
    assert_eq!(network.generator.failure(), Some("no answer to ARP for 10.1.1.77, the next hop"));
    assert_eq!(network.now.as_secs(), 10);
    // One question a second, from 0 to 10.
    assert_eq!(network.sent.len(), 11);
    assert!(network.sent.iter().all(|frame| ethernet::parse(frame).unwrap().ethertype == ethernet::ARP));
}

/// A port that takes nothing.
struct Full;

impl Transmit for Full {
    fn send(&mut self, _frame: &[u8]) -> bool {
        false
    }
}

#[test]
fn a_retransmission_that_the_port_does_not_take_is_made_up_for() {
    let text = "[traffic]\nrate = 0\nretransmit_after = 0.5\nretransmissions = 1\n[nodes]";
    let mut network = Network::new(&SMALL.replace("[nodes]", text));
    network.deliver = |nth| usize::from(nth == 0);
    while requests(&network.sent).len() < 20 {
        network.step();
    }
    network.now += Duration::from_secs(1);
    for _ in 0..5 {
        assert_ne!(network.generator.poll(network.now, &mut Full), Activity::Done);
    }
    network.run();
    let result = result(&network);
    assert_eq!((result.requests.sent, result.requests.retransmitted, result.requests.given_up), (40, 20, 20));
}

#[test]
fn an_own_frame_that_comes_back_is_ignored() {
    use common::wire::{arp::Arp, ethernet::Ethernet};
    use zerocopy::IntoBytes;
    let mut network = Network::new(SMALL);
    let ask = |source| {
        let question = Arp::request((source, Ipv4Addr::new(10, 1, 1, 1)), Ipv4Addr::new(10, 1, 1, 2));
        let head = Ethernet::new(MacAddr::BROADCAST, source, ethernet::ARP);
        [head.as_bytes(), question.as_bytes()].concat()
    };
    let mut out = Vec::new();
    network.generator.receive(network.now, &ask(PORT), &mut out);
    assert!(out.is_empty());
    network.generator.receive(network.now, &ask(MacAddr([2, 0, 0, 0, 0, 0x77])), &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_port_that_takes_nothing_loses_no_request() {
    let mut network = Network::new(&SMALL.replace("[nodes]", "[traffic]\nrate = 0\n[nodes]"));
    network.step();
    for _ in 0..5 {
        assert_ne!(network.generator.poll(network.now, &mut Full), Activity::Done);
    }
    network.run();
    let names: Vec<_> =
        requests(&network.sent).into_iter().map(|(_, request)| request.nai().map(<[u8]>::to_vec)).collect();
    let want: Vec<_> = (1..=20).map(|number| Some(format!("user{number}@r").into_bytes())).collect();
    assert_eq!(names, want);
}

/// Replaces the reply in a frame by what `change` makes of it, signed again if `sign`.
fn changed(frame: &[u8], sign: bool, change: impl Fn(&mut Reply)) -> Vec<u8> {
    use common::wire::{ipv4::Ipv4, udp};
    use zerocopy::IntoBytes;
    let (_, ip, datagram) = datagram(frame).unwrap();
    let mut reply = Reply::decode(datagram.payload).unwrap();
    change(&mut reply);
    let auth = reply.extensions.pop().unwrap();
    let mut message = reply.encode().unwrap();
    if sign {
        load(SMALL).association().unwrap().sign(AuthKind::MobileHome, &mut message);
    } else {
        auth.encode(&mut message).unwrap();
    }
    let (source, destination) = (ip.header.source(), ip.header.destination());
    let mut made = udp::Udp::new(434, 434, message.len() as u16).as_bytes().to_vec();
    made.extend_from_slice(&message);
    udp::fill_checksum(&mut made, source, destination);
    let ip = Ipv4::new(source, destination, 17, made.len() as u16, 0);
    [&frame[..14], ip.as_bytes(), &made].concat()
}

#[test]
fn answers_that_do_not_fit_are_wrong_each_in_its_way() {
    let mut network = Network::new(SMALL);
    network.deliver = |nth| usize::from(nth == 0);
    while network.answered.len() < 4 {
        network.step();
    }
    let frame = network.answered[1].clone();
    let mut give = |frame: &[u8]| network.generator.receive(network.now, frame, &mut Vec::new());
    give(&changed(&frame, false, |reply| reply.lifetime = 7));
    give(&changed(&frame, true, |reply| reply.identification += 1000));
    give(&changed(&frame, true, |reply| reply.extensions[0] = Extension::Nai(b"user9@r".to_vec())));
    give(&changed(&frame, true, |reply| reply.extensions[0] = Extension::Nai(b"who@r".to_vec())));
    let mut spoilt = frame.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    give(&spoilt);
    give(&changed(&frame, true, |reply| reply.code = Code::NO_RESOURCES));
    give(&frame);
    let result = result(&network);
    let wrong: Vec<_> = result.wrong.into_iter().collect();
    assert_eq!(
        wrong,
        [
            (ReplyError::Checksum, 1),
            (ReplyError::Authenticator, 1),
            (ReplyError::Identification, 1),
            (ReplyError::Nai, 2)
        ]
    );
    assert_eq!(result.codes.into_iter().collect::<Vec<_>>(), [(130, 1)]);
    assert_eq!((result.requests.answered, result.requests.duplicates), (1, 1));
    assert_eq!((result.home_agents[0].denied, result.nodes.registered), (1, 0));
}

#[test]
fn a_node_that_another_home_agent_accepts_has_moved_and_its_line_says_so() {
    let two = SMALL.replace("[nodes]", "[traffic]\nrate = 0\nrequests = 40\n[nodes]");
    let mut network = Network::new(&two);
    network.deliver = |nth| usize::from(nth == 0);
    network.run();
    for (index, frame) in
        network.answered.clone().iter().filter(|frame| datagram(frame).is_some()).enumerate()
    {
        let frame = changed(frame, true, |reply| {
            if index == 25 {
                reply.home_agent = Ipv4Addr::new(10, 1, 1, 52);
            }
        });
        network.generator.receive(network.now, &frame, &mut Vec::new());
    }
    let result = result(&network);
    assert_eq!((result.nodes.moved, result.requests.answered), (1, 40));
    let mut lines = Vec::new();
    report::write_nodes(&network.generator, &mut lines).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20);
    let moved: Vec<_> = lines.iter().filter(|line| line["moved"] == 1).collect();
    assert_eq!(moved.len(), 1);
    assert_eq!((&moved[0]["nai"], &moved[0]["home_agent"]), (&"user6@r".into(), &"10.1.1.52".into()));
    assert_eq!(
        (&lines[0]["sent"], &lines[0]["answered"], &lines[0]["lost"]),
        (&2.into(), &2.into(), &0.into())
    );
}

#[test]
fn told_to_stop_it_waits_for_answers_and_ends() {
    let mut network = Network::new(&SMALL.replace("[nodes]", "[traffic]\nduration = 1000\n[nodes]"));
    for _ in 0..20 {
        network.step();
    }
    network.generator.stop(network.now);
    network.run();
    let result = result(&network);
    assert!(result.requests.sent >= 10 && result.requests.sent < 30);
    assert_eq!(result.requests.lost, 0);
}
