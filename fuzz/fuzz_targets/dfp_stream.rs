//! Any bytes, in any pieces, as the DFP messages of one connection: the pieces must not matter, memory stays bounded,
//! every discarded message is counted, and what was decoded must encode to what decodes alike.
//!
//! The first byte chooses the end of the connection, the passwords and the size of the pieces.
#![no_main]

use std::time::Duration;

use common::time::Nanos;
use control::{
    dfp::{
        counter::Counters,
        inbound::{Inbound, Received},
        packet::{Header, Message, Role},
        security::{Key, Keyring},
        stream::Stream,
    },
    secret::Secret,
};

const NOW: Nanos = Nanos(1_000_000_000);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let role = if choice & 1 == 0 { Role::Manager } else { Role::Agent };
    let keys = keys(choice >> 1 & 3);
    let (whole, counters) = receive(role, &keys, choice & 8 != 0, [bytes]);
    let pieces = bytes.chunks(usize::from(choice >> 4) + 1);
    assert_eq!(receive(role, &keys, choice & 8 != 0, pieces), (whole.clone(), counters));

    let refused = whole.iter().filter(|one| !matches!(one, Received::Message(_))).count();
    assert_eq!(counters.errors(), refused as u64);
    let messages =
        whole.iter().filter_map(|one| if let Received::Message(one) = one { Some(one) } else { None });
    for decoded in messages {
        check(&decoded.message, role, &keys);
    }
    bounded(role, bytes);
});

/// A password, one that is changing, a first one that is pending, or none.
fn keys(choice: u8) -> Keyring {
    let key = |text| Key::new(&Secret::clear(text).expect("a password"));
    let mut keys = Keyring::new((choice & 1 == 1).then(|| key("Cookies")));
    if choice & 2 == 2 {
        keys.change(key("Biscuits"), Duration::from_mins(1), NOW);
    }
    keys
}

fn receive<'a>(
    role: Role,
    keys: &Keyring,
    asked: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Received>, Counters) {
    let mut inbound = Inbound::new(role);
    if asked {
        inbound.await_bind_tables();
    }
    let mut received = Vec::new();
    for mut piece in pieces {
        while let Some(one) = inbound.next(&mut piece, keys, NOW) {
            received.push(one);
        }
        assert!(piece.is_empty());
    }
    (received, *inbound.counters())
}

/// Load TLVs without hosts may make a message that is longer secured than messages are.
fn check(message: &Message, role: Role, keys: &Keyring) {
    let mut bytes = Vec::new();
    if message.encode(&mut bytes, keys.sending(NOW)).is_ok() {
        let again = Message::decode(&bytes, role, keys, NOW).expect("our own message");
        assert_eq!(again.message, *message);
    }
}

fn bounded(role: Role, bytes: &[u8]) {
    let mut stream = Stream::new(role);
    for mut piece in bytes.chunks(7) {
        while let Ok(Some(_)) = stream.next(&mut piece, NOW) {}
        assert!(stream.held() <= Header::LONGEST);
    }
}
