//! `net_af_packet` on a veth whose other end belongs to scapy in another network namespace.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use common::id::PortId;
use nix::sched::{CloneFlags, unshare};

use super::{config, run};
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, start},
};

/// Sends numbered frames, tagged and not, up to the MTU, and judges what comes back: each once, addresses exchanged,
/// the rest as it was.
const PEER: &str = r#"
import sys
from scapy.all import *
conf.verb = 0
print("born", flush=True)
sys.stdin.readline()
import subprocess
for setting in (["ip", "link", "set", "hwpeer", "mtu", "9000"], ["ip", "link", "set", "hwpeer", "up"]):
    subprocess.run(setting, check=True)
conf.ifaces.reload()
socket = conf.L2socket(iface="hwpeer", filter=None)
print("up", flush=True)
sys.stdin.readline()
sizes = [4, 18, 1000, 1472, 8972]
sent, seen = {}, {}

def answered(wait):
    if not select.select([socket.ins], [], [], wait)[0]:
        return False
    frame = socket.recv()
    if frame is None or frame.src != "02:00:00:00:00:0b" or UDP not in frame:
        return True
    n = int.from_bytes(bytes(frame[UDP].payload)[:4], "big")
    assert n not in seen, "twice: %d" % n
    assert frame.dst == "02:00:00:00:00:0a"
    assert (n % 4 == 0) == (Dot1Q in frame), "tag of %d" % n
    # Ethernet pads short frames; what was sent must be the front of what came back.
    assert bytes(frame)[12:len(sent[n])] == sent[n][12:], "bytes of %d" % n
    seen[n] = True
    return True

for n in range(300):
    payload = n.to_bytes(4, "big") + bytes([n % 256]) * (sizes[n % len(sizes)] - 4)
    frame = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    if n % 4 == 0:
        frame = frame / Dot1Q(vlan=100)
    sent[n] = bytes(frame / IP(src="192.0.2.%d" % (n % 200 + 1), dst="192.0.2.254") / UDP(sport=1024 + n, dport=434) / payload)
    socket.send(Raw(sent[n]))
    # A few on the way at a time: a socket's buffer does not hold many large frames.
    while len(sent) - len(seen) > 8 and answered(10):
        pass
while len(seen) < len(sent) and answered(10):
    pass
print("back", len(seen), flush=True)
"#;

struct Peer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Peer {
    /// In a network namespace of its own, which ends with it.
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "/usr/bin/python3", "-c", PEER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut peer = Self { child, lines };
        assert_eq!(peer.hear(), "born");
        peer
    }

    fn hear(&mut self) -> String {
        self.lines.next().expect("the peer says something").unwrap()
    }

    fn tell(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_workers_answer_a_peer_over_a_kernel_device() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    let mut peer = Peer::new();
    let id = peer.child.id().to_string();
    run("ip", &["link", "add", "hwport", "mtu", "9000", "type", "veth", "peer", "name", "hwpeer"]);
    run("ip", &["link", "set", "hwpeer", "netns", &id]);
    run("ip", &["link", "set", "hwport", "up"]);
    peer.tell();
    assert_eq!(peer.hear(), "up");

    let mut config = config(&["net_af_packet0,iface=hwport"]);
    config.workers = 2;
    config.ports[0].mtu = 9000;
    config.ports[0].promiscuous = true;
    config.ports[0].rx_descriptors = 1000;
    let started = start(&config).unwrap();
    let control = started.control();
    let info = control.ports().remove(0);
    assert_eq!((info.driver.as_str(), info.rx_queues, info.tx_queues), ("net_af_packet", 2, 2));
    assert_eq!((info.rx_descriptors, info.tx_descriptors, info.mtu), (1024, 1024, 9000));
    assert!(control.link(PortId(0)).up);

    let stop = Arc::new(AtomicBool::new(false));
    let (stopper, counters) = (Arc::clone(&stop), Arc::clone(&control));
    let judge = thread::spawn(move || {
        peer.tell();
        let verdict = peer.hear();
        let counters = counters.counters(PortId(0));
        stopper.store(true, Relaxed);
        (verdict, counters.rx_packets, counters.tx_packets)
    });
    started
        .run(stop, |_, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
            let mut burst = Burst::new();
            Box::new(move || {
                let queue = &mut queues[0];
                if queue.receive(&mut burst) == 0 {
                    thread::yield_now();
                }
                burst.retain(|frame| frame.data()[..6] == [2, 0, 0, 0, 0, 0xb]);
                for frame in &mut burst {
                    let (to, from) = frame.data_mut()[..12].split_at_mut(6);
                    to.swap_with_slice(from);
                }
                while !burst.is_empty() {
                    queue.transmit(&mut burst);
                }
            })
        })
        .unwrap();
    let (verdict, received, sent) = judge.join().unwrap();
    assert_eq!(verdict, "back 300");
    assert!(received >= 300 && sent == 300, "{received} {sent}");
}

#[test]
fn while_the_pool_is_dry_frames_wait_with_the_device_and_afterwards_they_are_received() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    run("ip", &["link", "add", "hwport", "type", "veth", "peer", "name", "hwpeer"]);
    for end in ["hwport", "hwpeer"] {
        run("ip", &["link", "set", end, "up"]);
    }
    let started = start(&config(&["net_af_packet0,iface=hwport"])).unwrap();
    let control = started.control();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopper, seen) = (Arc::clone(&stop), Arc::new(AtomicUsize::new(0)));
    let received = Arc::clone(&seen);
    started
        .run(stop, move |_, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
            let mut held: Vec<_> = std::iter::from_fn(|| queues[0].allocate()).collect();
            assert_eq!(control.pools()[0].free, 0);
            run("/usr/bin/python3", &["-c", FIVE]);
            let mut burst = Burst::new();
            for _ in 0..1000 {
                assert_eq!(queues[0].receive(&mut burst), 0, "nothing can be received into no buffers");
            }
            held.clear();
            let (received, stopper) = (Arc::clone(&received), Arc::clone(&stopper));
            Box::new(move || {
                queues[0].receive(&mut burst);
                let ours = burst.drain(..).filter(|frame| frame.data()[12..14] == [0x88, 0xb5]).count();
                if received.fetch_add(ours, Relaxed) + ours == 5 {
                    stopper.store(true, Relaxed);
                }
                thread::yield_now();
            })
        })
        .unwrap();
    assert_eq!(seen.load(Relaxed), 5);
}

#[test]
fn what_a_packet_sockets_full_ring_drops_is_counted() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    run("ip", &["link", "add", "hwport", "type", "veth", "peer", "name", "hwpeer"]);
    for end in ["hwport", "hwpeer"] {
        run("ip", &["link", "set", end, "up"]);
    }
    let started = start(&config(&["net_af_packet0,iface=hwport"])).unwrap();
    let control = started.control();
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    started
        .run(stop, move |_, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
            let control = Arc::clone(&control);
            let stopper = Arc::clone(&stopper);
            let mut burst = Burst::new();
            Box::new(move || {
                let before = control.lost(PortId(0));
                run("/usr/bin/python3", &["-c", &FIVE.replace("range(5)", "range(5000)")]);
                let missed = control.counters(PortId(0)).rx_missed - before;
                let mut ours = 0;
                while queues[0].receive(&mut burst) > 0 {
                    ours += burst.drain(..).filter(|frame| frame.data()[12..14] == [0x88, 0xb5]).count();
                }
                assert!(missed > 0 && ours > 0, "{missed} {ours}");
                // The kernel's own frames of a new device may have been in the way.
                assert!((5000..5100).contains(&(missed as usize + ours)), "{missed} {ours}");
                assert_eq!(control.lost(PortId(0)), before + missed, "asking does not change it");
                stopper.store(true, Relaxed);
            })
        })
        .unwrap();
}

#[test]
fn a_service_tag_is_not_taken_for_one_of_802_1q() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    veth("70");
    let started = start(&config(&["net_af_packet0,iface=hwport"])).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    started
        .run(stop, move |_, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
            // VLAN 15 of 802.1Q, of 802.1ad, of 802.1Q within 802.1ad, and no tag.
            run(
                "/usr/bin/python3",
                &["-c", &FIVE.replace(
                    "    peer.send(bytes.fromhex(\"020000000001020000000002\" \"88b5\") + bytes(50))",
                    "    tag = [\"8100000f\", \"88a8000f\", \"88a8000f8100000f\", \"\", \"8100000f\"][n]\n    \
                     peer.send(bytes.fromhex(\"020000000001020000000002\" + tag + \"88b5\") + bytes(50))",
                )],
            );
            let mut seen = Vec::new();
            let mut burst = Burst::new();
            let stopper = Arc::clone(&stopper);
            Box::new(move || {
                queues[0].receive(&mut burst);
                let ours = burst.drain(..).filter(|frame| frame.data()[..6] == [2, 0, 0, 0, 0, 1]);
                seen.extend(ours.map(|frame| (frame.total_len(), frame.data()[12..].to_vec())));
                if seen.len() == 5 {
                    let lengths: Vec<_> = seen.iter().map(|(length, _)| *length).collect();
                    assert_eq!(lengths, [68, 16, 16, 64, 68]);
                    assert_eq!(seen[0].1[..6], [0x81, 0, 0, 15, 0x88, 0xb5]);
                    assert_eq!(seen[3].1[..2], [0x88, 0xb5]);
                    stopper.store(true, Relaxed);
                }
                thread::yield_now();
            })
        })
        .unwrap();
}

/// Receives and sends back what is of the experimental EtherType; counts it in `seen`.
fn echo(seen: &Arc<AtomicUsize>, mut queues: Vec<DpdkQueue>) -> WorkerLoop {
    let seen = Arc::clone(seen);
    let mut burst = Burst::new();
    Box::new(move || {
        queues[0].receive(&mut burst);
        burst.retain(|frame| frame.data()[12..14] == [0x88, 0xb5]);
        seen.fetch_add(burst.len(), Relaxed);
        for frame in &mut burst {
            frame.data_mut()[12..14].copy_from_slice(&[0x88, 0xb6]);
        }
        queues[0].transmit(&mut burst);
        burst.clear();
        thread::yield_now();
    })
}

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Makes the veth pair, `hwport` with this index.
fn veth(index: &str) {
    let name = ["link", "add", "name", "hwport", "index", index];
    run("ip", &[&name[..], &["type", "veth", "peer", "name", "hwpeer"]].concat());
    for end in ["hwport", "hwpeer"] {
        run("ip", &["link", "set", end, "up"]);
    }
}

#[test]
fn a_kernel_device_that_is_made_again_is_opened_under_its_workers() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    veth("70");
    // Two queues to receive on; one to send on, which the workers share.
    let mut config = config(&["net_af_packet0,iface=hwport"]);
    (config.workers, config.ports[0].tx_queues) = (2, Some(1));
    let started = start(&config).unwrap();
    let control = started.control();
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicUsize::new(0));
    let (stopper, received) = (Arc::clone(&stop), Arc::clone(&seen));
    let judge = thread::spawn(move || {
        // Ends the workers also if it fails.
        let _stop = StopAtEnd(stopper);
        let port = PortId(0);
        let trouble = || control.trouble(port).map(|trouble| (trouble.reason, trouble.present));
        let five_come_and_go = |all: usize| {
            run("/usr/bin/python3", &["-c", FIVE]);
            until("five more frames", || received.load(Relaxed) == all);
            until("five more answers", || control.counters(port).tx_packets == all as u64);
        };
        five_come_and_go(5);
        assert_eq!(trouble(), None);
        // With another index, and with the one that it had.
        for (round, index) in ["71", "71"].into_iter().enumerate() {
            let before = control.counters(port).rx_packets;
            run("ip", &["link", "del", "hwport"]);
            assert_eq!(trouble(), Some(("kernel device hwport is gone".to_owned(), false)));
            assert!(!control.link(port).up);
            control.reopen(port).unwrap_err();
            assert!(trouble().unwrap().0.starts_with("the device cannot be opened: "), "{:?}", trouble());
            assert!(!trouble().unwrap().1 && control.counters(port).rx_packets >= before, "totals stay");
            veth(index);
            assert!(trouble().unwrap().1);
            control.reopen(port).unwrap();
            assert_eq!(trouble(), None);
            assert!(control.link(port).up);
            let link = run("ip", &["-o", "link", "show", "hwport"]);
            let address = link.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap();
            assert_eq!(control.ports()[0].mac, address.parse().unwrap(), "the new device's");
            five_come_and_go(10 + 10 * round);
            run("ip", &["link", "del", "hwport"]);
            veth(index);
            let other = "kernel device hwport is another one than was opened".to_owned();
            assert_eq!(trouble(), Some((other, true)));
            control.set_up(port, false).unwrap();
            control.reopen(port).unwrap();
            assert!(trouble().is_none() && !control.link(port).up, "it stays shut down");
            control.set_up(port, true).unwrap();
            five_come_and_go(15 + 10 * round);
            assert!(control.counters(port).rx_packets >= before + 10, "totals go on");
        }
    });
    started.run(stop, move |_, queues: Vec<DpdkQueue>| echo(&seen, queues)).unwrap();
    judge.join().unwrap();
}

struct StopAtEnd(Arc<AtomicBool>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Sends frames of the experimental EtherType.
const FIVE: &str = r#"
import socket
peer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
peer.bind(("hwpeer", 0))
for n in range(5):
    peer.send(bytes.fromhex("020000000001020000000002" "88b5") + bytes(50))
"#;
