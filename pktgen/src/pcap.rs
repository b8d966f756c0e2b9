//! Requests as a capture file that `net_pcap` plays: classic format, little-endian, microseconds, Ethernet.

use std::io::Write;

use common::mac::MacAddr;

use crate::{
    check::{FieldError, sending},
    population::Population,
    scenario::Scenario,
    template::{FrameAddresses, Template},
};

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The scenario does not say enough.
    #[error("{}: {}", .0.field, .0.reason)]
    Scenario(FieldError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: u32 = 0x0004_0002;
const SNAP: u32 = 65535;
const ETHERNET: u32 = 1;
/// NTP seconds of the first request: 2003-07-09, so that a file is the same whenever it is written.
const CLOCK: u64 = 0xc2b9_f5a0;
/// Requests a second if the scenario says "as fast as possible".
const FAST: f64 = 1_000_000.0;
/// The Ethernet source of an agent that names none.
const AGENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Writes the first `requests` requests of a scenario (default: its own number, else one a node). The same scenario
/// gives the same bytes. Returns frames and bytes.
pub fn write(
    scenario: &Scenario,
    requests: Option<u64>,
    out: &mut impl Write,
) -> Result<(u64, u64), PcapError> {
    let parts = sending(scenario).map_err(PcapError::Scenario)?;
    let Some(next_hop) = parts.target.mac else {
        let reason = "is needed: nobody answers ARP when a file is written".into();
        return Err(PcapError::Scenario(FieldError { field: "target.mac".into(), reason }));
    };
    let traffic = &scenario.traffic;
    let requests = requests.or(traffic.requests).unwrap_or(parts.nodes.count.into());
    let rate = if traffic.rate > 0.0 { traffic.rate } else { FAST };
    let mut population = Population::new(parts.nodes, traffic, scenario.seed);
    let target = (parts.target.address, parts.target.port);
    let mut template = Template::new(scenario, parts.nodes.nai.clone(), target);
    let port = scenario.port.as_ref().and_then(|port| port.mac).unwrap_or(AGENT);
    words(out, &[MAGIC, VERSION, 0, 0, SNAP, ETHERNET])?;
    let mut bytes = 24;
    for serial in 0..requests {
        let node = population.draw().node;
        let agent = &parts.agents[node as usize % parts.agents.len()];
        let addresses = FrameAddresses { agent: agent.address, source: agent.mac.unwrap_or(port), next_hop };
        let micros = (serial as f64 * 1e6 / rate) as u64;
        let (seconds, part) = (micros / 1_000_000, micros % 1_000_000);
        let identification = (CLOCK + seconds) << 32 | (serial & 0xffff_ffff);
        let frame = template.frame(addresses, parts.nodes.first + node, identification);
        let length = frame.len() as u32;
        words(out, &[seconds as u32, part as u32, length, length])?;
        out.write_all(frame)?;
        bytes += 16 + u64::from(length);
    }
    out.flush()?;
    Ok((requests, bytes))
}

fn words(out: &mut impl Write, words: &[u32]) -> std::io::Result<()> {
    words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}
