//! Frames that pass by the kernel: a pair of rings between each worker and a part of control.

use std::sync::{Mutex, PoisonError};

use crate::ring::{FrameReceiver, FrameSender, frame_ring};

/// Bytes of a ring: a tenth of a second of a hundred thousand requests a second.
const BYTES: usize = 2 << 20;

/// One end of a pair of rings.
#[derive(Debug)]
pub struct StreamEnd {
    /// To the other side.
    pub sender: FrameSender,
    /// From there.
    pub receiver: FrameReceiver,
}

/// Where workers open their streams and control finds them.
#[derive(Debug, Default)]
pub struct Streams(Mutex<Vec<StreamEnd>>);

impl Streams {
    /// A worker's end of a new stream.
    pub fn open(&self) -> StreamEnd {
        let (to_control, from_worker) = frame_ring(BYTES);
        let (to_worker, from_control) = frame_ring(BYTES);
        let control = StreamEnd { sender: to_worker, receiver: from_worker };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(control);
        StreamEnd { sender: to_control, receiver: from_control }
    }

    /// Control's ends of the streams that were opened since the last call.
    pub fn accept(&self) -> Vec<StreamEnd> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::InterfaceId;

    #[test]
    fn each_stream_has_two_ways_of_its_own() {
        let streams = Streams::default();
        let mut workers = [streams.open(), streams.open()];
        let mut control = streams.accept();
        assert_eq!((control.len(), streams.accept().len()), (2, 0));
        let mut frame = Vec::new();
        for (at, (worker, control)) in workers.iter_mut().zip(&mut control).enumerate() {
            let interface = InterfaceId(at as u16);
            assert!(worker.sender.send(interface, &[1, at as u8]));
            assert!(control.sender.send(interface, &[2, at as u8]));
        }
        for (at, (worker, control)) in workers.iter_mut().zip(&mut control).enumerate() {
            let interface = Some(InterfaceId(at as u16));
            assert_eq!(control.receiver.receive(&mut frame), interface);
            assert_eq!(frame, [1, at as u8]);
            assert_eq!(worker.receiver.receive(&mut frame), interface);
            assert_eq!(frame, [2, at as u8]);
        }
    }
}
