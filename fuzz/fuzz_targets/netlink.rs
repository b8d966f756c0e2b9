//! Any bytes as what the kernel notifies of: links, addresses, routes, next-hop objects, neighbours. A view that follows each
//! message must be the one that is made of all of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|datagrams: &[u8]| control::host::fuzz_netlink(datagrams));
