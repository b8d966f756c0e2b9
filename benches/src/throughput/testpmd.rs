//! The yardstick: `dpdk-testpmd --forward-mode=macswap` on the same capture.

use std::{
    path::Path,
    process::{Command, Stdio},
    str::FromStr,
};

use anyhow::{Context, bail, ensure};

use super::{measure::Measured, pool_size};

/// Runs testpmd for `seconds` on one forwarding core and reads its own statistics.
pub fn macswap(capture: &Path, frames: u32, seconds: u32) -> anyhow::Result<Measured> {
    let vdev = format!("net_pcap0,rx_pcap={},infinite_rx=1", capture.display());
    let seconds = seconds.to_string();
    let output = Command::new("timeout")
        .args([
            "--signal=INT",
            &seconds,
            "dpdk-testpmd",
            "-l",
            "0,1",
            "--main-lcore",
            "0",
            "--in-memory",
            "--no-pci",
        ])
        .args(["--no-telemetry", "--vdev", &vdev, "--", "--forward-mode=macswap", "--nb-cores=1"])
        .args(["--stats-period", "1", "--no-lsc-interrupt", "--burst=64", "--rxd=1024", "--txd=1024"])
        .args([format!("--total-num-mbufs={}", pool_size(frames)), format!("--mbuf-size={}", super::ROOM)])
        .stdin(Stdio::null())
        .output()
        .context("dpdk-testpmd (package dpdk-dev)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).with_context(|| format!("testpmd said: {}{}", text, String::from_utf8_lossy(&output.stderr)))
}

/// Median of the rates once a second, the first left out; void unless every received packet was sent.
fn read(text: &str) -> anyhow::Result<Measured> {
    let rates: Vec<f64> = text.lines().filter_map(|line| field(line, "Rx-pps:")).skip(1).collect();
    ensure!(rates.len() >= 2, "too few samples");
    let last = text.rsplit("Accumulated forward statistics").next().unwrap_or("");
    let total = |name: &str| {
        last.lines().find_map(|line| field(line, name)).with_context(|| format!("{name} is missing"))
    };
    let (received, sent): (u64, u64) = (total("RX-packets:")?, total("TX-packets:")?);
    if received != sent || received == 0 {
        bail!("void: {received} received, {sent} sent");
    }
    Ok(Measured::of(rates, received, sent))
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
        let measured = read(SAID).unwrap();
        assert_eq!((measured.mpps, measured.received), (62.0, 545_487_936));
        assert!(read(&SAID.replace("TX-packets: 545487936", "TX-packets: 545487935")).is_err());
        assert!(read("").is_err());
    }
}
