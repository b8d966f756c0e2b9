//! `net_pcap`, with files that another program wrote or reads.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{config, run};
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, start},
};

#[test]
fn frames_come_from_one_file_and_go_to_another_that_tshark_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (path("in.pcap"), path("out.pcap"));
    let script = "import sys; from scapy.all import *; wrpcap(sys.argv[1], [Ether(src='02:00:00:00:00:01', \
                  dst='02:00:00:00:00:02')/IP(src='192.0.2.1', dst='192.0.2.2')/UDP(sport=1000+n, dport=434)/(b'x'*n) \
                  for n in range(100)])";
    run("/usr/bin/python3", &["-c", script, &input]);

    let config = config(&[&format!("net_pcap0,rx_pcap={input}"), &format!("net_pcap1,tx_pcap={output}")]);
    let stop = Arc::new(AtomicBool::new(false));
    let started = start(&config).unwrap();
    let control = started.control();
    let counted = Arc::new(Mutex::new(Vec::new()));
    let (stopper, counts) = (Arc::clone(&stop), Arc::clone(&counted));
    let make = move |_, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
        let (stop, control, counts) = (Arc::clone(&stopper), Arc::clone(&control), Arc::clone(&counts));
        let (mut burst, mut total) = (Burst::new(), 0);
        Box::new(move || {
            queues[0].receive(&mut burst);
            for frame in &mut burst {
                // Destination and source address change places.
                let (to, from) = frame.data_mut()[..12].split_at_mut(6);
                to.swap_with_slice(from);
            }
            total += queues[1].transmit(&mut burst);
            if total == 100 {
                let ports = control.ports();
                let now = ports.iter().map(|port| control.counters(port.id)).collect();
                *counts.lock().unwrap() = now;
                stop.store(true, Relaxed);
            }
        })
    };
    started.run(stop, make).unwrap();

    let fields = [
        "-T",
        "fields",
        "-e",
        "eth.src",
        "-e",
        "udp.srcport",
        "-e",
        "udp.length",
        "-e",
        "udp.checksum.status",
    ];
    let read = run("tshark", &[&["-o", "udp.check_checksum:TRUE", "-r", &output][..], &fields].concat());
    let expected: Vec<String> =
        (0..100).map(|n| format!("02:00:00:00:00:02\t{}\t{}\t1", 1000 + n, 8 + n)).collect();
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);

    let counts = counted.lock().unwrap();
    assert_eq!((counts[0].rx_packets, counts[0].tx_packets), (100, 0));
    assert_eq!((counts[1].rx_packets, counts[1].tx_packets), (0, 100));
    assert_eq!(counts[1].tx_bytes, (0..100).map(|n| 42 + n).sum::<u64>());
    let extended = &counts[0].extended;
    assert!(extended.contains(&("rx_good_packets".to_owned(), 100)), "{extended:?}");
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_reason() {
    let text = start(&config(&["net_ring0", "net_pcap0,rx_pcap=/nowhere/in.pcap"])).unwrap_err().to_string();
    assert!(
        text.starts_with("Ethernet1: device net_pcap0,rx_pcap=/nowhere/in.pcap is not there: "),
        "{text}"
    );
    assert!(text.contains("No such file or directory"), "{text}");
}
