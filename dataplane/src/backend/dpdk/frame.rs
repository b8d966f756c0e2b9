//! A frame in DPDK's buffers: one or more segments, owned; dropping it gives them back.

use std::{fmt, ptr::NonNull};

use capsule_ffi::{self as ffi, rte_mbuf};
use common::wire::{ipv4, udp as udp_header};

use crate::backend::Frame;

/// An owned packet buffer.
///
/// Not `Send`: a frame belongs to the worker that received or allocated it until it is transmitted.
#[repr(transparent)]
pub struct DpdkFrame(NonNull<rte_mbuf>);

impl DpdkFrame {
    /// Takes over one reference to a packet.
    ///
    /// # Safety
    ///
    /// `raw` is the first segment of a valid packet and the caller gives up one reference to it.
    pub(super) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self(raw)
    }

    /// Gives the reference away.
    pub(super) fn into_raw(self) -> *mut rte_mbuf {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }

    fn head(&self) -> &rte_mbuf {
        // SAFETY: we own a reference, so the header lives; nobody changes it while we are borrowed, except the
        // reference count, which is read through C only.
        unsafe { self.0.as_ref() }
    }

    fn head_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: as above, and we are borrowed mutably.
        unsafe { self.0.as_mut() }
    }

    /// Segments of the packet.
    pub fn segments(&self) -> usize {
        usize::from(self.head().nb_segs)
    }

    /// References to the bytes.
    pub fn references(&self) -> usize {
        // SAFETY: the header lives.
        usize::from(unsafe { ffi::shim_pktmbuf_refcnt(self.0.as_ptr()) })
    }

    fn shared(&self) -> bool {
        self.references() > 1
    }

    fn last(&self) -> NonNull<rte_mbuf> {
        let mut last = self.0;
        // SAFETY: every segment of a packet that we own lives, and the last one's `next` is null.
        while let Some(next) = NonNull::new(unsafe { last.as_ref().next }) {
            last = next;
        }
        last
    }

    /// Appends the bytes of `tail` as further segments, without a copy; `None` gives it back if a packet may not
    /// have as many segments or either is shared.
    pub fn chain(&mut self, tail: Self) -> Option<Self> {
        let segments = self.segments() + tail.segments();
        if segments > usize::from(u16::MAX) || self.shared() || tail.shared() {
            return Some(tail);
        }
        let length = tail.total_len() as u32;
        let mut last = self.last();
        // SAFETY: `last` is ours alone; the tail's reference moves into the chain.
        unsafe { last.as_mut().next = tail.into_raw() };
        let head = self.head_mut();
        head.nb_segs = segments as u16;
        head.pkt_len += length;
        None
    }

    /// What DPDK's own check finds wrong with the buffer's bookkeeping.
    pub fn check(&self) -> Result<(), String> {
        let mut reason = std::ptr::null();
        // SAFETY: the packet lives; the reason, if any, is a string constant.
        if unsafe { ffi::shim_pktmbuf_check(self.0.as_ptr(), &raw mut reason) } == 0 {
            return Ok(());
        }
        // SAFETY: set by the failed check.
        Err(unsafe { std::ffi::CStr::from_ptr(reason) }.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for DpdkFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpdkFrame")
            .field("length", &self.total_len())
            .field("segments", &self.segments())
            .finish_non_exhaustive()
    }
}

impl Drop for DpdkFrame {
    fn drop(&mut self) {
        // SAFETY: we own one reference and give it up; C frees the segments when it was the last.
        unsafe { ffi::_rte_pktmbuf_free(self.0.as_ptr()) }
    }
}

/// Start of a segment's data.
fn start(segment: &rte_mbuf) -> *mut u8 {
    // SAFETY: `data_off` is within the room that `buf_addr` points to.
    unsafe { segment.buf_addr.cast::<u8>().add(usize::from(segment.data_off)) }
}

impl Frame for DpdkFrame {
    #[inline]
    fn data(&self) -> &[u8] {
        let head = self.head();
        // SAFETY: the segment holds `data_len` initialised bytes from its start; written only by `&mut self`.
        unsafe { std::slice::from_raw_parts(start(head), usize::from(head.data_len)) }
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        debug_assert!(!self.shared(), "a shared frame is not written");
        let head = self.head_mut();
        // SAFETY: as in `data`, and borrowed mutably; sharers read only.
        unsafe { std::slice::from_raw_parts_mut(start(head), usize::from(head.data_len)) }
    }

    #[inline]
    fn total_len(&self) -> usize {
        self.head().pkt_len as usize
    }

    fn linearize(&mut self) -> bool {
        if self.segments() == 1 {
            return true;
        }
        // SAFETY: the packet is ours alone; C copies what fits into the first segment's room, or changes nothing.
        !self.shared() && unsafe { ffi::shim_pktmbuf_linearize(self.0.as_ptr()) } == 0
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        if self.shared() {
            return None;
        }
        let head = self.head_mut();
        let n16 = u16::try_from(n).ok()?;
        head.data_len = head.data_len.checked_add(n16).filter(|_| head.data_off >= n16)?;
        head.data_off -= n16;
        head.pkt_len += u32::from(n16);
        // SAFETY: the room in front of the data is ours; it is set before it is handed out, because headroom may
        // never have been written.
        unsafe {
            std::ptr::write_bytes(start(head), 0, n);
            Some(std::slice::from_raw_parts_mut(start(head), n))
        }
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if self.shared() {
            return None;
        }
        let n16 = u16::try_from(n).ok()?;
        let mut last = self.last();
        let end = {
            // SAFETY: a segment of a packet that is ours alone; the reference ends before the head is touched.
            let last = unsafe { last.as_mut() };
            let used = usize::from(last.data_off) + usize::from(last.data_len);
            if used + n > usize::from(last.buf_len) {
                return None;
            }
            // SAFETY: `used` is within the room.
            let end = unsafe { last.buf_addr.cast::<u8>().add(used) };
            last.data_len += n16;
            end
        };
        self.head_mut().pkt_len += u32::from(n16);
        // SAFETY: `n` bytes from `end` are within the room and ours; set first, as in `prepend`.
        unsafe {
            std::ptr::write_bytes(end, 0, n);
            Some(std::slice::from_raw_parts_mut(end, n))
        }
    }

    fn trim_front(&mut self, n: usize) -> bool {
        if n > self.total_len() || self.shared() {
            return false;
        }
        if n > usize::from(self.head().data_len) && !self.linearize() {
            return false;
        }
        let head = self.head_mut();
        head.data_off += n as u16;
        head.data_len -= n as u16;
        head.pkt_len -= n as u32;
        true
    }

    fn truncate(&mut self, len: usize) -> bool {
        if len > self.total_len() || self.shared() {
            return false;
        }
        let mut left = len;
        let mut kept = 1;
        let mut segment = self.0;
        let rest = loop {
            // SAFETY: every segment of a packet that is ours alone lives, until it is freed below.
            let this = unsafe { segment.as_mut() };
            if left <= usize::from(this.data_len) {
                this.data_len = left as u16;
                break std::mem::replace(&mut this.next, std::ptr::null_mut());
            }
            left -= usize::from(this.data_len);
            match NonNull::new(this.next) {
                Some(next) => segment = next,
                None => break std::ptr::null_mut(),
            }
            kept += 1;
        };
        if !rest.is_null() {
            // SAFETY: unlinked above, so freed once.
            unsafe { ffi::_rte_pktmbuf_free(rest) };
        }
        let head = self.head_mut();
        head.nb_segs = kept;
        head.pkt_len = len as u32;
        true
    }

    fn copy(&self) -> Option<Self> {
        // SAFETY: a received or allocated packet's pool lives as long as its queues; a buffer comes with one reference,
        // which the frame owns.
        let raw = NonNull::new(unsafe { ffi::_rte_pktmbuf_alloc(self.head().pool) })?;
        // SAFETY: as above.
        let mut copy = unsafe { Self::from_raw(raw) };
        let mut room = copy.append(self.total_len())?;
        let mut next = Some(self.0);
        while let Some(segment) = next {
            // SAFETY: every segment of a packet of which we own a reference lives, and nobody writes it meanwhile.
            let segment = unsafe { segment.as_ref() };
            // SAFETY: the segment holds `data_len` initialised bytes from its start.
            let bytes = unsafe { std::slice::from_raw_parts(start(segment), usize::from(segment.data_len)) };
            let (part, rest) = room.split_at_mut_checked(bytes.len())?;
            part.copy_from_slice(bytes);
            (room, next) = (rest, NonNull::new(segment.next));
        }
        Some(copy)
    }

    fn share(&self) -> Self {
        // SAFETY: adds the reference that the new frame owns.
        unsafe { ffi::shim_pktmbuf_share(self.0.as_ptr()) };
        Self(self.0)
    }

    #[inline]
    fn rss_hash(&self) -> Option<u32> {
        let head = self.head();
        (head.ol_flags & ffi::SHIM_MBUF_RX_RSS_HASH != 0).then_some(head.hash_rss)
    }

    #[inline]
    fn stripped_vlan(&self) -> Option<u16> {
        let head = self.head();
        (head.ol_flags & ffi::SHIM_MBUF_RX_VLAN_STRIPPED != 0).then_some(head.vlan_tci)
    }

    #[inline]
    fn ip_checksum_ok(&self) -> Option<bool> {
        match self.head().ol_flags & ffi::SHIM_MBUF_RX_IP_CKSUM_MASK {
            ffi::SHIM_MBUF_RX_IP_CKSUM_GOOD => Some(true),
            ffi::SHIM_MBUF_RX_IP_CKSUM_BAD => Some(false),
            _ => None,
        }
    }

    fn request_checksum(&mut self, l2: usize, l3: usize, udp: bool) -> bool {
        let needed = l2 + l3 + if udp { udp_header::LENGTH } else { 0 };
        if l2 >= 1 << 7
            || !(ipv4::LENGTH..1 << 9).contains(&l3)
            || self.data().len() < needed
            || self.shared()
        {
            return false;
        }
        let (ip, rest) = self.data_mut()[l2..].split_at_mut(l3);
        ip[ipv4::offset::CHECKSUM..][..2].fill(0);
        if udp {
            // The device adds the datagram to the sum of the pseudo header (RFC 768), which it finds here.
            let addresses = &ip[ipv4::offset::SOURCE..ipv4::LENGTH];
            let length = &rest[udp_header::offset::LENGTH..][..2];
            let sum = addresses
                .chunks(2)
                .chain([&[0, ip[ipv4::offset::PROTOCOL]][..], length])
                .fold(0, |sum, word| sum + u32::from(u16::from_be_bytes([word[0], word[1]])));
            let folded = (sum & 0xffff) + (sum >> 16);
            let folded = ((folded & 0xffff) + (folded >> 16)) as u16;
            rest[udp_header::offset::CHECKSUM..][..2].copy_from_slice(&folded.to_be_bytes());
        }
        let head = self.head_mut();
        head.ol_flags &= !(ffi::SHIM_MBUF_TX_L4_MASK);
        head.ol_flags |= ffi::SHIM_MBUF_TX_IPV4
            | ffi::SHIM_MBUF_TX_IP_CKSUM
            | if udp { ffi::SHIM_MBUF_TX_UDP_CKSUM } else { 0 };
        head.tx_offload = l2 as u64 | (l3 as u64) << 7;
        true
    }
}
