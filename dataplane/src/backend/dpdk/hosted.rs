//! A worker as one future on its core's executor: it works for a while, lets the executor look around, and ends when
//! it is told to.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
};

use capsule::batch::Pipeline;
use capsule_ffi as ffi;
use common::{id::WorkerId, port::PortError};

use super::{error_text, queue::DpdkQueue};
use crate::{clock::Clock, worker::Worker};

/// Calls of [`Step::step`] between two looks at the executor.
const STEPS: usize = 1024;
/// Rounds of a worker between two looks at the stop flag.
const ROUNDS: usize = 16;

/// What a worker does.
pub trait Step {
    /// Again and again: a bounded number of bursts, at most a millisecond of sleep, then back.
    fn step(&mut self);
    /// Once, when it is to end: sends what waits.
    fn finish(&mut self) {}
}

impl<F: FnMut()> Step for F {
    fn step(&mut self) {
        self();
    }
}

impl<C: Clock> Step for Worker<DpdkQueue, C> {
    fn step(&mut self) {
        Worker::step(self, ROUNDS);
    }

    fn finish(&mut self) {
        self.drain();
    }
}

/// A worker, made on its own thread.
pub type WorkerLoop = Box<dyn Step>;

/// How far the workers have come to their end.
#[derive(Debug)]
pub(super) struct Ended {
    workers: usize,
    count: AtomicUsize,
    /// The main thread was told.
    pub raised: AtomicBool,
    panic: Mutex<Option<PortError>>,
    stop: Arc<AtomicBool>,
}

impl Ended {
    /// `workers` workers that run until `stop`.
    pub fn new(workers: usize, stop: Arc<AtomicBool>) -> Self {
        let (count, raised, panic) = Default::default();
        Self { workers, count, raised, panic, stop }
    }

    /// What the first worker that panicked said.
    pub fn panic(&self) -> Option<PortError> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// True when every worker is gone.
    pub fn all(&self) -> bool {
        self.count.load(Acquire) == self.workers
    }

    fn fail(&self, reason: String) {
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        panic.get_or_insert(PortError::Worker { reason });
        self.stop.store(true, Relaxed);
    }
}

/// A worker inside capsule's executor.
pub(super) struct Hosted {
    worker: Option<WorkerLoop>,
    /// This thread was made known to EAL here, and must be forgotten here.
    registered: bool,
    ended: Arc<Ended>,
}

impl Hosted {
    /// On the worker's thread.
    pub fn new<F>(id: WorkerId, queues: Vec<DpdkQueue>, make: &F, ended: Arc<Ended>) -> Self
    where
        F: Fn(WorkerId, Vec<DpdkQueue>) -> WorkerLoop,
    {
        let registered = register();
        let worker = match catch_unwind(AssertUnwindSafe(|| make(id, queues))) {
            Ok(worker) => Some(worker),
            Err(panic) => {
                ended.fail(format!("worker {id}: {}", words(panic.as_ref())));
                None
            }
        };
        Self { worker, registered, ended }
    }

    fn steps(&mut self) -> Poll<()> {
        let Some(worker) = &mut self.worker else { return Poll::Ready(()) };
        let stop = &self.ended.stop;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                if stop.load(Relaxed) {
                    return Poll::Ready(());
                }
                worker.step();
            }
            Poll::Pending
        }));
        outcome.unwrap_or_else(|panic| {
            self.ended.fail(format!("a worker panicked: {}", words(panic.as_ref())));
            Poll::Ready(())
        })
    }
}

impl Future for Hosted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let poll = self.steps();
        if poll.is_pending() {
            context.waker().wake_by_ref();
        }
        poll
    }
}

impl Pipeline for Hosted {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn run_once(&mut self) {
        let _ = self.steps();
    }
}

impl Drop for Hosted {
    /// Runs on the worker's thread as soon as the future is ready. Frames and queues go first, the thread's
    /// registration, on which the pool's cache hangs, after them.
    fn drop(&mut self) {
        let worker = self.worker.take();
        let end = || {
            if let Some(mut worker) = worker {
                worker.finish();
            }
        };
        if catch_unwind(AssertUnwindSafe(end)).is_err() {
            self.ended.fail("a worker panicked while it ended".to_owned());
        }
        if self.registered {
            // SAFETY: this thread was registered by `register`.
            unsafe { ffi::rte_thread_unregister() };
        }
        self.ended.count.fetch_add(1, Release);
    }
}

/// Makes the thread known to EAL, without which pools keep no cache for it; true if that was needed and done.
fn register() -> bool {
    // SAFETY: reads a thread-local number.
    if unsafe { ffi::shim_lcore_id() } < ffi::SHIM_MAX_LCORE {
        return false;
    }
    // SAFETY: EAL runs and the thread is not known to it.
    let result = unsafe { ffi::rte_thread_register() };
    if result != 0 {
        tracing::warn!("rte_thread_register: {}: the worker runs without a buffer cache", error_text(result));
    }
    result == 0
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
