//! Home agents: take requests that came dispatched (to a virtual address, at their Ethernet address) or directed (to
//! their own address), and answer each from their own address.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use common::{
    mac::MacAddr,
    wire::{
        ethernet::{self, Ethernet},
        ipv4::{self, Ipv4},
        mobile_ip::{
            AuthKind, Code, Extension, RRQ_FIXED, Reply, Request,
            auth::{Association, AuthError},
        },
        udp::{self, Udp},
    },
};
use ipnet::Ipv4Net;
use serde::Serialize;
use zerocopy::IntoBytes;

use crate::{
    accounting::home_agent::HomeAgentCounters,
    check::{FieldError, responding},
    command::Command,
    host_stack::HostStack,
    port_loop::{Activity, Endpoint, Transmit},
    scenario::Scenario,
};

/// A mobile node that registered once.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// It keeps its address, also while it is not registered.
    address: Ipv4Addr,
    /// End of its registration.
    until: Option<Duration>,
}

struct HomeAgent {
    name: String,
    address: Ipv4Addr,
    mac: MacAddr,
    pool: Ipv4Net,
    /// Addresses of the pool given so far.
    given: u32,
    deaf: bool,
    nodes: HashMap<Vec<u8>, Node>,
    counters: HomeAgentCounters,
}

/// A request on its way to a home agent.
struct IncomingRequest<'a> {
    from: MacAddr,
    source: Ipv4Addr,
    ports: (u16, u16),
    message: &'a [u8],
}

/// What a home agent reports.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub name: String,
    pub address: Ipv4Addr,
    /// Its address on the wire.
    pub mac: MacAddr,
    /// Told to hear nothing.
    pub deaf: bool,
    pub bindings: usize,
    #[serde(flatten)]
    pub counters: HomeAgentCounters,
}

/// All of them, as one endpoint.
pub struct Responder {
    agents: Vec<HomeAgent>,
    virtual_addresses: Vec<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    lifetime: u16,
    association: Option<Association>,
    host_stack: HostStack,
    end: Option<Duration>,
    over: bool,
}

/// Why a request is not answered.
type Discard = &'static str;

impl Responder {
    /// The home agents of `scenario`.
    pub fn new(scenario: &Scenario) -> Result<Self, FieldError> {
        responding(scenario)?;
        let agents: Vec<HomeAgent> = scenario
            .home_agents
            .iter()
            .map(|agent| HomeAgent {
                name: agent.name.clone(),
                address: agent.address,
                mac: agent.mac(),
                pool: agent.pool,
                given: 0,
                deaf: agent.deaf,
                nodes: HashMap::new(),
                counters: HomeAgentCounters::default(),
            })
            .collect();
        let mut host_stack = HostStack::new(agents.iter().map(|agent| (agent.address, agent.mac)));
        if let (Some(gateway), Some(agent)) = (scenario.respond.gateway, agents.first()) {
            host_stack.resolve(gateway, agent.address, None);
        }
        Ok(Self {
            agents,
            virtual_addresses: scenario.respond.virtual_addresses.clone(),
            gateway: scenario.respond.gateway,
            lifetime: scenario.respond.lifetime,
            association: scenario.association().cloned(),
            host_stack,
            end: scenario.respond.duration,
            over: false,
        })
    }

    /// How the home agents stand.
    pub fn status(&self, now: Duration) -> Vec<Status> {
        self.agents
            .iter()
            .map(|agent| Status {
                name: agent.name.clone(),
                address: agent.address,
                mac: agent.mac,
                deaf: agent.deaf,
                bindings: agent
                    .nodes
                    .values()
                    .filter(|node| node.until.is_some_and(|until| until > now))
                    .count(),
                counters: agent.counters.clone(),
            })
            .collect()
    }

    fn request(&mut self, now: Duration, frame: &ethernet::Parsed<'_>, out: &mut dyn Transmit) -> Option<()> {
        let ip = ipv4::parse(frame.payload).ok()?;
        let (source, destination) = (ip.header.source(), ip.header.destination());
        let index = self.agents.iter().position(|agent| agent.mac == frame.destination)?;
        let agent = &mut self.agents[index];
        let dispatched = self.virtual_addresses.contains(&destination);
        if ip.header.protocol != ipv4::UDP || !(dispatched || destination == agent.address) {
            return None;
        }
        if agent.deaf {
            agent.counters.unheard += 1;
            return None;
        }
        if dispatched {
            agent.counters.dispatched += 1;
        } else {
            agent.counters.directed += 1;
        }
        let result = read(&ip, source, destination).and_then(|datagram| {
            let ports = (datagram.header.destination(), datagram.header.source());
            let incoming = IncomingRequest { from: frame.source, source, ports, message: datagram.payload };
            let reply = agent.answer(now, &incoming, self.lifetime, self.association.as_ref())?;
            Ok((incoming, reply))
        });
        let (incoming, reply) = match result {
            Ok(done) => done,
            Err(reason) => {
                *agent.counters.discarded.entry(reason).or_default() += 1;
                return None;
            }
        };
        let next_hop = match self.gateway {
            None => Some(incoming.from),
            Some(gateway) => self.host_stack.mac_of(gateway),
        };
        let sent = next_hop.is_some_and(|hop| out.send(&agent.frame(hop, &incoming, &reply)));
        self.agents[index].counters.unsent += u64::from(!sent);
        Some(())
    }

    fn set_deaf(&mut self, name: &str, deaf: bool) -> String {
        let mut found = false;
        for agent in self.agents.iter_mut().filter(|agent| name == "all" || agent.name == name) {
            agent.deaf = deaf;
            found = true;
        }
        if found { "ok".into() } else { format!("error: there is no home agent {name}") }
    }
}

fn read<'a>(
    ip: &ipv4::Parsed<'a>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<udp::Parsed<'a>, Discard> {
    if ip.header.is_fragment() {
        return Err("fragment");
    }
    if !ip.checksum_ok {
        return Err("ip_checksum");
    }
    let datagram = udp::parse(ip.payload).map_err(|_| "udp_length")?;
    if datagram.header.destination() != udp::MOBILE_IP {
        return Err("port");
    }
    // RFC 5944, section 3.8.2.1: silent discard.
    if !datagram.checksum_ok(source, destination) {
        return Err("udp_checksum");
    }
    Ok(datagram)
}

impl HomeAgent {
    /// Reads a request, changes the bindings and makes the reply's message.
    fn answer(
        &mut self,
        now: Duration,
        incoming: &IncomingRequest<'_>,
        longest: u16,
        association: Option<&Association>,
    ) -> Result<Vec<u8>, Discard> {
        let request = Request::decode(incoming.message).map_err(|_| "malformed")?;
        let identity = match request.nai() {
            Some(nai) => nai.to_vec(),
            None if request.home_address.is_unspecified() => return Err("no_identity"),
            None => request.home_address.octets().to_vec(),
        };
        let code = match association.map(|it| it.verify(AuthKind::MobileHome, incoming.message, RRQ_FIXED)) {
            None | Some(Ok(())) => Code::ACCEPTED,
            Some(Err(AuthError::Mismatch)) => Code::MN_AUTHENTICATION,
            Some(Err(AuthError::Missing { .. })) => return Err("no_authentication"),
            Some(Err(AuthError::Spi { .. })) => return Err("unknown_spi"),
            Some(Err(AuthError::Length { .. } | AuthError::Message(_))) => return Err("malformed"),
        };
        let lifetime = request.lifetime.min(longest);
        let (code, address) = match code {
            Code::ACCEPTED => match self.register(now, identity, &request, lifetime) {
                Some(address) => (Code::ACCEPTED, address),
                None => (Code::NO_RESOURCES, Ipv4Addr::UNSPECIFIED),
            },
            denied => (denied, Ipv4Addr::UNSPECIFIED),
        };
        match (code.is_accepted(), lifetime) {
            (true, 0) => self.counters.deregistered += 1,
            (true, _) => self.counters.accepted += 1,
            (false, _) => self.counters.denied += 1,
        }
        let reply = Reply {
            code,
            lifetime: if code.is_accepted() { lifetime } else { 0 },
            home_address: address,
            home_agent: self.address,
            identification: request.identification,
            extensions: request.nai().map(|nai| Extension::Nai(nai.to_vec())).into_iter().collect(),
        };
        let mut message = reply.encode().map_err(|_| "unanswerable")?;
        if let Some(association) = association {
            association.sign(AuthKind::MobileHome, &mut message);
        }
        // RFC 4721, section 3.4: the challenge comes back behind the authenticator.
        let challenge = request.extensions.iter().find(|it| matches!(it, Extension::Challenge(_)));
        if let Some(challenge) = challenge {
            challenge.encode(&mut message).map_err(|_| "unanswerable")?;
        }
        Ok(message)
    }

    /// Keeps the binding; the home address, or `None` if the pool is used up.
    fn register(
        &mut self,
        now: Duration,
        identity: Vec<u8>,
        request: &Request,
        lifetime: u16,
    ) -> Option<Ipv4Addr> {
        let until = match lifetime {
            0 => None,
            u16::MAX => Some(Duration::MAX),
            seconds => Some(now + Duration::from_secs(seconds.into())),
        };
        if let Some(node) = self.nodes.get_mut(&identity) {
            node.until = until;
            return Some(node.address);
        }
        let address = if request.home_address.is_unspecified() {
            // The pool's first and last address are its network and broadcast address.
            let last = u32::from(self.pool.broadcast());
            let next =
                u32::from(self.pool.network()).checked_add(self.given + 1).filter(|next| *next < last)?;
            self.given += 1;
            next.into()
        } else {
            request.home_address
        };
        self.nodes.insert(identity, Node { address, until });
        Some(address)
    }

    fn frame(&self, to: MacAddr, incoming: &IncomingRequest<'_>, message: &[u8]) -> Vec<u8> {
        let mut datagram =
            Udp::new(incoming.ports.0, incoming.ports.1, message.len() as u16).as_bytes().to_vec();
        datagram.extend_from_slice(message);
        udp::fill_checksum(&mut datagram, self.address, incoming.source);
        let ip = Ipv4::new(self.address, incoming.source, ipv4::UDP, datagram.len() as u16, 0);
        let head = Ethernet::new(to, self.mac, ethernet::IPV4);
        [head.as_bytes(), ip.as_bytes(), &datagram].concat()
    }
}

impl Endpoint for Responder {
    fn receive(&mut self, now: Duration, frame: &[u8], out: &mut dyn Transmit) {
        let Ok(frame) = ethernet::parse(frame) else { return };
        if !self.host_stack.is_own(frame.source) && !self.host_stack.receive(&frame, out) {
            self.request(now, &frame, out);
        }
    }

    fn poll(&mut self, now: Duration, out: &mut dyn Transmit) -> Activity {
        self.host_stack.poll(now, out);
        if self.over || self.end.is_some_and(|end| now >= end) { Activity::Done } else { Activity::Idle }
    }

    fn command(&mut self, now: Duration, command: &Command) -> String {
        match command {
            Command::Deaf(name) => self.set_deaf(name, true),
            Command::Hear(name) => self.set_deaf(name, false),
            Command::Status => {
                let status = serde_json::json!({ "home_agents": self.status(now) });
                status.to_string()
            }
            Command::Stop => "ok".into(),
        }
    }

    fn stop(&mut self, _now: Duration) {
        self.over = true;
    }

    fn answers(&self) -> bool {
        true
    }

    fn progress(&self, now: Duration) -> String {
        let agents: Vec<String> = self
            .status(now)
            .into_iter()
            .map(|agent| {
                let answered = agent.counters.accepted + agent.counters.deregistered + agent.counters.denied;
                let deaf = if agent.deaf { " deaf" } else { "" };
                format!("{}{deaf} {answered} answered, {} bindings", agent.name, agent.bindings)
            })
            .collect();
        format!("{:7.1} s  {}", now.as_secs_f64(), agents.join("; "))
    }
}
