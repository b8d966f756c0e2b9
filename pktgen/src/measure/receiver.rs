//! The home agents' side: answers for their addresses and reads what comes to them.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use common::{
    mac::MacAddr,
    wire::{ethernet, ipv4, udp},
};

use crate::{
    accounting::deliveries::Arrival, host_stack::HostStack, port_loop::Transmit, scenario::Scenario,
    test_payload,
};

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFrame {
    /// One of ours.
    Ours(Arrival),
    /// A request, but beyond reading or of another run.
    Stray,
    /// Something else: ARP, ping, a probe of the director's.
    Other,
}

/// The receiving side.
#[derive(Debug)]
pub struct HomeAgentReceiver {
    host_stack: HostStack,
    by_mac: HashMap<MacAddr, u16>,
    by_address: HashMap<Ipv4Addr, u16>,
    /// A router in front of all home agents.
    router: Option<MacAddr>,
    /// Address and port that requests were sent to.
    target: (Ipv4Addr, u16),
    run: u32,
    wait: Duration,
}

impl HomeAgentReceiver {
    /// For the home agents of `scenario` behind a port with the address `mac`; it counts frames of the run `run`.
    pub fn new(scenario: &Scenario, target: (Ipv4Addr, u16), mac: MacAddr, run: u32) -> Self {
        let agents = || scenario.home_agents.iter().zip(0u16..);
        let router = scenario.sink.as_ref().and_then(|sink| sink.router);
        let own = scenario.home_agents.iter().map(|agent| (agent.address, agent.mac()));
        // Behind a router nobody asks for the home agents.
        let mut host_stack = match router {
            Some(router) => HostStack::new([(router, mac)]),
            None => HostStack::new(own),
        };
        let gateway = scenario.sink.as_ref().and_then(|sink| sink.gateway);
        let asker = router.or(scenario.home_agents.first().map(|agent| agent.address));
        if let (Some(gateway), Some(asker)) = (gateway, asker) {
            host_stack.resolve(gateway, asker, None);
        }
        Self {
            host_stack,
            by_mac: agents().map(|(agent, index)| (agent.mac(), index)).collect(),
            by_address: agents().map(|(agent, index)| (agent.address, index)).collect(),
            router: router.map(|_| mac),
            target,
            run,
            wait: scenario.sink.as_ref().map_or(Duration::ZERO, |sink| sink.wait),
        }
    }

    /// Answers ARP and ping.
    pub fn host_stack(&mut self) -> &mut HostStack {
        &mut self.host_stack
    }

    /// The other side knows where the home agents are, or was waited for long enough.
    pub fn ready(&self, now: Duration) -> bool {
        now >= self.wait || self.host_stack.all_asked()
    }

    /// Takes a frame.
    pub fn receive(&mut self, frame: &[u8], out: &mut dyn Transmit) -> SinkFrame {
        let Ok(frame) = ethernet::parse(frame) else { return SinkFrame::Stray };
        if self.host_stack.is_own(frame.source) {
            return SinkFrame::Other;
        }
        self.request(&frame).unwrap_or_else(|| {
            self.host_stack.receive(&frame, out);
            SinkFrame::Other
        })
    }

    /// A request; `None`: it is something else.
    fn request(&self, frame: &ethernet::Parsed<'_>) -> Option<SinkFrame> {
        if frame.ethertype != ethernet::IPV4 {
            return None;
        }
        let Ok(ip) = ipv4::parse(frame.payload) else { return Some(SinkFrame::Stray) };
        if ip.header.protocol != ipv4::UDP {
            return None;
        }
        let Ok(datagram) = udp::parse(ip.payload) else { return Some(SinkFrame::Stray) };
        let destination = ip.header.destination();
        if datagram.header.destination() != self.target.1 && destination != self.target.0 {
            return None;
        }
        let Some((payload, intact)) = test_payload::read(datagram.payload) else {
            return Some(SinkFrame::Stray);
        };
        if payload.run != self.run {
            return Some(SinkFrame::Stray);
        }
        let sums = ip.checksum_ok && datagram.checksum_ok(ip.header.source(), destination);
        Some(SinkFrame::Ours(Arrival {
            serial: payload.serial,
            node: None,
            agent: self.agent(frame.destination, destination),
            stamp: Some(payload.stamp),
            intact: intact && sums && !ip.header.is_fragment(),
        }))
    }

    /// Dispatched, the Ethernet address says to whom; directed, both do, or behind a router the IPv4 address.
    fn agent(&self, mac: MacAddr, destination: Ipv4Addr) -> Option<u16> {
        let directed = self.by_address.get(&destination).copied();
        match self.by_mac.get(&mac).copied() {
            Some(agent) if destination == self.target.0 => {
                directed.is_none_or(|it| it == agent).then_some(agent)
            }
            Some(agent) => directed.filter(|it| *it == agent),
            None if self.router == Some(mac) => directed,
            None => None,
        }
    }
}
