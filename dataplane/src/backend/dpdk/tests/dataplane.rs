//! The dataplane's own workers on DPDK ports.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use common::{
    config::{Hugepages, Poll},
    id::PortId,
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
    verdict::Verdict,
};

use super::{config, run};
use crate::{backend::dpdk::start, clock::TscClock, harness};

#[test]
fn transit_from_one_port_leaves_by_the_other_as_tshark_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (path("in.pcap"), path("out.pcap"));
    let colons = |mac: common::mac::MacAddr| mac.0.map(|byte| format!("{byte:02x}")).join(":");
    let script = "import sys; from scapy.all import *; wrpcap(sys.argv[1], [Ether(src='02:00:00:00:00:77', \
                  dst=sys.argv[2])/IP(src='10.1.1.51', dst='192.168.1.1', id=n, ttl=9)/UDP(sport=1000+n, dport=53)/(b'x'*n) \
                  for n in range(200)])";
    run("/usr/bin/python3", &["-c", script, &input, &colons(harness::MAC0)]);

    let config = config(&[&format!("net_pcap0,rx_pcap={input}"), &format!("net_pcap1,tx_pcap={output}")]);
    let started = start(&config).unwrap();
    let balancer = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
    let (ends, control) = link(1, 2, Tables::new(balancer));
    control.snapshot.store(Arc::new(harness::network()));
    let (stop, ports) = (Arc::new(AtomicBool::new(false)), started.control());
    let (stopper, cpu) = (Arc::clone(&stop), started.worker_cpus()[0] as u64);
    let watcher = thread::spawn(move || {
        while ports.counters(PortId(1)).tx_packets < 200 {
            thread::yield_now();
        }
        stopper.store(true, Relaxed);
    });
    started.run_workers(stop, ends, Poll::Adaptive, TscClock::calibrate()).unwrap();
    watcher.join().unwrap();

    let fields = [
        "-T",
        "fields",
        "-e",
        "eth.src",
        "-e",
        "eth.dst",
        "-e",
        "ip.id",
        "-e",
        "ip.ttl",
        "-e",
        "ip.checksum.status",
    ];
    let check = ["-o", "ip.check_checksum:TRUE", "-r", &output];
    let read = run("tshark", &[&check[..], &fields].concat());
    let addresses = format!("{}\t{}", colons(harness::MAC1), colons(harness::AGENT_MAC));
    let expected: Vec<String> = (0..200).map(|n| format!("{addresses}\t0x{n:04x}\t8\t1")).collect();
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);

    let stats = &control.stats[0];
    assert_eq!((stats.received.load(Relaxed), stats.verdict_sum()), (200, 200));
    assert_eq!(stats.verdict(Verdict::ROUTED), 200);
    assert_eq!(stats.ports[1].tx_packets.load(Relaxed), 200);
    assert_eq!(stats.cpu.load(Relaxed), cpu + 1);
}

#[test]
fn workers_without_ends_are_refused() {
    let started = start(&config(&["net_null0"])).unwrap();
    let error =
        started.run_workers(Arc::default(), Vec::new(), Poll::Always, TscClock::calibrate()).unwrap_err();
    assert_eq!(error.to_string(), "worker: 0 ends for 1 workers");
}
