//! Moves frames between the workers' rings and the shadows: one thread, `homeward-shadow`.
//!
//! - punt ring of each worker -> shadow of the interface in the record. A tag of the interface's VLAN that is still
//!   in the frame is taken off.
//! - shadow -> inject ring of worker 0, with the tag of a VLAN subinterface pushed. Only if worker 0 is gone, the
//!   next one serves.
//! - [`Injector::inject`]: frames that control made itself, likewise tagged.
//!
//! The thread waits in `ppoll` on the TAP devices. The rings have no descriptor, so the wait is bounded by [`RingWait`]. Each turn
//! takes at most `BATCH` frames of each ring and device, so none starves the others. A frame that does not fit is dropped
//! and counted.

use std::{
    collections::HashMap,
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use common::{
    id::InterfaceId,
    ring::{FrameReceiver, FrameSender, MAX_FRAME},
    ring_wait::RingWait,
};
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use serde::Serialize;
use tokio::sync::oneshot;
use tun_rs::SyncDevice;

/// Frames taken of one ring or device before the next has its turn.
const BATCH: usize = 64;

const MACS: usize = 12;
pub(super) const TAG: usize = 4;
const TPID: [u8; 2] = [0x81, 0x00];

/// What the thread counted. Each frame is counted in exactly one of the fields of its direction.
#[derive(Debug, Default)]
pub struct ShadowCounters {
    to_kernel: AtomicU64,
    to_kernel_refused: AtomicU64,
    unknown_interface: AtomicU64,
    malformed: AtomicU64,
    from_kernel: AtomicU64,
    from_control: AtomicU64,
    inject_full: AtomicU64,
}

/// [`ShadowCounters`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShadowTotals {
    /// Punted frames that the kernel took.
    pub to_kernel: u64,
    /// Punted frames that the kernel refused: the shadow is down.
    pub to_kernel_refused: u64,
    /// Punted frames, and frames of control, of an interface without a shadow.
    pub unknown_interface: u64,
    /// Punted frames, and frames of control, shorter than an Ethernet header.
    pub malformed: u64,
    /// Frames of the kernel that a worker was given.
    pub from_kernel: u64,
    /// Frames of control that a worker was given.
    pub from_control: u64,
    /// Frames of the kernel or of control that found the inject ring full, or no worker.
    pub inject_full: u64,
}

impl ShadowCounters {
    /// The values at this moment.
    pub fn totals(&self) -> ShadowTotals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShadowTotals {
            to_kernel: get(&self.to_kernel),
            to_kernel_refused: get(&self.to_kernel_refused),
            unknown_interface: get(&self.unknown_interface),
            malformed: get(&self.malformed),
            from_kernel: get(&self.from_kernel),
            from_control: get(&self.from_control),
            inject_full: get(&self.inject_full),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A shadow as the thread serves it.
#[derive(Clone)]
pub struct Tap {
    /// Which interface.
    pub interface: InterfaceId,
    /// 802.1Q VLAN of a subinterface.
    pub vlan: Option<u16>,
    /// The open end.
    pub device: Arc<SyncDevice>,
}

enum Order {
    Serve(Vec<Tap>, oneshot::Sender<()>),
    Inject(InterfaceId, Vec<u8>),
}

/// Hands frames to the thread; cheap to clone. The thread ends when the last clone and the [`ShadowIo`] are gone.
#[derive(Clone)]
pub struct Injector(Sender<Order>);

impl Injector {
    /// One without a thread: frames go nowhere.
    pub(super) fn closed() -> Self {
        Self(channel().0)
    }

    /// Sends an untagged Ethernet frame out of `interface`, with the tag of its VLAN.
    pub fn inject(&self, interface: InterfaceId, frame: Vec<u8>) {
        // A thread that has ended means that the process is ending: the frame has nowhere to go.
        let _ = self.0.send(Order::Inject(interface, frame));
    }
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Injector")
    }
}

/// Control's end of the thread. Dropping it stops the thread, which lets go of the shadows.
#[derive(Debug)]
pub struct ShadowIo {
    injector: Option<Injector>,
    counters: Arc<ShadowCounters>,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ShadowIo {
    /// Starts the thread with the rings of all workers and no shadow yet.
    pub fn start(punts: Vec<FrameReceiver>, injects: Vec<FrameSender>) -> io::Result<Self> {
        let (sender, orders) = channel();
        let counters = Arc::new(ShadowCounters::default());
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut mover = Mover {
            orders,
            punts,
            injects,
            taps: Vec::new(),
            tap_by_interface: HashMap::new(),
            counters: Arc::clone(&counters),
            buffer: vec![0; TAG + MAX_FRAME + 1],
            frame: Vec::with_capacity(MAX_FRAME),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("homeward-shadow".to_owned()).spawn(move || {
            mover.run(&stopped);
        })?;
        Ok(Self { injector: Some(Injector(sender)), counters, stop, thread: Some(thread) })
    }

    /// Replaces the set of shadows that are served; on return the thread has let go of the former ones.
    pub async fn serve(&self, taps: Vec<Tap>) {
        let (done, served) = oneshot::channel();
        if let Some(Injector(sender)) = &self.injector
            && sender.send(Order::Serve(taps, done)).is_ok()
        {
            // A thread that has ended holds no shadow.
            let _ = served.await;
        }
    }

    /// A handle for frames that control makes itself.
    pub fn injector(&self) -> Injector {
        self.injector.clone().expect("taken only by drop")
    }

    /// What the thread counts.
    pub fn counters(&self) -> Arc<ShadowCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for ShadowIo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.injector = None;
        if let Some(thread) = self.thread.take() {
            // It ends within one wait; a panic there has been reported already.
            let _ = thread.join();
        }
    }
}

struct Mover {
    orders: Receiver<Order>,
    punts: Vec<FrameReceiver>,
    injects: Vec<FrameSender>,
    taps: Vec<Tap>,
    tap_by_interface: HashMap<InterfaceId, usize>,
    counters: Arc<ShadowCounters>,
    /// A frame from the kernel, behind room for a tag.
    buffer: Vec<u8>,
    /// A frame from a ring.
    frame: Vec<u8>,
}

impl Mover {
    fn run(&mut self, stop: &std::sync::atomic::AtomicBool) {
        let mut pace = RingWait::default();
        while !stop.load(Ordering::Acquire) {
            let mut moved = false;
            match self.handle() {
                Ok(any) => moved |= any,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            moved |= self.punted();
            for tap_index in 0..self.taps.len() {
                moved |= self.drain(tap_index);
            }
            if moved {
                pace.moved();
                continue;
            }
            self.wait(pace.sleep());
        }
    }

    fn wait(&self, limit: Duration) {
        let mut polled: Vec<_> =
            self.taps.iter().map(|tap| PollFd::new(tap.device.as_fd(), PollFlags::POLLIN)).collect();
        // A TAP that is down reports an error at once; then the sleep below keeps the pace.
        let ready = ppoll(&mut polled, Some(TimeSpec::from(limit)), None);
        let readable =
            polled.iter().any(|fd| fd.revents().is_some_and(|events| events.contains(PollFlags::POLLIN)));
        if ready.is_ok_and(|n| n > 0) && !readable {
            std::thread::sleep(limit);
        }
    }

    /// Carries out at most `BATCH` orders; true if there was one.
    fn handle(&mut self) -> Result<bool, TryRecvError> {
        for done in 0..BATCH {
            match self.orders.try_recv() {
                Ok(Order::Serve(taps, done)) => {
                    self.tap_by_interface =
                        taps.iter().enumerate().map(|(tap_index, tap)| (tap.interface, tap_index)).collect();
                    self.taps = taps;
                    let _ = done.send(());
                }
                Ok(Order::Inject(interface, frame)) => self.inject(interface, &frame),
                Err(TryRecvError::Empty) => return Ok(done > 0),
                Err(TryRecvError::Disconnected) => return Err(TryRecvError::Disconnected),
            }
        }
        Ok(true)
    }

    fn inject(&mut self, interface: InterfaceId, frame: &[u8]) {
        let Some(tap_index) = self.tap_by_interface.get(&interface) else {
            return count(&self.counters.unknown_interface);
        };
        if frame.len() < MACS + 2 || frame.len() > MAX_FRAME - TAG {
            return count(&self.counters.malformed);
        }
        let vlan = self.taps[*tap_index].vlan;
        self.buffer[TAG..TAG + frame.len()].copy_from_slice(frame);
        let start = push_tag(&mut self.buffer, vlan);
        let sent = send(&mut self.injects, interface, &self.buffer[start..TAG + frame.len()]);
        count(if sent { &self.counters.from_control } else { &self.counters.inject_full });
    }

    /// Punt rings -> kernel.
    fn punted(&mut self) -> bool {
        let mut moved = false;
        for ring in &mut self.punts {
            for _ in 0..BATCH {
                let Some(interface) = ring.receive(&mut self.frame) else { break };
                moved = true;
                let Some(tap_index) = self.tap_by_interface.get(&interface) else {
                    count(&self.counters.unknown_interface);
                    continue;
                };
                let tap = &self.taps[*tap_index];
                if !to_kernel(&mut self.frame, tap.vlan) {
                    count(&self.counters.malformed);
                    continue;
                }
                let taken = tap.device.send(&self.frame).is_ok();
                count(if taken { &self.counters.to_kernel } else { &self.counters.to_kernel_refused });
            }
        }
        moved
    }

    /// Kernel -> inject ring.
    fn drain(&mut self, tap_index: usize) -> bool {
        let tap = &self.taps[tap_index];
        let mut moved = false;
        for _ in 0..BATCH {
            let Ok(length) = tap.device.recv(&mut self.buffer[TAG..]) else { break };
            moved = true;
            let Some(frame) = from_kernel(&mut self.buffer, length, tap.vlan) else { continue };
            let sent = send(&mut self.injects, tap.interface, frame);
            count(if sent { &self.counters.from_kernel } else { &self.counters.inject_full });
        }
        moved
    }
}

fn send(injects: &mut [FrameSender], interface: InterfaceId, frame: &[u8]) -> bool {
    injects.iter_mut().find(|ring| !ring.is_abandoned()).is_some_and(|ring| ring.send(interface, frame))
}

/// A frame of the kernel, of `length` bytes from [`TAG`] on, as it is sent; `None` if it is shorter than its header.
pub(super) fn from_kernel(buffer: &mut [u8], length: usize, vlan: Option<u16>) -> Option<&[u8]> {
    if length < MACS + 2 {
        return None;
    }
    let start = push_tag(buffer, vlan);
    Some(&buffer[start..TAG + length])
}

/// Makes a punted frame what the kernel is to see; false if it is shorter than its header.
pub(super) fn to_kernel(frame: &mut Vec<u8>, vlan: Option<u16>) -> bool {
    if frame.len() < MACS + 2 {
        return false;
    }
    pop_tag(frame, vlan);
    true
}

/// The frame begins at [`TAG`]; returns where it begins with its tag.
fn push_tag(buffer: &mut [u8], vlan: Option<u16>) -> usize {
    let Some(vlan) = vlan else { return TAG };
    buffer.copy_within(TAG..TAG + MACS, 0);
    buffer[MACS..MACS + 2].copy_from_slice(&TPID);
    buffer[MACS + 2..MACS + 4].copy_from_slice(&(vlan & 0x0fff).to_be_bytes());
    0
}

/// Takes off the tag that says what the record says already: the interface's VLAN, or on an untagged interface a
/// priority tag (VLAN 0, IEEE 802.1Q 6.9).
fn pop_tag(frame: &mut Vec<u8>, vlan: Option<u16>) {
    if let [a, b, c, d] =
        frame[MACS..].get(..TAG).and_then(|tag| <[u8; TAG]>::try_from(tag).ok()).unwrap_or_default()
        && [a, b] == TPID
        && u16::from_be_bytes([c, d]) & 0x0fff == vlan.unwrap_or(0)
    {
        frame.drain(MACS..MACS + TAG);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_pushed_and_popped() {
        let plain: Vec<u8> = (0..60).collect();
        let mut buffer = vec![0; TAG];
        buffer.extend_from_slice(&plain);
        let start = push_tag(&mut buffer, Some(0x123));
        let mut tagged = buffer[start..].to_vec();
        assert_eq!(tagged[MACS..MACS + 4], [0x81, 0x00, 0x01, 0x23]);
        assert_eq!(tagged.len(), plain.len() + TAG);
        let mut other = tagged.clone();
        pop_tag(&mut other, Some(0x124));
        assert_eq!(other, tagged, "another VLAN's tag stays");
        pop_tag(&mut tagged, Some(0x123));
        assert_eq!(tagged, plain);
        let mut priority = [&plain[..MACS], &[0x81, 0x00, 0xe0, 0x00][..], &plain[MACS..]].concat();
        pop_tag(&mut priority, None);
        assert_eq!(priority, plain);
        let mut short = plain[..MACS + 2].to_vec();
        pop_tag(&mut short, None);
        assert_eq!(short.len(), MACS + 2);
    }

    #[test]
    fn the_thread_ends_with_its_handle() {
        let io = ShadowIo::start(Vec::new(), Vec::new()).unwrap();
        let (counters, injector) = (io.counters(), io.injector());
        drop(io);
        injector.inject(InterfaceId(0), vec![0; 60]);
        assert_eq!(counters.totals().from_control, 0);
    }
}
