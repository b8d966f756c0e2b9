//! Whatever is encoded decodes to itself, and nothing that is thrown at the decoder upsets it.

use std::net::Ipv4Addr;

use proptest::{collection::vec, prelude::*};

use super::*;

prop_compose! {
    fn any_host()(address: u32, bind_id: u16, weight: u16) -> Host {
        Host { address: Ipv4Addr::from(address), bind_id: BindId(bind_id), weight }
    }
}

prop_compose! {
    fn any_load()(port: u16, protocol: u8, hosts in vec(any_host(), 0..10)) -> Load {
        Load { port, protocol: Protocol(protocol), hosts }
    }
}

prop_compose! {
    fn any_entry()(bind_id: u16, client: u32, mask: u32) -> BindEntry {
        BindEntry { bind_id: BindId(bind_id), client: client.into(), mask: mask.into() }
    }
}

prop_compose! {
    fn any_table()(server: u32, port: u16, protocol: u8, entries in vec(any_entry(), 0..40)) -> BindTable {
        BindTable { server: server.into(), port, protocol: Protocol(protocol), entries }
    }
}

/// Any message that can be sent.
pub(in crate::dfp) fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        vec(any_load(), 0..12).prop_map(Message::PreferenceInfo),
        vec(any_load(), 0..12).prop_map(Message::ServerState),
        any::<Option<u32>>().prop_map(|keep_alive| Message::Parameters { keep_alive }),
        Just(Message::BindIdRequest),
        any_table().prop_map(Message::BindIdReport),
        Just(Message::BindIdChangeNotify),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(message in any_message(), password in proptest::option::of("[!->@-~]{1,64}")) {
        let secret = password.as_deref().map(key);
        let role = message.message_type().receiver().unwrap();
        let mut bytes = Vec::new();
        message.encode(&mut bytes, secret.as_ref()).unwrap();
        let proof = if secret.is_some() { Proof::Current } else { Proof::NoPassword };
        let expected = Decoded { message, proof, notes: Notes::default() };
        prop_assert_eq!(Message::decode(&bytes, role, &Keyring::new(secret), NOW), Ok(expected));
    }

    #[test]
    fn any_bit_changed_in_a_secured_message_is_noticed(message in any_message(), at: prop::sample::Index, bit in 0..8_u8) {
        let role = message.message_type().receiver().unwrap();
        let mut bytes = Vec::new();
        message.encode(&mut bytes, Some(&key("Cookies"))).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let result = Message::decode(&bytes, role, &ring("Cookies"), NOW);
        match at {
            // Not one message any more.
            0 | 4..8 => prop_assert_eq!(result, Err(DecodeError::Frame)),
            // The Key ID is the one field that the digest does not cover.
            16..20 => {
                let decoded = result.unwrap();
                prop_assert!(decoded.notes.key_id.is_some());
                prop_assert_eq!(decoded.message, message);
            }
            // A type whose limit is lower may make it no frame.
            _ => prop_assert!(matches!(result, Err(DecodeError::Security(_) | DecodeError::Frame)), "{:?}", result),
        }
    }

    #[test]
    fn decoding_is_total(kind in prop::sample::select(vec![0x0101_u16, 0x0201, 0x0301, 0x0401, 0x0402, 0x0403, 0x0500]),
                         tlvs in vec((prop::sample::select(vec![1_u16, 2, 0x0101, 0x0301, 0x0200]), 0..40_u16, vec(any::<u8>(), 0..40)), 0..8),
                         manager: bool) {
        let mut body = Vec::new();
        for (kind, length, value) in tlvs {
            body.extend(kind.to_be_bytes());
            body.extend(length.to_be_bytes());
            body.extend(value);
        }
        let mut bytes = hex(&format!("0100 {kind:04x} {:08x}", body.len() + 8));
        bytes.extend(body);
        let role = if manager { Role::Manager } else { Role::Agent };
        match decode(&bytes, role) {
            Ok(message) => prop_assert_eq!(message.message_type().receiver(), Some(role)),
            Err(error) => prop_assert!(error.class() == Class::Message || error.class() == Class::Ignore),
        }
    }
}
