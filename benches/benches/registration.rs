//! The home agent's work for a registration: renewals, and first ones, with a million bindings present.
//!
//! `cargo bench -p benches --bench registration`. One thread. Every request is freshly signed (HMAC-MD5), in time and new to the
//! agent, and its reply is signed; making the requests is not measured.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    time::Nanos,
    wire::mobile_ip::{
        AuthKind, Extension, Flags, Request,
        auth::{Algorithm, Association, Key},
    },
};
use control::home_agent::registration::{
    AddressSource, Agent, Effect, Effects, Host, Identity, Network, Now, Outcome, PeerName, Policy, Pool,
    Received, SecurityAssociation,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const NODES: u32 = 1_000_000;
/// Requests made at once.
const BATCH: u32 = 10_000;
const HOME_AGENT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
const FOREIGN_AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);

struct Silent;

impl Effects for Silent {
    fn apply(&mut self, effect: Effect<'_>) {
        black_box(effect);
    }
}

fn key() -> Key {
    Key::from_ascii("1234567812345678").expect("16 characters")
}

fn nai(user: u32) -> String {
    format!("mwts-mip-n-{user:06}@ispxyz.com")
}

/// Each node has an association and a host of its own, as in the largest configuration.
fn policy(nodes: u32) -> Policy {
    let [low, high] = [0x0a40_0000_u32, 0x0a7f_ffff].map(Ipv4Addr::from_bits);
    let mut policy = Policy {
        own: [HOME_AGENT].into(),
        pools: [("P".into(), Pool { low, high })].into(),
        max_binding: nodes + BATCH,
        ..Policy::default()
    };
    let prefix = "10.64.0.0/10".parse().expect("a prefix");
    let network = Arc::new(Network::Virtual(prefix));
    let host = Arc::new(Host { address: AddressSource::Pool("P".into()), ..Host::new(network) });
    for user in 0..nodes + BATCH {
        let nai = nai(user);
        policy.hosts.insert_nai(nai.as_bytes(), Arc::clone(&host));
        let association = SecurityAssociation::new(0x100, 0x100, Algorithm::HmacMd5, key(), None);
        policy.associations.insert(PeerName::Nai(nai.as_bytes()), association).expect("no range");
    }
    policy
}

/// A request, as long as those of the specification's example: 76 bytes.
fn request(association: &Association, user: u32, identification: u64) -> Vec<u8> {
    let request = Request {
        flags: Flags::REVERSE_TUNNEL,
        lifetime: 1800,
        home_address: Ipv4Addr::UNSPECIFIED,
        home_agent: Ipv4Addr::UNSPECIFIED,
        care_of: FOREIGN_AGENT,
        identification,
        extensions: vec![Extension::Nai(nai(user).into_bytes())],
    };
    let mut bytes = request.encode().expect("a short NAI");
    association.sign(AuthKind::MobileHome, &mut bytes);
    bytes
}

struct Lab {
    agent: Agent,
    policy: Policy,
    association: Association,
    now: Now,
    reply: Vec<u8>,
}

impl Lab {
    fn new() -> Self {
        let mut lab = Self {
            agent: Agent::new(NODES as usize),
            policy: policy(NODES),
            association: Association { spi: 0x100, algorithm: Algorithm::HmacMd5, key: key() },
            now: Now { monotonic: Nanos(1_000_000_000), ntp: 0xc2b9_f5a0 << 32 },
            reply: Vec::with_capacity(512),
        };
        for first in (0..NODES).step_by(BATCH as usize) {
            lab.run(first..first + BATCH);
        }
        assert_eq!(lab.agent.bindings(), NODES as usize);
        lab
    }

    /// Makes requests of these users and has them processed; what the latter took.
    fn run(&mut self, users: impl Iterator<Item = u32>) -> Duration {
        // Far from a second in all, so that every one is in time.
        self.now.ntp += 1 << 16;
        let made: Vec<_> = users.map(|user| request(&self.association, user, self.now.ntp)).collect();
        let begun = Instant::now();
        for payload in &made {
            let received = Received {
                source: SocketAddrV4::new(FOREIGN_AGENT, 434),
                destination: SocketAddrV4::new(HOME_AGENT, 434),
                destination_is_broadcast: false,
                checksum_ok: true,
                payload: black_box(payload),
            };
            let outcome = self.agent.process(&self.policy, &received, self.now, &mut self.reply, &mut Silent);
            assert!(matches!(black_box(outcome), Outcome::Reply { code, .. } if code.is_accepted()));
        }
        begun.elapsed()
    }
}

fn registrations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registration");
    group.throughput(Throughput::Elements(u64::from(BATCH))).sample_size(10);
    let mut lab = Lab::new();
    // Neighbours in the table must not be neighbours in time.
    let mut turn = 0_u32;
    group.bench_function("renewal/1M", |bencher| {
        bencher.iter_custom(|rounds| {
            let round = |_| {
                turn += 1;
                lab.run((0..BATCH).map(|at| (turn * BATCH + at).wrapping_mul(7919) % NODES))
            };
            (0..rounds).map(round).sum()
        });
    });
    group.bench_function("first/1M", |bencher| {
        bencher.iter_custom(|rounds| {
            let round = |_| {
                let taken = lab.run(NODES..NODES + BATCH);
                for user in NODES..NODES + BATCH {
                    let nai = nai(user);
                    let which = control::home_agent::registration::Clear::Nai(nai.as_bytes());
                    lab.agent.clear(which, 1, lab.now, &mut Silent);
                }
                taken
            };
            (0..rounds).map(round).sum()
        });
    });
    assert_eq!(lab.agent.bindings(), NODES as usize);
    assert!(lab.agent.bindings_of(Identity::Nai(nai(7).as_bytes()), lab.now).next().is_some());
    group.finish();
}

criterion_group!(benches, registrations);
criterion_main!(benches);
