//! Workers inside capsule: threads, signals, ends.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use common::id::PortId;
use nix::sys::signal::{Signal, raise};

use super::config;
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, start},
};

#[test]
fn a_worker_that_panics_stops_all_with_its_words() {
    let started = start(&config(&["net_null0"])).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let error =
        started.run(Arc::clone(&stop), |_, _| Box::new(|| panic!("the snapshot is torn"))).unwrap_err();
    assert_eq!(error.to_string(), "worker: a worker panicked: the snapshot is torn");
    assert!(stop.load(Relaxed));
}

/// The process has a handler for the signal.
fn caught(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal as i32 - 1) & 1 == 1
}

#[test]
fn signals_are_handed_on_and_stop_nothing() {
    let mut started = start(&config(&["net_null0"])).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (heard, stop) = (Arc::clone(&seen), Arc::new(AtomicBool::new(false)));
    let stopper = Arc::clone(&stop);
    started.on_signal(move |signal| {
        let mut heard = heard.lock().unwrap();
        heard.push(signal as i32);
        if heard.len() == 3 {
            stopper.store(true, Relaxed);
        }
    });
    let signals = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT];
    let heard = Arc::clone(&seen);
    let make = move |_, _: Vec<DpdkQueue>| -> WorkerLoop {
        let heard = Arc::clone(&heard);
        let mut sent = 0;
        Box::new(move || {
            // One at a time: the next when the last was heard, and none before somebody listens.
            if sent == heard.lock().unwrap().len() && sent < signals.len() && caught(signals[sent]) {
                raise(signals[sent]).unwrap();
                sent += 1;
            }
        })
    };
    started.run(stop, make).unwrap();
    assert_eq!(*seen.lock().unwrap(), signals.map(|signal| signal as i32));
}

#[test]
fn two_workers_have_queues_of_their_own_and_each_its_cpu() {
    let mut config = config(&["net_null0"]);
    config.workers = 2;
    let started = start(&config).unwrap();
    let cpus = started.worker_cpus().to_vec();
    let control = started.control();
    assert_eq!((control.ports()[0].rx_queues, control.ports()[0].tx_queues), (2, 2));
    let stop = Arc::new(AtomicBool::new(false));
    let packets: Arc<[AtomicU64; 2]> = Arc::default();
    let (stopper, counts) = (Arc::clone(&stop), Arc::clone(&packets));
    let make = move |id: common::id::WorkerId, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
        assert!(queues[0].receives() && queues[0].owns_transmit());
        let (stop, counts, cpu) = (Arc::clone(&stopper), Arc::clone(&counts), cpus[id.index()]);
        let mut burst = Burst::new();
        Box::new(move || {
            assert_eq!(nix::sched::sched_getcpu().unwrap(), cpu);
            queues[0].receive(&mut burst);
            let sent = queues[0].transmit(&mut burst) as u64;
            counts[id.index()].fetch_add(sent, Relaxed);
            if counts.iter().all(|count| count.load(Relaxed) > 100_000) {
                stop.store(true, Relaxed);
            }
        })
    };
    started.run(stop, make).unwrap();
}

/// Numbers from both workers leave on a device with one transmit queue; each arrives once, those of one worker in
/// order.
#[test]
fn workers_share_a_transmit_queue_without_loss() {
    const EACH: u64 = 50_000;
    let mut config = config(&["net_ring0"]);
    config.workers = 2;
    config.ports[0].tx_queues = Some(1);
    config.ports[0].rx_queues = Some(1);
    let started = start(&config).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let next: Arc<Mutex<[u64; 2]>> = Arc::default();
    let (stopper, seen) = (Arc::clone(&stop), Arc::clone(&next));
    let make = move |id: common::id::WorkerId, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
        assert_eq!((queues[0].receives(), queues[0].owns_transmit()), (id.0 == 0, false));
        let (stop, seen) = (Arc::clone(&stopper), Arc::clone(&seen));
        let mut sent = 0;
        let mut out: Burst<_> = Burst::new();
        let mut back = Burst::new();
        Box::new(move || {
            let queue = &mut queues[0];
            while out.len() < 16 && sent < EACH {
                let Some(mut frame) = queue.allocate() else { break };
                let bytes = frame.append(60).unwrap();
                bytes[0] = id.0;
                bytes[1..9].copy_from_slice(&sent.to_be_bytes());
                out.push(frame);
                sent += 1;
            }
            queue.transmit(&mut out);
            queue.receive(&mut back);
            let mut seen = seen.lock().unwrap();
            for frame in back.drain(..) {
                let data = frame.data();
                let from = usize::from(data[0]);
                assert_eq!(u64::from_be_bytes(data[1..9].try_into().unwrap()), seen[from]);
                seen[from] += 1;
            }
            if *seen == [EACH; 2] {
                stop.store(true, Relaxed);
            }
        })
    };
    started.run(stop, make).unwrap();
    assert_eq!(*next.lock().unwrap(), [EACH; 2]);
}

#[test]
fn single_queue_ports_spread_over_the_workers() {
    let mut config = config(&["net_ring0", "net_ring1", "net_ring2"]);
    config.workers = 2;
    for port in &mut config.ports {
        port.rx_queues = Some(1);
    }
    let mut started = start(&config).unwrap();
    let receives: Vec<Vec<bool>> = started
        .queues()
        .iter()
        .map(|queues| {
            assert!(queues.iter().enumerate().all(|(at, queue)| queue.port() == PortId(at as u16)));
            queues.iter().map(DpdkQueue::receives).collect()
        })
        .collect();
    assert_eq!(receives, [[true, false, true], [false, true, false]]);
}

#[test]
fn a_start_that_is_not_run_leaves_nothing() {
    let started = start(&config(&["net_ring0"])).unwrap();
    let control = started.control();
    drop(started);
    assert!(control.ports().is_empty());
    let error = control.set_up(PortId(0), true).unwrap_err();
    assert_eq!(error.to_string(), "port 0: shutdown: the port is closed");
}
