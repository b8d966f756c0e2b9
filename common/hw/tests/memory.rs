//! Page memory as its users see it.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use hw::{PageBacking, PageSlice, prefetch, tsc};

#[test]
fn memory_is_zero_shared_and_of_the_length_asked() {
    for want in [PageBacking::Plain, PageBacking::Transparent] {
        let slice = PageSlice::<[AtomicU64; 3]>::new(300_000, want).unwrap();
        assert_eq!(slice.len(), 300_000);
        assert!(slice.iter().flatten().all(|word| word.load(SeqCst) == 0));
        std::thread::scope(|scope| {
            for at in 0..2 {
                let slice = &slice;
                scope.spawn(move || slice.iter().for_each(|words| words[at].store(at as u64 + 1, SeqCst)));
            }
        });
        assert!(slice.iter().all(|[a, b, c]| (a.load(SeqCst), b.load(SeqCst), c.load(SeqCst)) == (1, 2, 0)));
        prefetch(&slice[299_999]);
    }
}

#[test]
fn no_values_and_too_many_values() {
    assert!(PageSlice::<AtomicU64>::new(0, PageBacking::Plain).unwrap().is_empty());
    assert!(PageSlice::<AtomicU64>::new(usize::MAX, PageBacking::Plain).is_err());
    assert!(PageSlice::<AtomicU64>::new(1 << 56, PageBacking::Plain).is_err());
}

#[test]
fn huge_pages_are_given_or_refused_never_replaced() {
    // Most machines have none reserved; then the answer is an error, not ordinary memory.
    if let Ok(slice) = PageSlice::<AtomicU64>::new(1, PageBacking::Huge) {
        assert!(std::ptr::from_ref(&slice[0]).addr().is_multiple_of(PageSlice::<AtomicU64>::HUGE_PAGE));
    }
}

#[test]
fn the_counter_counts() {
    let before = tsc();
    assert!((0..1000).any(|_| tsc() > before));
}
