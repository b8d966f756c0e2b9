//! A home agent with what it was told, and requests for it.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use common::{
    time::Nanos,
    wire::mobile_ip::{
        AuthKind, Code, Extension, Flags, RRP_FIXED, Reply, Request,
        auth::{Algorithm, Association, Key},
    },
};

use control::home_agent::registration::*;

pub const CLOCK: u64 = 0xc2b9_f5a0 << 32;
pub const SECOND: u64 = 1 << 32;
/// The key of every mobile node.
pub const KEY: &str = "1234567812345678";
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
pub const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
pub const AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);

pub fn home(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, last)
}

pub fn association(spi: u32, key: &str) -> SecurityAssociation {
    let key = Key::from_ascii(key).unwrap();
    SecurityAssociation::new(spi, spi, Algorithm::HmacMd5, key, None)
}

/// Mobile nodes of `@b` share one key and get addresses of 10.9.0.1 to 10.9.0.9; 10.9.0.100 to 10.9.0.199 need no NAI.
pub fn policy() -> Policy {
    let network = Arc::new(Network::Virtual("10.9.0.0/16".parse().unwrap()));
    let mut policy = Policy {
        own: [OWN].into(),
        virtual_addresses: vec![VIRTUAL],
        pools: [("P".into(), Pool { low: home(1), high: home(9) })].into(),
        ..Policy::default()
    };
    let host = Host { address: AddressSource::Pool("P".into()), ..Host::new(Arc::clone(&network)) };
    policy.hosts.insert_nai(b"@b", Arc::new(host));
    policy.hosts.insert_range(home(100), home(199), Arc::new(Host::new(network))).unwrap();
    let nodes = [PeerName::Nai(b"@b"), PeerName::Hosts(home(100), home(255))];
    for name in nodes {
        policy.associations.insert(name, association(0x100, KEY)).unwrap();
    }
    policy
}

/// What the agent told others to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    On(Ipv4Addr),
    Installed(Tunnel),
    Changed(Tunnel, Tunnel),
    Removed(Tunnel, Cause),
    Off(Ipv4Addr, Cause),
    Violation(Reason),
    Debug(String),
}

#[derive(Default)]
pub struct Recorder(pub Vec<Seen>);

impl Effects for Recorder {
    fn apply(&mut self, effect: Effect<'_>) {
        self.0.push(match effect {
            Effect::AddressOn { home, .. } => Seen::On(home),
            Effect::Installed(tunnel) => Seen::Installed(tunnel),
            Effect::Changed { before, after } => Seen::Changed(before, after),
            Effect::Removed(tunnel, cause) => Seen::Removed(tunnel, cause),
            Effect::AddressOff { home, cause, .. } => Seen::Off(home, cause),
            Effect::Violation(violation) => Seen::Violation(violation.reason),
            Effect::Debug(line) => Seen::Debug(line.to_string()),
        });
    }

    fn debugging(&self) -> bool {
        true
    }
}

/// A request, as a mobile node makes it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub flags: &'static str,
    pub lifetime: u16,
    pub home: Ipv4Addr,
    pub home_agent: Ipv4Addr,
    pub care_of: Ipv4Addr,
    pub nai: Vec<u8>,
    /// Behind the NAI.
    pub before: Vec<Extension>,
    /// Behind the authentication.
    pub after: Vec<Extension>,
    pub spi: u32,
    pub key: &'static str,
    pub source: SocketAddrV4,
    pub destination: Ipv4Addr,
    pub broadcast: bool,
    /// Steps that its clock is ahead; `None`: as many as requests were made.
    pub identification: Option<u64>,
}

impl Ask {
    /// Of a mobile node behind the usual foreign agent.
    pub fn of(nai: &str) -> Self {
        Self {
            flags: "T",
            lifetime: 1800,
            home: Ipv4Addr::UNSPECIFIED,
            home_agent: Ipv4Addr::UNSPECIFIED,
            care_of: AGENT,
            nai: nai.into(),
            before: Vec::new(),
            after: Vec::new(),
            spi: 0x100,
            key: KEY,
            source: SocketAddrV4::new(AGENT, 434),
            destination: OWN,
            broadcast: false,
            identification: None,
        }
    }

    /// Of one without NAI.
    pub fn at(home: Ipv4Addr) -> Self {
        Self { home, ..Self::of("") }
    }

    pub fn care_of(self, last: u8) -> Self {
        let care_of = Ipv4Addr::new(15, 1, 1, last);
        Self { care_of, source: SocketAddrV4::new(care_of, 434), ..self }
    }

    /// Unsigned.
    pub fn bare(&self, identification: u64) -> Vec<u8> {
        let nai = (!self.nai.is_empty()).then(|| Extension::Nai(self.nai.clone()));
        let request = Request {
            flags: Flags::from_letters(self.flags).unwrap(),
            lifetime: self.lifetime,
            home_address: self.home,
            home_agent: self.home_agent,
            care_of: self.care_of,
            identification,
            extensions: nai.into_iter().chain(self.before.iter().cloned()).collect(),
        };
        request.encode().unwrap()
    }

    pub fn bytes(&self, identification: u64) -> Vec<u8> {
        let mut bytes = self.bare(identification);
        sign(&mut bytes, AuthKind::MobileHome, self.spi, self.key);
        for extension in &self.after {
            extension.encode(&mut bytes).unwrap();
        }
        bytes
    }
}

pub fn sign(bytes: &mut Vec<u8>, kind: AuthKind, spi: u32, key: &str) {
    let key = Key::from_ascii(key).unwrap();
    Association { spi, algorithm: Algorithm::HmacMd5, key }.sign(kind, bytes);
}

pub struct Lab {
    pub policy: Policy,
    pub agent: Agent,
    pub now: Now,
    pub seen: Vec<Seen>,
    pub reply: Vec<u8>,
    made: u64,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(policy())
    }

    pub fn with(policy: Policy) -> Self {
        let now = Now { monotonic: Nanos(1_000_000_000_000), ntp: CLOCK };
        Self { policy, agent: Agent::new(16), now, seen: Vec::new(), reply: Vec::new(), made: 0 }
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now.monotonic.0 += seconds * 1_000_000_000;
        self.now.ntp += seconds * SECOND;
        let mut recorder = Recorder::default();
        while !self.agent.expire(self.now, 3, &mut recorder) {}
        self.seen = recorder.0;
    }

    pub fn clear(&mut self, which: Clear<'_>, most: usize) -> usize {
        let mut recorder = Recorder::default();
        let cleared = self.agent.clear(which, most, self.now, &mut recorder);
        self.seen = recorder.0;
        cleared
    }

    /// What `received` leads to; a reply must be signed with the mobile node's key.
    pub fn receive(&mut self, received: &Received<'_>) -> Outcome {
        let mut recorder = Recorder::default();
        let outcome = self.agent.process(&self.policy, received, self.now, &mut self.reply, &mut recorder);
        self.seen = recorder.0;
        assert_eq!(matches!(outcome, Outcome::Discarded(_)), self.reply.is_empty());
        outcome
    }

    pub fn send(&mut self, ask: &Ask, payload: &[u8]) -> Outcome {
        self.receive(&Received {
            source: ask.source,
            destination: SocketAddrV4::new(ask.destination, 434),
            destination_is_broadcast: ask.broadcast,
            checksum_ok: true,
            payload,
        })
    }

    pub fn next_identification(&mut self) -> u64 {
        self.made += 1;
        self.now.ntp + self.made
    }

    pub fn outcome(&mut self, ask: &Ask) -> Outcome {
        let next = self.next_identification();
        self.send(ask, &ask.bytes(ask.identification.unwrap_or(next)))
    }

    /// The code that a request gets, by a reply that is signed.
    pub fn code(&mut self, ask: &Ask) -> u8 {
        match self.outcome(ask) {
            Outcome::Reply { code, .. } => {
                let key = Key::from_ascii(if ask.key == "wrong" { KEY } else { ask.key }).unwrap();
                let association = Association { spi: ask.spi, algorithm: Algorithm::HmacMd5, key };
                association.verify(AuthKind::MobileHome, &self.reply, RRP_FIXED).unwrap();
                let Reply { code: Code(said), lifetime, .. } = self.reply();
                assert!(said == code.0 && (said < 2 || lifetime == 0));
                said
            }
            Outcome::Discarded(reason) => panic!("{}", reason.word()),
        }
    }

    /// Why it gets none.
    pub fn discarded(&mut self, ask: &Ask) -> Discard {
        match self.outcome(ask) {
            Outcome::Reply { code, .. } => panic!("{code}"),
            Outcome::Discarded(reason) => reason,
        }
    }

    pub fn reply(&self) -> Reply {
        Reply::decode(&self.reply).unwrap()
    }

    /// Home and care-of addresses, by home address.
    pub fn bindings(&self) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let all = self.agent.bindings_from(Ipv4Addr::UNSPECIFIED, self.now);
        all.map(|binding| (binding.home, binding.tunnel.care_of)).collect()
    }

    /// What was done but for lines of debugging.
    pub fn done(&self) -> Vec<Seen> {
        self.seen.iter().filter(|seen| !matches!(seen, Seen::Debug(_))).cloned().collect()
    }

    pub fn violations(&self) -> Vec<Reason> {
        let reason = |seen: &Seen| if let Seen::Violation(reason) = seen { Some(*reason) } else { None };
        self.seen.iter().filter_map(reason).collect()
    }
}
