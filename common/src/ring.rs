//! Single-producer, single-consumer rings of whole frames, both ways between a worker and control.
//!
//! A record is the length (u16), the interface (u16) and the bytes, so that jumbo frames and small ones share
//! the memory. No side ever waits: a full ring refuses the frame.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::id::InterfaceId;

const HEADER: usize = 4;

/// Largest frame that a ring carries.
pub const MAX_FRAME: usize = 9728;

/// The writing end.
#[derive(Debug)]
pub struct FrameSender(Producer<u8>);

/// The reading end.
#[derive(Debug)]
pub struct FrameReceiver(Consumer<u8>);

/// A ring of `bytes` bytes, allocated at once.
pub fn frame_ring(bytes: usize) -> (FrameSender, FrameReceiver) {
    let (producer, consumer) = RingBuffer::new(bytes.max(HEADER + MAX_FRAME));
    (FrameSender(producer), FrameReceiver(consumer))
}

impl FrameSender {
    /// Appends a frame; false, and nothing written, if there is no room or the frame is over [`MAX_FRAME`].
    pub fn send(&mut self, interface: InterfaceId, frame: &[u8]) -> bool {
        if frame.len() > MAX_FRAME {
            return false;
        }
        let Ok(mut chunk) = self.0.write_chunk(HEADER + frame.len()) else {
            return false;
        };
        let [[a, b], [c, d]] = [(frame.len() as u16).to_ne_bytes(), interface.0.to_ne_bytes()];
        let header: [u8; HEADER] = [a, b, c, d];
        let (first, second) = chunk.as_mut_slices();
        let mut at = 0;
        for part in [&header[..], frame] {
            copy_split(first, second, at, part);
            at += part.len();
        }
        chunk.commit_all();
        true
    }

    /// True once the reading end is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

fn copy_split(first: &mut [u8], second: &mut [u8], at: usize, part: &[u8]) {
    let head = first.len().saturating_sub(at).min(part.len());
    if head > 0 {
        first[at..at + head].copy_from_slice(&part[..head]);
    }
    if head < part.len() {
        let from = (at + head) - first.len();
        second[from..from + part.len() - head].copy_from_slice(&part[head..]);
    }
}

impl FrameReceiver {
    /// Takes the oldest frame into `buffer` (cleared first) and says on which interface; `None` if empty.
    pub fn receive(&mut self, buffer: &mut Vec<u8>) -> Option<InterfaceId> {
        buffer.clear();
        let mut bytes = [0; HEADER];
        {
            let header = self.0.read_chunk(HEADER).ok()?;
            let (first, second) = header.as_slices();
            for (to, from) in bytes.iter_mut().zip(first.iter().chain(second)) {
                *to = *from;
            }
        }
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let record = self.0.read_chunk(HEADER + length).ok()?;
        let (first, second) = record.as_slices();
        let head = first.len().min(HEADER);
        buffer.extend_from_slice(&first[head..]);
        buffer.extend_from_slice(&second[HEADER - head..]);
        record.commit_all();
        Some(InterfaceId(u16::from_ne_bytes([bytes[2], bytes[3]])))
    }

    /// True once the writing end is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_size_cross_in_order_around_the_end_of_the_ring() {
        let (mut sender, mut receiver) = frame_ring(0);
        let mut buffer = Vec::new();
        for round in 0..5000_usize {
            let frame: Vec<u8> = (0..round * 7 % MAX_FRAME).map(|i| (i ^ round) as u8).collect();
            assert!(sender.send(InterfaceId(round as u16), &frame));
            assert_eq!(receiver.receive(&mut buffer), Some(InterfaceId(round as u16)));
            assert_eq!(buffer, frame);
        }
        assert_eq!(receiver.receive(&mut buffer), None);
    }

    #[test]
    fn a_full_ring_refuses_and_loses_nothing() {
        let (mut sender, mut receiver) = frame_ring(0);
        let mut sent = 0;
        while sender.send(InterfaceId(1), &[sent as u8; 1000]) {
            sent += 1;
        }
        let mut buffer = Vec::new();
        for i in 0..sent {
            assert!(receiver.receive(&mut buffer).is_some());
            assert_eq!(buffer, vec![i as u8; 1000]);
        }
        assert!(receiver.receive(&mut buffer).is_none());
        assert!(!sender.send(InterfaceId(1), &[0; MAX_FRAME + 1]));
    }
}
