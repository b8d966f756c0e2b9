//! The reading of a request in the fewest steps beside the walk and the whole codec: what it reads, they read too.
#![no_main]

use common::wire::mobile_ip::{self, Message};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let Some(found) = mobile_ip::plain(payload) else { return };
    let rrq = mobile_ip::walk(payload).expect("the walk takes it too");
    assert_eq!(rrq.nai, Some(found.nai));
    assert_eq!(u32::from(rrq.home_agent), found.home_agent);
    assert!(rrq.lifetime != 0 && rrq.unknown_nonskippable == 0);
    if let Ok(Message::Request(request)) = Message::decode(payload) {
        assert_eq!(request.nai(), Some(found.nai));
    }
});
