//! Registrations with what they change: the tables of the workers, the log.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::{
    mobile::{self, Carrier, MAX_CARE_OF, MobileTables},
    time::Nanos,
    wire::{mobile_ip::timestamp, udp::MOBILE_IP},
};

use super::registration::{
    Agent, Clear, Effect, Effects, Encapsulation, NextHeader, Now, Outcome, Policy, Received, Tunnel,
};

/// Nodes whose bindings are ended in one go, so that nobody waits long.
const MOST: usize = 1024;

/// Time between two log lines of violations.
const LOG: Duration = Duration::from_secs(1);

/// A message, and how it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source and destination.
    pub ends: [SocketAddrV4; 2],
    /// The UDP checksum is right, or there is none.
    pub checksum_ok: bool,
    /// The message.
    pub payload: &'a [u8],
}

/// The home agent without its thread.
#[derive(Debug)]
pub struct Registrar {
    agent: Agent,
    policy: Arc<Policy>,
    broadcasts: BTreeSet<Ipv4Addr>,
    tables: Option<Arc<MobileTables>>,
    changes: Changes,
    /// Tell of every request.
    pub debug: bool,
    /// Tunnels for which the workers' table had no room.
    full: u64,
    /// Home addresses without them, until there is.
    unreached: BTreeSet<Ipv4Addr>,
    /// Replies that could not be sent.
    unsent: u64,
}

/// What is left to be done when a request has been processed.
#[derive(Debug, Default)]
struct Changes {
    /// Home addresses whose tunnels are others.
    homes: Vec<Ipv4Addr>,
    debugging: bool,
    lines: Vec<String>,
    violation: Option<String>,
    /// When one was logged last, and how many were not since.
    logged: Option<Nanos>,
    unlogged: u64,
}

impl Effects for Changes {
    fn apply(&mut self, effect: Effect<'_>) {
        match effect {
            Effect::Installed(tunnel)
            | Effect::Changed { after: tunnel, .. }
            | Effect::Removed(tunnel, _) => {
                self.homes.push(tunnel.home);
            }
            Effect::Violation(violation) => {
                self.unlogged += 1;
                self.violation = Some(format!(
                    "from {}: {}, SPI {:X}",
                    violation.source,
                    violation.reason.text(),
                    violation.spi
                ));
            }
            Effect::Debug(line) => self.lines.push(format!("MobileIP: {line}")),
            // Home networks are virtual: nobody is answered for by ARP.
            Effect::AddressOn { .. } | Effect::AddressOff { .. } => {}
        }
    }

    fn debugging(&self) -> bool {
        self.debugging
    }
}

/// Both clocks.
pub fn now(monotonic: Nanos, wall: SystemTime) -> Now {
    Now { monotonic, ntp: timestamp(wall) }
}

impl Registrar {
    /// Out of service, with the tables of the workers, if there are any.
    pub fn new(tables: Option<Arc<MobileTables>>) -> Self {
        Self {
            agent: Agent::new(0),
            policy: Arc::new(Policy { service: false, ..Policy::default() }),
            broadcasts: BTreeSet::new(),
            tables,
            changes: Changes::default(),
            debug: false,
            full: 0,
            unreached: BTreeSet::new(),
            unsent: 0,
        }
    }

    /// Processes by this policy from now on; `broadcasts` are the broadcast addresses of our networks.
    pub fn configure(&mut self, policy: Arc<Policy>, broadcasts: BTreeSet<Ipv4Addr>) {
        if policy.service {
            self.agent.reserve(policy.max_binding as usize);
        }
        (self.policy, self.broadcasts) = (policy, broadcasts);
    }

    /// What is registered, and what became of requests.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Tunnels for which the workers' table had no room.
    pub fn full(&self) -> u64 {
        self.full
    }

    /// Replies that could not be sent: no room in a ring or a socket.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Counts a reply that could not be sent.
    pub fn count_unsent(&mut self) {
        self.unsent += 1;
    }

    /// Processes a datagram; what is answered is in `reply`.
    pub fn process(&mut self, datagram: &Datagram<'_>, now: Now, reply: &mut Vec<u8>) -> Outcome {
        let [source, destination] = datagram.ends;
        let received = Received {
            source,
            destination,
            destination_is_broadcast: destination.ip().is_broadcast()
                || self.broadcasts.contains(destination.ip()),
            checksum_ok: datagram.checksum_ok,
            payload: datagram.payload,
        };
        self.changes.debugging = self.debug;
        let outcome = self.agent.process(&self.policy, &received, now, reply, &mut self.changes);
        self.settle(now);
        outcome
    }

    /// Ends what is due; false: there is more.
    pub fn expire(&mut self, now: Now) -> bool {
        self.changes.homes.extend(self.unreached.iter().take(MOST));
        let done = self.agent.expire(now, MOST, &mut self.changes);
        self.settle(now);
        done
    }

    /// Ends bindings at an operator's wish; true: there may be more.
    pub fn clear(&mut self, which: Clear<'_>, now: Now) -> bool {
        let cleared = self.agent.clear(which, MOST, now, &mut self.changes);
        self.settle(now);
        cleared == MOST
    }

    /// Counts anew.
    pub fn clear_counters(&mut self) {
        self.agent.clear_counters();
    }

    /// Debug lines since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changes.lines)
    }

    /// Brings the workers' table up to what has changed.
    fn settle(&mut self, now: Now) {
        self.log(now.monotonic);
        let mut homes = std::mem::take(&mut self.changes.homes);
        for home in homes.drain(..) {
            let bindings = self.agent.bindings_from(home, now).take_while(|binding| binding.home == home);
            let tunnels: Vec<_> =
                bindings.take(MAX_CARE_OF).map(|binding| of_worker(&binding.tunnel)).collect();
            let Some(tables) = &self.tables else { continue };
            if tables.bindings.set(home, &tunnels, now.monotonic).is_ok() {
                self.unreached.remove(&home);
            } else if self.unreached.insert(home) {
                self.full += 1;
                tracing::error!(
                    mnemonic = "IPMOBILE-3-NOTUNNEL",
                    "No room for the tunnel of {home}: it is bound, but not reached"
                );
            }
        }
        self.changes.homes = homes;
    }

    fn log(&mut self, now: Nanos) {
        let changes = &mut self.changes;
        let Some(violation) = &changes.violation else { return };
        if changes.logged.is_some_and(|last| now.since(last) < LOG) {
            return;
        }
        let others = match changes.unlogged {
            0 | 1 => String::new(),
            more => format!(" ({} more since the last line)", more - 1),
        };
        tracing::warn!(mnemonic = "IPMOBILE-4-SECURE", "Security violation {violation}{others}");
        (changes.violation, changes.logged, changes.unlogged) = (None, Some(now), 0);
    }
}

/// A tunnel as workers know it.
fn of_worker(tunnel: &Tunnel) -> mobile::Tunnel {
    let (carrier, gre) = match tunnel.encapsulation {
        Encapsulation::Ipip => (Carrier::Ip, false),
        Encapsulation::Gre => (Carrier::Ip, true),
        Encapsulation::Udp { port, next_header, .. } => {
            (Carrier::Udp { local: MOBILE_IP, remote: port }, next_header == NextHeader::Gre)
        }
    };
    mobile::Tunnel { local: tunnel.local, remote: tunnel.remote, carrier, gre, reverse: tunnel.reverse }
}
