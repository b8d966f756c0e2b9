//! The balancer's walk and the full codec over any bytes; what decodes must encode to the same bytes.
#![no_main]

use common::wire::mobile_ip::{self, Message};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let walked = mobile_ip::walk(payload);
    let decoded = Message::decode(payload);
    if let Ok(message) = &decoded {
        assert_eq!(message.encode().as_deref(), Ok(payload));
    }
    // The codec is the stricter of the two, except about NAIs that only the balancer needs to agree.
    if let (Ok(rrq), Ok(Message::Request(request))) = (walked, &decoded) {
        assert_eq!(rrq.nai, request.nai());
        assert_eq!(rrq.unknown_nonskippable, 0);
    }
});
