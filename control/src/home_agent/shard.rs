//! Who may touch the registrar: one thread while there is a home agent, which does between two batches of requests what others
//! ask for. So no registration waits for somebody who holds a lock. Without the thread who asks does it himself.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, Thread},
    time::Duration,
};

use common::stream::StreamEnd;

use super::registrar::Registrar;

/// Time between two looks whether the thread is still there, for who waits for it.
const LOOK: Duration = Duration::from_millis(10);

type Job = Box<dyn FnOnce(&mut Registrar) + Send>;

/// The registrar, for everybody.
pub struct Shard {
    held: Mutex<Held>,
    jobs: Sender<Job>,
    thread: Mutex<Option<Thread>>,
}

/// The registrar, for one.
pub struct Held {
    /// It.
    pub registrar: Registrar,
    /// Rings of the workers; they outlive a thread.
    pub streams: Vec<StreamEnd>,
    jobs: Receiver<Job>,
}

impl Shard {
    /// With a registrar, and no thread yet.
    pub fn new(registrar: Registrar) -> Self {
        let (jobs, receiver) = mpsc::channel();
        Self {
            held: Mutex::new(Held { registrar, streams: Vec::new(), jobs: receiver }),
            jobs,
            thread: Mutex::new(None),
        }
    }

    /// Has `job` done, and waits until it is: for the rest of a batch at most.
    ///
    /// # Panics
    /// If the job does.
    pub fn ask<T: Send + 'static>(&self, job: impl FnOnce(&mut Registrar) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |registrar| drop(answer.send(job(registrar))));
        // Who receives it lives as long as this.
        let _ = self.jobs.send(job);
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
        loop {
            match self.held.try_lock() {
                Ok(mut held) => drop(held.work()),
                Err(TryLockError::Poisoned(held)) => drop(held.into_inner().work()),
                Err(TryLockError::WouldBlock) => {}
            }
            match answered.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("a job of the home agent has failed"),
            }
        }
    }

    /// Makes the calling thread the one that has the registrar.
    pub fn hold(&self) -> MutexGuard<'_, Held> {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Does what was asked for; true if there was something.
    pub fn work(&mut self) -> bool {
        let mut any = false;
        while let Ok(job) = self.jobs.try_recv() {
            job(&mut self.registrar);
            any = true;
        }
        any
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shard")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[test]
    fn jobs_are_done_with_and_without_the_thread_and_while_it_ends() {
        let shard = Arc::new(Shard::new(Registrar::new(None)));
        assert_eq!(shard.ask(|registrar| registrar.full()), 0);
        for _ in 0..20 {
            let stop = Arc::new(AtomicBool::new(false));
            let server = thread::spawn({
                let (shard, stop) = (Arc::clone(&shard), Arc::clone(&stop));
                move || {
                    let mut held = shard.hold();
                    while !stop.load(Ordering::Relaxed) {
                        held.work();
                        thread::park_timeout(Duration::from_millis(1));
                    }
                }
            });
            let askers: Vec<_> = (0..4)
                .map(|at| {
                    let shard = Arc::clone(&shard);
                    thread::spawn(move || {
                        for number in 0..50 {
                            assert_eq!(shard.ask(move |_| (at, number)), (at, number));
                        }
                    })
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            server.join().unwrap();
            for asker in askers {
                asker.join().unwrap();
            }
        }
    }
}
