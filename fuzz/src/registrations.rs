//! Steps of a home agent's life, as bytes: datagrams, time and an operator. Any bytes are a list; what is cut short ends it.
//!
//! | byte 0, bits 0 to 1 | then |
//! |---|---|
//! | 0 a datagram, 1 one that gets a mobile-home authentication behind it | bit 2 the key is wrong; bit 3 a foreign-home authentication follows; bit 4 the identification is kept as it is, else it becomes the next one; bits 5 to 7 source; then length (2) and bytes |
//! | 2 time | one byte of seconds |
//! | 3 an operator or a new configuration | one byte of which |

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, OnceLock},
};

use common::{
    time::Nanos,
    wire::mobile_ip::{
        AuthKind, Extension, Extensions, RRP_FIXED, RRQ_FIXED, Reply,
        auth::{Algorithm, Association, Key},
    },
};
use control::home_agent::registration::{
    AddressSource, Agent, Clear, Effect, Effects, Host, NatTraversal, Network, Now, Outcome, PeerName,
    Policy, Pool, Received, SecurityAssociation, StaticAddresses, Tunnel,
};
use fastrand::Rng;

use crate::mutate::Change;

/// Steps of one input; what follows is not looked at.
const MOST: usize = 64;
const CLOCK: u64 = 0xc2b9_f5a0 << 32;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
/// The source whose requests need a foreign-home authentication.
const FOREIGN: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 53);
const SPI: u32 = 0x100;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What comes to port 434.
    Datagram {
        /// Bits 0 to 7 as the table above says.
        how: u8,
        /// The payload, before authentications.
        bytes: Vec<u8>,
    },
    /// Seconds pass.
    Wait(u8),
    /// Bindings are cleared, or the configuration is another.
    Operator(u8),
}

/// Reads the steps.
pub fn decode(mut bytes: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < MOST
        && let Some((&how, rest)) = bytes.split_first()
    {
        let (step, rest) = match (how & 3, rest) {
            (2, [seconds, rest @ ..]) => (Step::Wait(*seconds), rest),
            (3, [which, rest @ ..]) => (Step::Operator(*which), rest),
            (0 | 1, [high, low, rest @ ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
                (Step::Datagram { how, bytes: rest[..length].to_vec() }, &rest[length..])
            }
            _ => break,
        };
        steps.push(step);
        bytes = rest;
    }
    steps
}

/// Writes the steps, as [`decode`] reads them.
pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut out = Vec::new();
    for step in steps {
        match step {
            Step::Datagram { how, bytes } => {
                let length = bytes.len().min(usize::from(u16::MAX));
                out.push(how & !2);
                out.extend((length as u16).to_be_bytes());
                out.extend_from_slice(&bytes[..length]);
            }
            Step::Wait(seconds) => out.extend([2, *seconds]),
            Step::Operator(which) => out.extend([3, *which]),
        }
    }
    out
}

fn association(key: &[u8]) -> Association {
    Association { spi: SPI, algorithm: Algorithm::HmacMd5, key: Key::from_bytes(key) }
}

fn home(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, last)
}

/// Policies, made once: an operator chooses among them.
fn policies() -> &'static [Policy; 4] {
    static POLICIES: OnceLock<[Policy; 4]> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let network = Arc::new(Network::Virtual("10.9.0.0/16".parse().expect("a prefix")));
        let mut first = Policy {
            own: [OWN].into(),
            virtual_addresses: vec![Ipv4Addr::new(10, 1, 1, 10)],
            pools: [("P".into(), Pool { low: home(1), high: home(6) })].into(),
            nat_traversal: Some(NatTraversal { keepalive: 110, forced: true }),
            max_binding: 12,
            ..Policy::default()
        };
        let host = Host {
            address: AddressSource::Pool("P".into()),
            static_addresses: StaticAddresses::These([home(7), home(8)].into()),
            ..Host::new(Arc::clone(&network))
        };
        first.hosts.insert_nai(b"@b", Arc::new(host));
        let host = Arc::new(Host::new(network));
        first.hosts.insert_range(home(100), home(110), host).expect("the first range");
        let signs = |key| SecurityAssociation::new(SPI, SPI, Algorithm::HmacMd5, Key::from_bytes(key), None);
        let mobile = [PeerName::Nai(b"@b"), PeerName::Hosts(home(0), home(255))];
        for name in mobile {
            first.associations.insert(name, signs(b"mobile")).expect("the first range");
        }
        first.associations.insert(PeerName::ForeignAgent(FOREIGN), signs(b"foreign")).expect("no range");
        let mut poor = Policy { gre: false, nat_traversal: None, simultaneous: 1, ..first.clone() };
        poor.hosts.remove_nai(b"@b");
        let dynamic = Policy {
            dynamic_address: Some(Ipv4Addr::new(10, 1, 1, 99)),
            unknown_home_agent: true,
            broadcast: true,
            ..first.clone()
        };
        let off = Policy { service: false, ..first.clone() };
        [first, poor, dynamic, off]
    })
}

/// What the dataplane would have, and whether anything may change now.
#[derive(Default)]
struct Mirror {
    tunnels: BTreeMap<(Ipv4Addr, Ipv4Addr), Tunnel>,
    on: BTreeSet<Ipv4Addr>,
    authentic: bool,
}

impl Effects for Mirror {
    fn apply(&mut self, effect: Effect<'_>) {
        let key = |tunnel: &Tunnel| (tunnel.home, tunnel.care_of);
        match effect {
            Effect::Violation(_) => return,
            Effect::Debug(line) => {
                let printable = line.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte));
                return assert!(printable, "a line forged");
            }
            Effect::AddressOn { home, .. } => assert!(self.on.insert(home)),
            Effect::AddressOff { home, .. } => assert!(self.on.remove(&home)),
            Effect::Installed(tunnel) => assert!(self.tunnels.insert(key(&tunnel), tunnel).is_none()),
            Effect::Changed { before, after } => {
                assert_eq!(self.tunnels.insert(key(&after), after), Some(before));
            }
            Effect::Removed(tunnel, _) => assert_eq!(self.tunnels.remove(&key(&tunnel)), Some(tunnel)),
        }
        assert!(self.authentic, "a change without a right authenticator");
    }

    fn debugging(&self) -> bool {
        true
    }
}

/// A home agent to which it happens. Returns how many requests it accepted.
///
/// # Panics
/// If what must hold does not.
pub fn run(steps: &[Step]) -> usize {
    let (mut agent, mut mirror) = (Agent::new(0), Mirror::default());
    let (mut policy, mut reply, mut accepted) = (&policies()[0], Vec::new(), 0);
    let mut now = Now { monotonic: Nanos(1_000_000_000), ntp: CLOCK };
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Datagram { how, bytes } => {
                let payload = finish(*how, bytes, now.ntp + 1 + number as u64);
                mirror.authentic = is_authentic(&payload);
                let received = received(*how, &payload);
                let outcome = agent.process(policy, &received, now, &mut reply, &mut mirror);
                accepted += usize::from(judge(outcome, &reply, mirror.authentic));
                mirror.authentic = false;
            }
            Step::Wait(seconds) => {
                now.monotonic.0 += u64::from(*seconds) * 1_000_000_000;
                now.ntp += u64::from(*seconds) << 32;
                mirror.authentic = true;
                while !agent.expire(now, 2, &mut mirror) {}
                mirror.authentic = false;
            }
            Step::Operator(which) => {
                mirror.authentic = true;
                match which & 7 {
                    0 => drop(agent.clear(Clear::All, usize::from(which >> 3), now, &mut mirror)),
                    1 => drop(agent.clear(Clear::Address(home(which >> 3)), 1, now, &mut mirror)),
                    2 => drop(agent.clear(Clear::Nai(b"a@b"), 1, now, &mut mirror)),
                    other => policy = &policies()[usize::from(other & 3)],
                }
                mirror.authentic = false;
            }
        }
        let shown = agent.bindings_from(Ipv4Addr::UNSPECIFIED, now).map(|one| one.tunnel);
        assert!(shown.eq(in_order(&mirror, &agent, now)), "what is shown is not what is there");
        assert_eq!(agent.bindings(), mirror.tunnels.len());
        assert_eq!(agent.registered(), mirror.on.len());
        assert!(agent.bindings() <= 12 && agent.known() <= number + 1);
        assert!(agent.violations().iter().count() <= number + 1);
    }
    accepted
}

/// The mirror's tunnels in the order in which they are shown: by home address, then as the node has them.
fn in_order<'m>(mirror: &'m Mirror, agent: &'m Agent, now: Now) -> impl Iterator<Item = Tunnel> + 'm {
    let keys = agent.bindings_from(Ipv4Addr::UNSPECIFIED, now).map(|one| (one.home, one.tunnel.care_of));
    keys.map(|key| *mirror.tunnels.get(&key).expect("it was installed"))
}

/// Puts in what the step says: an identification in time, authentications.
fn finish(how: u8, bytes: &[u8], identification: u64) -> Vec<u8> {
    let mut payload = bytes.to_vec();
    if how & 16 == 0
        && let Some(place) = payload.get_mut(16..24)
    {
        place.copy_from_slice(&identification.to_be_bytes());
    }
    if how & 1 == 1 {
        let key: &[u8] = if how & 4 == 0 { b"mobile" } else { b"wrong" };
        association(key).sign(AuthKind::MobileHome, &mut payload);
    }
    if how & 8 != 0 {
        association(b"foreign").sign(AuthKind::ForeignHome, &mut payload);
    }
    payload
}

/// Judged by the codec alone: the first mobile-home authentication is right.
fn is_authentic(payload: &[u8]) -> bool {
    let whole = Extensions::new(payload, RRQ_FIXED).all(|located| located.is_ok());
    let right = association(b"mobile").verify(AuthKind::MobileHome, payload, RRQ_FIXED).is_ok();
    payload.len() >= RRQ_FIXED && payload[0] == 1 && whole && right
}

fn received(how: u8, payload: &[u8]) -> Received<'_> {
    let source = match how >> 5 {
        7 => home(100),
        other => Ipv4Addr::new(15, 1, 1, 51 + other),
    };
    Received {
        source: SocketAddrV4::new(source, 434),
        destination: SocketAddrV4::new(OWN, 434),
        destination_is_broadcast: false,
        checksum_ok: true,
        payload,
    }
}

/// A reply is signed and says what is true; whether it accepts.
fn judge(outcome: Outcome, reply: &[u8], authentic: bool) -> bool {
    let Outcome::Reply { code, .. } = outcome else {
        assert!(reply.is_empty());
        return false;
    };
    let signed = association(b"mobile").verify(AuthKind::MobileHome, reply, RRP_FIXED);
    assert!(signed.is_ok(), "a reply that is not signed");
    let read = Reply::decode(reply).expect("our own reply");
    assert_eq!(read.code, code);
    // 131 is the only answer to what is not authentic, and to nothing else.
    assert_eq!(code.0 != 131, authentic, "{code}");
    code.is_accepted()
}

/// Changes the first `size` bytes of `data` to at most `most` others and returns how many.
pub fn mutate(data: &mut [u8], (size, most): (usize, usize), seed: u32, change: Change) -> usize {
    let mut random = Rng::with_seed(seed.into());
    let mut steps = decode(&data[..size]);
    if steps.is_empty() || random.u8(..) > 16 {
        for _ in 0..=random.u8(0..3) {
            alter(&mut steps, &mut random, change);
        }
        let bytes = encode(&steps);
        if bytes.len() <= most {
            data[..bytes.len()].copy_from_slice(&bytes);
            return bytes.len();
        }
    }
    change(data, size, most)
}

fn alter(steps: &mut Vec<Step>, random: &mut Rng, change: Change) {
    const ROOM: usize = 64;
    let at = random.usize(0..=steps.len());
    if at == steps.len() || random.u8(..) < 48 {
        steps.insert(at, new(random));
        return;
    }
    match (random.u8(0..12), &mut steps[at]) {
        (0, _) => drop(steps.remove(at)),
        (1 | 2, step) => {
            let copy = step.clone();
            steps.insert(random.usize(0..=steps.len()), copy);
        }
        (3 | 4, Step::Datagram { how, .. }) => *how = random.u8(..) & !2,
        (_, Step::Datagram { bytes, .. }) if !bytes.is_empty() => {
            let size = bytes.len();
            bytes.resize(size + ROOM, 0);
            let size = change(bytes, size, size + ROOM);
            bytes.truncate(size);
        }
        (_, step) => *step = new(random),
    }
}

fn new(random: &mut Rng) -> Step {
    match random.u8(0..16) {
        0 | 1 => Step::Wait(random.u8(..)),
        2 => Step::Operator(random.u8(..)),
        _ => datagram(random),
    }
}

/// A request of few nodes, addresses and lifetimes, so that they meet; most are signed, and some of their extensions stand behind.
fn datagram(random: &mut Rng) -> Step {
    let address = |random: &mut Rng| match random.u8(0..8) {
        0..3 => Ipv4Addr::UNSPECIFIED,
        3 => OWN,
        4 => home(random.u8(100..103)),
        5 => Ipv4Addr::new(10, 1, 1, 10),
        6 => home(random.u8(0..9)),
        _ => Ipv4Addr::from_bits(random.u32(..)),
    };
    let mut extensions = Vec::new();
    if random.u8(..) < 208 {
        let user = *random.choice(b"acd\n").unwrap_or(&b'a');
        extensions.push(Extension::Nai(vec![user, b'@', b'b']));
    }
    for _ in 0..random.u8(0..3) {
        extensions.push(extension(random));
    }
    let source = random.u8(0..4);
    let care_of = if random.u8(..) < 224 { Ipv4Addr::new(15, 1, 1, 51 + source) } else { address(random) };
    let request = common::wire::mobile_ip::Request {
        flags: common::wire::mobile_ip::Flags(random.u8(..) & random.u8(..)),
        lifetime: *random.choice(&[0, 5, 60, 1800, 65_535]).unwrap_or(&0),
        home_address: address(random),
        home_agent: address(random),
        care_of,
        identification: CLOCK + random.u64(0..1 << 34),
        extensions,
    };
    let mut bytes = request.encode().expect("short extensions");
    let mut how = source << 5 | u8::from(random.u8(..) < 16) << 4 | u8::from(source == 2) << 3;
    if random.u8(..) < 224 {
        how |= 1 | u8::from(random.u8(..) < 16) << 2;
    } else {
        association(b"mobile").sign(AuthKind::MobileHome, &mut bytes);
        how |= 16;
        let _ = extension(random).encode(&mut bytes);
    }
    Step::Datagram { how, bytes }
}

fn extension(random: &mut Rng) -> Extension {
    match random.u8(0..8) {
        0 => Extension::Pad,
        1 => Extension::Challenge(vec![random.u8(..); random.usize(0..30)]),
        2 => Extension::DynamicHa { long: random.bool(), sub_type: random.u8(1..3), address: OWN },
        3 | 4 => {
            let encapsulation = *random.choice(&[0, 4, 47, 55]).unwrap_or(&0);
            Extension::UdpTunnelRequest {
                reserved: 0,
                flags: random.u8(..) & 0xc0,
                encapsulation,
                reserved2: 0,
            }
        }
        5 => Extension::Generalised { sub_type: 1, spi: 2, authenticator: vec![0; 16] },
        6 => Extension::Nai(b"a@b".to_vec()),
        _ => Extension::Other { kind: random.u8(128..=255), data: vec![0, 0, 0, 0, 0, 9, 0, 1] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unchanged(_: &mut [u8], size: usize, _: usize) -> usize {
        size
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut random = Rng::with_seed(7);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
            let steps = decode(&bytes);
            assert_eq!(decode(&encode(&steps)), steps);
        }
        assert_eq!(decode(&[2; 1000]).len(), MOST);
    }

    #[test]
    fn made_requests_are_accepted_often_enough_and_everything_holds() {
        let (mut accepted, mut datagrams) = (0, 0);
        for seed in 0..300 {
            let mut data = vec![0; 9728];
            let mut size = 0;
            for turn in 0..20 {
                size = mutate(&mut data, (size, 9728), seed * 100 + turn, unchanged);
            }
            let steps = decode(&data[..size]);
            datagrams += steps.iter().filter(|step| matches!(step, Step::Datagram { .. })).count();
            accepted += run(&steps);
        }
        assert!(accepted * 12 > datagrams, "{accepted} of {datagrams}");
    }
}
