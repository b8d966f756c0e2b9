//! A simulated packet buffer: headroom, data and tailroom in one room, given back to its pool when dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crossbeam::queue::ArrayQueue;

use crate::backend::Frame;

/// Free bytes in front of a fresh frame, as in DPDK.
pub const HEADROOM: usize = 128;

/// A pool of equal rooms; all are made at once.
#[derive(Clone, Debug)]
pub struct Pool {
    free: Arc<ArrayQueue<Arc<Room>>>,
    /// Rooms that two last owners dropped at the same moment, so that neither could give them back.
    lost: Arc<AtomicUsize>,
    room: usize,
}

#[derive(Debug)]
struct Room {
    bytes: Box<[u8]>,
    lost: Arc<AtomicUsize>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.lost.fetch_add(1, Relaxed);
    }
}

impl Pool {
    /// `size` rooms of `room` bytes, headroom included.
    pub fn new(size: usize, room: usize) -> Self {
        let pool = Self {
            free: Arc::new(ArrayQueue::new(size.max(1))),
            lost: Arc::default(),
            room: room.max(HEADROOM),
        };
        for _ in 0..size.max(1) {
            // The queue has as many places as rooms are ever made.
            let _ = pool.free.push(pool.make());
        }
        pool
    }

    fn make(&self) -> Arc<Room> {
        Arc::new(Room { bytes: vec![0; self.room].into_boxed_slice(), lost: Arc::clone(&self.lost) })
    }

    /// An empty frame; `None` when the pool is dry.
    pub fn allocate(&self) -> Option<SimFrame> {
        let room = self.free.pop().or_else(|| {
            let replace = self.lost.fetch_update(Relaxed, Relaxed, |lost| lost.checked_sub(1)).is_ok();
            replace.then(|| self.make())
        })?;
        Some(SimFrame {
            room: Some(room),
            pool: self.clone(),
            start: HEADROOM,
            end: HEADROOM,
            segment: None,
            can_linearize: true,
            marks: Marks::default(),
        })
    }

    /// A frame with these bytes; `None` when the pool is dry or they do not fit.
    pub fn frame(&self, bytes: &[u8]) -> Option<SimFrame> {
        let mut frame = self.allocate()?;
        frame.append(bytes.len())?.copy_from_slice(bytes);
        Some(frame)
    }

    /// Rooms in the pool.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Rooms in all.
    pub fn size(&self) -> usize {
        self.free.capacity()
    }

    /// Bytes of one room.
    pub fn room(&self) -> usize {
        self.room
    }
}

/// What a device would say of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The hash that the device computed.
    pub rss_hash: Option<u32>,
    /// The tag that the device stripped.
    pub vlan: Option<u16>,
    /// The device's verdict on the IPv4 header checksum.
    pub ip_checksum_ok: Option<bool>,
}

/// A frame in a room of a [`Pool`].
#[derive(Debug)]
pub struct SimFrame {
    /// `None` only while it is being dropped.
    room: Option<Arc<Room>>,
    pool: Pool,
    start: usize,
    end: usize,
    /// Bytes that [`Frame::data`] shows while the frame stands for one of several segments.
    segment: Option<usize>,
    can_linearize: bool,
    marks: Marks,
}

impl SimFrame {
    /// Sets what the device says.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }

    /// Stands for a frame whose first segment has `first` bytes; with `can_linearize` false there is no room to
    /// make it one.
    #[must_use]
    pub fn segmented(mut self, first: usize, can_linearize: bool) -> Self {
        self.segment = Some(first.min(self.end - self.start));
        self.can_linearize = can_linearize;
        self
    }

    /// All bytes, whatever the segments.
    pub fn bytes(&self) -> &[u8] {
        &self.room().bytes[self.start..self.end]
    }

    fn room(&self) -> &Room {
        self.room.as_ref().expect("a frame has its room until it is dropped")
    }

    fn room_mut(&mut self) -> &mut Room {
        let room = self.room.as_mut().expect("a frame has its room until it is dropped");
        Arc::get_mut(room).expect("a shared frame is not written")
    }
}

impl Frame for SimFrame {
    fn data(&self) -> &[u8] {
        &self.bytes()[..self.segment.unwrap_or(self.end - self.start)]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        let (start, end) = (self.start, self.segment.map_or(self.end, |first| self.start + first));
        &mut self.room_mut().bytes[start..end]
    }

    fn total_len(&self) -> usize {
        self.end - self.start
    }

    fn linearize(&mut self) -> bool {
        if self.can_linearize {
            self.segment = None;
        }
        self.segment.is_none()
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        let start = self.start.checked_sub(n)?;
        self.start = start;
        self.segment = self.segment.map(|first| first + n);
        Some(&mut self.room_mut().bytes[start..start + n])
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let from = self.end;
        let end = from.checked_add(n).filter(|end| *end <= self.room().bytes.len())?;
        self.end = end;
        Some(&mut self.room_mut().bytes[from..end])
    }

    fn trim_front(&mut self, n: usize) -> bool {
        if n > self.data().len() {
            return false;
        }
        self.start += n;
        self.segment = self.segment.map(|first| first - n);
        true
    }

    fn truncate(&mut self, len: usize) -> bool {
        if len > self.total_len() {
            return false;
        }
        self.end = self.start + len;
        self.segment = self.segment.filter(|first| *first < len);
        true
    }

    fn copy(&self) -> Option<Self> {
        self.pool.frame(self.bytes())
    }

    fn share(&self) -> Self {
        Self {
            room: self.room.clone(),
            pool: self.pool.clone(),
            start: self.start,
            end: self.end,
            segment: self.segment,
            can_linearize: self.can_linearize,
            marks: self.marks,
        }
    }

    fn rss_hash(&self) -> Option<u32> {
        self.marks.rss_hash
    }

    fn stripped_vlan(&self) -> Option<u16> {
        self.marks.vlan
    }

    fn ip_checksum_ok(&self) -> Option<bool> {
        self.marks.ip_checksum_ok
    }
}

impl Drop for SimFrame {
    fn drop(&mut self) {
        if let Some(mut room) = self.room.take()
            && Arc::get_mut(&mut room).is_some()
        {
            // A full pool is impossible: it has a place for each of its rooms.
            let _ = self.pool.free.push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_frame_gives_its_room_back_and_a_dry_pool_says_so() {
        let pool = Pool::new(2, 256);
        let first = pool.frame(&[1; 100]).unwrap();
        let shared = first.share();
        let second = pool.frame(&[2; 100]).unwrap();
        assert!(pool.allocate().is_none());
        drop(first);
        assert_eq!(pool.free(), 0, "still shared");
        assert_eq!(shared.data(), [1; 100]);
        drop((shared, second));
        assert_eq!(pool.free(), 2);
    }

    #[test]
    fn rooms_grow_and_shrink_at_both_ends_within_bounds() {
        let pool = Pool::new(1, HEADROOM + 100);
        let mut frame = pool.frame(&[7; 60]).unwrap();
        assert!(frame.prepend(HEADROOM + 1).is_none());
        frame.prepend(4).unwrap().copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(&frame.data()[..5], [1, 2, 3, 4, 7]);
        assert!(frame.append(41).is_none());
        frame.append(40).unwrap().fill(9);
        assert_eq!(frame.total_len(), 104);
        assert!(frame.trim_front(4) && frame.truncate(61) && !frame.truncate(62) && !frame.trim_front(62));
        assert_eq!((frame.data()[0], frame.data()[60]), (7, 9));
    }

    #[test]
    fn segments_hide_their_bytes_until_they_are_one() {
        let pool = Pool::new(2, 512);
        let mut frame = pool.frame(&[5; 200]).unwrap().segmented(20, true);
        assert_eq!((frame.data().len(), frame.total_len()), (20, 200));
        assert!(frame.linearize());
        assert_eq!(frame.data().len(), 200);
        let mut stuck = pool.frame(&[5; 200]).unwrap().segmented(20, false);
        assert!(!stuck.linearize() && stuck.truncate(10) && stuck.linearize());
    }
}
