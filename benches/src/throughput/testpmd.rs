//! `dpdk-testpmd` on the same capture: its `macswap` is the baseline.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    str::FromStr,
};

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use super::{
    capture::of_source,
    measure::{Measured, median},
    source::Source,
};

/// Longest run, loading included.
const DEADLINE: &str = "300";

/// What testpmd does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// Nothing: the frame is not touched.
    Io,
    /// Ethernet addresses swapped; the baseline.
    Macswap,
    /// Addresses of layers 2 and 3 and ports swapped.
    #[serde(rename = "5tswap")]
    FiveTupleSwap,
}

impl Forward {
    /// As `--forward-mode` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Macswap => "macswap",
            Self::FiveTupleSwap => "5tswap",
        }
    }
}

/// Runs testpmd on as many forwarding cores as the source has workers, the last CPUs, until it has printed its rates
/// for `seconds`, and reads its own statistics.
///
/// # Errors
/// If it is not there, fails, or has received what it did not send.
pub fn run(forward: Forward, capture: &Path, source: &Source, seconds: u32) -> anyhow::Result<Measured> {
    let workers = usize::from(source.workers);
    // The main lcore only prints: it shares CPU 0 with a second forwarding core.
    let lcores = if workers == 1 { "0@0,1@1" } else { "0@0,1@1,2@0" };
    let mut command = Command::new("timeout");
    command.args(["--signal=INT", DEADLINE, "dpdk-testpmd", "--lcores", lcores]).args([
        "--main-lcore",
        "0",
        "--in-memory",
        "--no-pci",
        "--no-telemetry",
    ]);
    for port in 0..source.workers {
        let file = of_source(capture, port);
        command.args(["--vdev", &format!("net_pcap{port},rx_pcap={},infinite_rx=1", file.display())]);
    }
    let mut child = command
        .args(["--", &format!("--forward-mode={}", forward.name())])
        .args(["--port-topology=loop", &format!("--nb-cores={workers}")])
        .args(["--stats-period", "1", "--no-lsc-interrupt", "--burst=64", "--rxd=1024", "--txd=1024"])
        .args([
            format!("--total-num-mbufs={}", source.buffers()),
            format!("--mbuf-size={}", source.buffer_size()),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("dpdk-testpmd (package dpdk-dev)")?;
    let mut text = String::new();
    // The first sample is not counted.
    let mut wanted = (seconds as usize + 1) * workers;
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line?;
        if rate(&line).is_some() && wanted > 0 {
            wanted -= 1;
            if wanted == 0 {
                Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
            }
        }
        text += &line;
        text.push('\n');
    }
    let output = child.wait_with_output()?;
    read(&text, workers)
        .with_context(|| format!("testpmd said: {}{}", text, String::from_utf8_lossy(&output.stderr)))
}

/// A rate above nothing: loading takes its time.
fn rate(line: &str) -> Option<f64> {
    field(line, "Rx-pps:").filter(|rate| *rate > 0.0)
}

/// Median of the rates once a second over all ports, the first left out; void unless every received packet was sent.
fn read(text: &str, ports: usize) -> anyhow::Result<Measured> {
    let samples: Vec<f64> = text.lines().filter_map(rate).collect();
    let mut rates: Vec<f64> = samples.chunks_exact(ports).skip(1).map(|sample| sample.iter().sum()).collect();
    ensure!(!rates.is_empty(), "too few samples");
    let last = text.rsplit("Accumulated forward statistics").next().unwrap_or("");
    let total = |name: &str| {
        last.lines().find_map(|line| field(line, name)).with_context(|| format!("{name} is missing"))
    };
    let (received, sent): (u64, u64) = (total("RX-packets:")?, total("TX-packets:")?);
    if received != sent || received == 0 {
        bail!("void: {received} received, {sent} sent");
    }
    Ok(Measured { mpps: median(&mut rates) / 1e6, received, sent, table: None })
}

fn field<T: FromStr>(line: &str, name: &str) -> Option<T> {
    line.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "
  Rx-pps:     60000000          Rx-bps:  1
  Rx-pps:     61000000          Rx-bps:  1
  Rx-pps:     63000000          Rx-bps:  1
  Rx-pps:     62000000          Rx-bps:  1
  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 545487936      RX-dropped: 0             RX-total: 545487936
  TX-packets: 545487936      TX-dropped: 0             TX-total: 545487936
";

    #[test]
    fn its_statistics_are_read_and_a_loss_voids_them() {
        let measured = read(SAID, 1).unwrap();
        assert_eq!((measured.mpps, measured.received), (62.0, 545_487_936));
        assert!(read(&SAID.replace("TX-packets: 545487936", "TX-packets: 545487935"), 1).is_err());
        assert!(read("", 1).is_err());
        assert_eq!(read(SAID, 2).map(|two| two.mpps).ok(), Some(125.0), "the second sample of two ports");
        assert_eq!(read(SAID, 4).map(|four| four.mpps).ok(), None, "only the first sample of four");
    }
}
