//! Ports on virtual devices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use common::id::{PortId, WorkerId};

use super::config;
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, start},
};

#[test]
fn what_a_ring_sends_it_receives_and_the_pool_is_full_again() {
    let started = start(&config(&["net_ring0", "net_null0"])).unwrap();
    let control = started.control();
    let stop = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicU64::new(0));
    let full = control.pools()[0].free;
    assert_eq!(full, control.pools()[0].size);

    let (stopper, count, pools) = (Arc::clone(&stop), Arc::clone(&received), Arc::clone(&control));
    let make = move |id: WorkerId, mut queues: Vec<DpdkQueue>| -> WorkerLoop {
        assert_eq!((id, queues.len()), (WorkerId(0), 2));
        let (stop, count, pools) = (Arc::clone(&stopper), Arc::clone(&count), Arc::clone(&pools));
        let mut sent = 0u64;
        Box::new(move || {
            let ring = &mut queues[0];
            let mut out = Burst::new();
            for n in 0..32u64 {
                let mut frame = ring.allocate().unwrap();
                frame.append(60).unwrap()[..8].copy_from_slice(&(sent + n).to_be_bytes());
                out.push(frame);
            }
            assert_eq!(ring.transmit(&mut out), 32);
            assert!(out.is_empty());
            sent += 32;
            let mut back = Burst::new();
            assert_eq!(ring.receive(&mut back), 32);
            for frame in &back {
                let n = u64::from_be_bytes(frame.data()[..8].try_into().unwrap());
                assert_eq!((n, frame.total_len()), (count.fetch_add(1, Relaxed), 60));
            }
            drop(back);
            assert_eq!(pools.pools()[0].free, pools.pools()[0].size);
            if sent == 3200 {
                stop.store(true, Relaxed);
            }
        })
    };
    started.run(stop, make).unwrap();
    assert_eq!(received.load(Relaxed), 3200);
    assert!(control.ports().is_empty() && control.pools().is_empty());
    assert_eq!(control.counters(PortId(0)), common::port::PortCounters::default());
}
