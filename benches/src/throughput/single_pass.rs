//! A single pass over a capture, timed by the worker itself: the short ones are over before another thread looks twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
        mpsc::Sender,
    },
    time::Instant,
};

use anyhow::ensure;

/// A pass as a worker saw it, its first twentieth and what came with the first frame of the next pass left out.
#[derive(Clone, Copy, Debug)]
pub struct PassTime {
    /// Start of the time that counts.
    pub begin: Instant,
    pub end: Instant,
    /// Frames received in it.
    pub frames: u64,
}

/// Workers begin together: one that is late would find the table filled and the other gone ahead.
#[derive(Clone, Debug)]
pub struct StartBarrier {
    missing: Arc<AtomicU8>,
    here: bool,
}

impl StartBarrier {
    /// Waits for so many.
    pub fn new(workers: u8) -> Self {
        Self { missing: Arc::new(AtomicU8::new(workers)), here: false }
    }

    /// Says that one of them is here, once; whether all are.
    pub fn all(&mut self) -> bool {
        if !self.here {
            self.here = true;
            self.missing.fetch_sub(1, SeqCst);
        }
        self.missing.load(SeqCst) == 0
    }
}

/// Times a worker.
#[derive(Debug)]
pub struct PassTimer {
    share: u64,
    seen: u64,
    first: Option<(Instant, u64)>,
    last: Option<(Instant, u64)>,
    /// Taken when the pass is over.
    report: Option<Sender<PassTime>>,
}

impl PassTimer {
    /// For a pass of `share` frames.
    pub fn new(share: u64, report: Sender<PassTime>) -> Self {
        Self { share, seen: 0, first: None, last: None, report: Some(report) }
    }

    /// Bursts between two samples, at most `usual`: few enough that what is between them is a small part of the pass.
    pub fn bursts(share: u64, usual: usize) -> usize {
        usual.min(1 + share as usize / 16_384)
    }

    /// So many frames were received by `now`.
    pub fn sample(&mut self, received: usize, now: Instant) {
        self.seen += received as u64;
        if self.seen > self.share {
            if let (Some(report), Some((begin, before)), Some((end, after))) =
                (self.report.take(), self.first, self.last)
            {
                // Nobody listens once the harness gave up.
                let _ = report.send(PassTime { begin, end, frames: after - before });
            }
        } else if self.seen > self.share / 20 {
            self.first.get_or_insert((now, self.seen));
            self.last = Some((now, self.seen));
        }
    }
}

/// Packets a second of all workers, over the time in which any of them was at work.
///
/// # Errors
/// If they saw less than half of their `frames`.
pub fn rate(times: &[PassTime], frames: u64) -> anyhow::Result<f64> {
    let seen: u64 = times.iter().map(|time| time.frames).sum();
    ensure!(seen > frames / 2, "void: only {seen} of {frames} frames were seen to pass");
    let begin = times.iter().map(|time| time.begin).min();
    let end = times.iter().map(|time| time.end).max();
    let time = end.zip(begin).map(|(end, begin)| end - begin).unwrap_or_default();
    ensure!(!time.is_zero(), "void: the pass was over between two samples");
    Ok(seen as f64 / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn the_lap_leaves_out_the_start_and_the_next_pass() {
        let (report, times) = mpsc::channel();
        let mut watch = PassTimer::new(1000, report);
        let zero = Instant::now();
        let after = |ms| zero + Duration::from_millis(ms);
        for (received, ms) in [(50, 1), (64, 2), (400, 3), (400, 4), (80, 5), (64, 6), (64, 7)] {
            watch.sample(received, after(ms));
        }
        let times: Vec<PassTime> = times.try_iter().collect();
        let [time] = times[..] else { panic!("{times:?}") };
        assert_eq!((time.begin, time.end, time.frames), (after(2), after(5), 880));
        assert!((rate(&times, 1000).unwrap() - 880.0 / 0.003).abs() < 1.0);
        assert!(rate(&times, 2000).is_err());
    }

    #[test]
    fn workers_wait_for_each_other() {
        let mut one = StartBarrier::new(2);
        let mut other = one.clone();
        assert!(!one.all() && !one.all());
        assert!(other.all() && one.all());
    }
}
