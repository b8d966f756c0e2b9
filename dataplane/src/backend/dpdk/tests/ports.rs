//! Ports on virtual devices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use common::{
    id::{PortId, WorkerId},
    port::Trouble,
};

use super::config;
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, events::happened, start},
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

#[test]
fn a_device_that_its_driver_misses_is_opened_again_once_no_worker_touches_it() {
    let mut started = start(&config(&["net_ring0", "net_null0"])).unwrap();
    let mut queue = started.queues().remove(0).remove(0);
    let control = started.control();
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    control.on_event(Box::new(move || {
        count.fetch_add(1, Relaxed);
    }));
    let number = queue.state.dev.load(Relaxed);
    happened(number, capsule_ffi::SHIM_EVENT_INTR_LSC, std::ptr::null_mut(), std::ptr::null_mut());
    assert_eq!((control.trouble(PortId(0)), told.load(Relaxed)), (None, 1));
    happened(number, capsule_ffi::SHIM_EVENT_INTR_RMV, std::ptr::null_mut(), std::ptr::null_mut());
    let removed = Trouble { reason: "the device was removed".to_owned(), present: true };
    assert_eq!((control.trouble(PortId(0)), told.load(Relaxed)), (Some(removed), 2));
    assert!(control.trouble(PortId(1)).is_none() && !control.link(PortId(0)).up);

    let text = control.reopen(PortId(0)).unwrap_err().to_string();
    assert_eq!(text, "Ethernet0: reopen: a worker does not let go of the device");
    assert_eq!(queue.receive(&mut Burst::new()), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopper, opener) = (Arc::clone(&stop), Arc::clone(&control));
    let opening = std::thread::spawn(move || {
        let result = opener.reopen(PortId(0));
        stopper.store(true, Relaxed);
        result
    });
    let mut frame = queue.allocate().unwrap();
    frame.append(60).unwrap();
    let mut out: Burst<_> = std::iter::once(frame).collect();
    while !stop.load(Relaxed) {
        assert_eq!(queue.receive(&mut Burst::new()), 0);
    }
    opening.join().unwrap().unwrap();
    assert!(control.trouble(PortId(0)).is_none() && control.link(PortId(0)).up);
    assert_eq!((queue.transmit(&mut out), queue.receive(&mut out)), (1, 1));
    drop((out, queue));
}

fn refusal(config: &common::config::DataplaneConfig) -> String {
    start(config).unwrap_err().to_string()
}

#[test]
fn a_missing_kernel_device_is_named_with_the_reason() {
    let text = refusal(&config(&["net_af_packet0,iface=no-such-dev"]));
    assert!(text.starts_with("Ethernet0: device net_af_packet0,iface=no-such-dev is not there: "), "{text}");
    assert!(text.contains("ioctl failed") || text.contains("No such device"), "{text}");
}

#[test]
fn an_unknown_driver_and_a_second_use_are_refused() {
    let text = refusal(&config(&["net_nonsense0"]));
    assert!(text.starts_with("Ethernet0: device net_nonsense0 is not there: "), "{text}");
}

#[test]
fn a_device_is_used_once() {
    let text = refusal(&config(&["net_ring0", "net_ring0"]));
    assert_eq!(text, "Ethernet1: device net_ring0 is not there: used twice");
}

#[test]
fn a_pci_device_that_is_not_there_is_named() {
    let text = refusal(&config(&["0000:7f:1f.7"]));
    assert!(text.starts_with("Ethernet0: device 0000:7f:1f.7 is not there: "), "{text}");
}

#[test]
fn what_eal_refuses_is_shown_with_its_arguments() {
    let mut config = config(&["net_ring0"]);
    config.eal = Some("--vfio-intr sometimes".to_owned());
    let text = refusal(&config);
    assert!(text.starts_with("DPDK does not start: ") && text.contains("--vfio-intr sometimes"), "{text}");
}

#[test]
fn settings_change_while_the_port_runs() {
    let mut config = config(&["net_ring0"]);
    config.ports[0].mac = Some("0200.5e00.0001".parse().unwrap());
    config.ports[0].promiscuous = true;
    let mut started = start(&config).unwrap();
    let mut queue = started.queues().remove(0).remove(0);
    let control = started.control();
    let info = control.ports().remove(0);
    assert_eq!((info.driver.as_str(), info.mac.to_string()), ("net_ring", "0200.5e00.0001".to_owned()));
    assert_eq!((info.rx_queues, info.tx_queues, info.mtu, info.rss), (1, 1, 1500, 0));
    assert!(control.link(PortId(0)).up);

    let mut burst = Burst::new();
    let send = |queue: &mut DpdkQueue| {
        let mut frame = queue.allocate().unwrap();
        frame.append(60).unwrap();
        let mut out: Burst<_> = std::iter::once(frame).collect();
        queue.transmit(&mut out)
    };
    assert_eq!(send(&mut queue), 1);
    control.set_up(PortId(0), false).unwrap();
    assert!(!control.link(PortId(0)).up);
    assert_eq!((queue.receive(&mut burst), send(&mut queue)), (0, 0));
    control.set_up(PortId(0), true).unwrap();
    assert_eq!((queue.receive(&mut burst), send(&mut queue)), (0, 1));
    assert_eq!(queue.receive(&mut burst), 1);
    assert!(control.link(PortId(0)).up);

    control.set_mac(PortId(0), "0200.5e00.0002".parse().unwrap()).unwrap();
    control.set_mtu(PortId(0), 1400).unwrap();
    control.set_promiscuous(PortId(0), false).unwrap();
    control.set_allmulticast(PortId(0), true).unwrap();
    let info = control.ports().remove(0);
    assert_eq!((info.mac.to_string(), info.mtu), ("0200.5e00.0002".to_owned(), 1400));
    let text = control.set_mtu(PortId(0), 9000).unwrap_err().to_string();
    assert_eq!(text, "Ethernet0: mtu: packet buffers hold 2048 bytes; restart needed");
}

#[test]
fn memory_that_is_not_there_is_refused_with_figures() {
    let mut config = config(&["net_ring0"]);
    config.memory_mb = Some(2_000_000);
    config.eal = Some("-m 64".to_owned());
    let text = refusal(&config);
    assert!(text.contains("packet memory: 2000000 MB needed, "), "{text}");
}
