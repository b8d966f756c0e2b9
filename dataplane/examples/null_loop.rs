//! What a packet costs below our stages: receives on `net_null`, reads each Ethernet header, sends.
//!
//! `cargo run --release -p dataplane --example null_loop [workers [seconds]]` prints packets a second and
//! nanoseconds a packet of each worker.

use std::{
    env,
    error::Error,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig},
    id::{PortId, WorkerId},
};
use dataplane::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkQueue, WorkerLoop, start},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let workers: u8 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let started = start(&config(workers))?;
    println!("workers on CPUs {:?}", started.worker_cpus());

    let stop = Arc::new(AtomicBool::new(false));
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..workers).map(|_| AtomicU64::new(0)).collect());
    let (stopper, shown) = (Arc::clone(&stop), Arc::clone(&counts));
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let before: Vec<u64> = shown.iter().map(|count| count.load(Relaxed)).collect();
        let from = Instant::now();
        std::thread::sleep(Duration::from_secs(seconds));
        let elapsed = from.elapsed().as_secs_f64();
        for (worker, before) in before.into_iter().enumerate() {
            let packets = (shown[worker].load(Relaxed) - before) as f64;
            println!(
                "worker {worker}: {:.1} Mpps, {:.1} ns a packet",
                packets / elapsed / 1e6,
                elapsed / packets * 1e9
            );
        }
        stopper.store(true, Relaxed);
    });
    started.run(stop, move |id, queues| step(id, queues, Arc::clone(&counts)))?;
    timer.join().map_err(|_| "the timer panicked")?;
    Ok(())
}

fn step(id: WorkerId, mut queues: Vec<DpdkQueue>, counts: Arc<Vec<AtomicU64>>) -> WorkerLoop {
    let mut burst = Burst::new();
    let mut total = 0;
    Box::new(move || {
        let queue = &mut queues[0];
        queue.receive(&mut burst);
        for frame in &burst {
            black_box(frame.data().first_chunk::<14>());
        }
        total += queue.transmit(&mut burst) as u64;
        counts[id.index()].store(total, Relaxed);
    })
}

fn config(workers: u8) -> DataplaneConfig {
    DataplaneConfig {
        workers,
        cores: Vec::new(),
        sessions: 1024,
        hugepages: Hugepages::Auto,
        memory_mb: None,
        poll: Poll::Always,
        eal: None,
        ports: vec![PortConfig::new(PortId(0), "Ethernet0", "net_null0")],
    }
}
