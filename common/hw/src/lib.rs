//! What safe Rust cannot say: prefetch, the time-stamp counter, half a 128-bit cell, huge-page memory, the state of the clock.
//!
//! For x86-64. Nothing here knows what the memory is for. All of Homeward's unsafe code outside the DPDK bindings is in this file.

use std::{
    io,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64},
};

use portable_atomic::AtomicU128;

/// Asks the processor to bring the cache line of `target` near; changes nothing else.
#[inline(always)]
pub fn prefetch<T>(target: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch never faults and never writes, whatever the address; this one is a valid reference.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast()) };
}

/// The time-stamp counter of this processor, in cycles of its constant rate.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC exists on every x86-64 processor and has no operands.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Whether somebody keeps the kernel's clock near the right time (NTP, PTP); none: the kernel does not say.
pub fn is_clock_synchronised() -> Option<bool> {
    // SAFETY: all of it is integers. Without modes the call changes nothing but this.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    (state >= 0).then_some(timex.status & libc::STA_UNSYNC == 0)
}

/// The 8 bytes at `AT` of some cells at some moment: a hint. A load of a whole cell is a call, this one instruction.
#[inline(always)]
pub fn half<const AT: usize, const N: usize>(cells: &[AtomicU128; N]) -> u64 {
    const { assert!(AT.is_multiple_of(8) && AT < 16 * N) };
    let half: u64;
    // SAFETY: reads 8 bytes of cells that live. In assembly because to Rust half an atomic races with the whole.
    unsafe {
        std::arch::asm!("mov {}, [{} + {}]", out(reg) half, in(reg) cells, const AT,
            options(nostack, readonly, preserves_flags));
    }
    half
}

/// Types whose all-zero bytes are a valid value, that need no drop and may be shared between threads.
///
/// # Safety
/// The implementer promises exactly that.
pub unsafe trait Zeroed: Sync + Send {}

// SAFETY: an atomic integer has the layout of its integer, and zero is a value of it.
unsafe impl Zeroed for AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroed for AtomicU64 {}
// SAFETY: as above; `portable_atomic::AtomicU128` is `repr(C, align(16))` around one `u128`.
unsafe impl Zeroed for AtomicU128 {}
// SAFETY: an array is its elements side by side.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}

/// Which pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageBacking {
    /// Reserved huge pages (`MAP_HUGETLB`), or an error.
    Huge,
    /// Ordinary memory that the kernel may back with transparent huge pages (`MADV_HUGEPAGE`).
    Transparent,
    /// Ordinary memory as it comes.
    Plain,
}

impl PageBacking {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Huge => "huge pages",
            Self::Transparent => "transparent huge pages",
            Self::Plain => "small pages",
        }
    }
}

/// A fixed, zeroed, shared slice in its own pages; unmapped when dropped.
#[derive(Debug)]
pub struct PageSlice<T: Zeroed> {
    start: NonNull<T>,
    len: usize,
    bytes: usize,
}

impl<T: Zeroed> PageSlice<T> {
    /// Size of a huge page in bytes.
    pub const HUGE_PAGE: usize = 2 << 20;

    /// Maps room for `len` values, in whole huge pages, and touches every page that holds one, so that no later access
    /// faults.
    ///
    /// # Errors
    /// What the kernel says: out of memory, or not enough reserved huge pages.
    pub fn new(len: usize, backing: PageBacking) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= 4096) };
        let too_big = || io::Error::from(io::ErrorKind::OutOfMemory);
        let used = len.checked_mul(size_of::<T>()).ok_or_else(too_big)?.max(1);
        let bytes = used.checked_next_multiple_of(Self::HUGE_PAGE).ok_or_else(too_big)?;
        let huge = if backing == PageBacking::Huge { libc::MAP_HUGETLB } else { 0 };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | huge;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(start.cast::<T>()).ok_or_else(too_big)?;
        let slice = Self { start: first, len, bytes };
        if backing == PageBacking::Transparent {
            // SAFETY: advice about the mapping just made; it does not change contents. A refusal leaves small pages.
            unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
        }
        let used = if backing == PageBacking::Plain { used } else { bytes };
        // SAFETY: as above; populating writes no values. A kernel before 5.14 refuses and faults pages in on use.
        let populated = unsafe { libc::madvise(start, used, libc::MADV_POPULATE_WRITE) };
        match if populated == 0 { None } else { io::Error::last_os_error().raw_os_error() } {
            None | Some(libc::EINVAL) => Ok(slice),
            // No memory; EFAULT for huge pages that a control group withholds; a bad page.
            Some(error) => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl<T: Zeroed> Deref for PageSlice<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` is a page boundary of a mapping of at least `len * size_of::<T>()` zeroed bytes that lives
        // as long as `self`; zero is a value of `T` (`Zeroed`), and writes go through shared atomics only.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> Drop for PageSlice<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size, and no reference outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: the mapping is owned by the slice alone, and its values may be sent and shared (`Zeroed`).
unsafe impl<T: Zeroed> Send for PageSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroed> Sync for PageSlice<T> {}
