//! The three things that safe Rust cannot say: prefetch, the time-stamp counter, huge-page memory.
