//! Messages: the recorded fields, round trips in both directions, and bytes of any kind.

use std::net::Ipv4Addr;

use common::wire::mobile_ip::{
    AuthKind, Code, DecodeError, EncodeError, Extension, Extensions, Flags, Message, RRQ_FIXED, Reply,
    Request, Vendor,
};
use proptest::{collection::vec, prelude::*};

use super::vector::{find, messages, payload};

fn class(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Short { .. } => "short",
        DecodeError::Kind { .. } => "kind",
        DecodeError::ExtTruncated { .. } => "truncated",
        DecodeError::ExtOverrun { .. } => "overrun",
        DecodeError::UnknownNonSkippable { .. } => "non-skippable",
        DecodeError::AuthTooShort { .. } => "auth-too-short",
    }
}

#[test]
fn every_record_is_read_and_written_again_or_refused_as_recorded() {
    let records = messages();
    assert_eq!(records.len(), 47);
    for record in records {
        let (id, bytes) = (&record["id"], payload(&record));
        match Message::decode(&bytes) {
            Ok(message) => {
                assert_eq!(record.get("refused"), None, "{id}");
                assert_eq!(message.encode().unwrap(), bytes, "{id}");
            }
            Err(error) => assert_eq!(record["refused"], class(error), "{id}"),
        }
    }
}

#[test]
fn recorded_fields_are_read() {
    let mut seen = 0;
    for record in messages() {
        let fields = &record["fields"];
        let (Some(fields), Ok(Message::Request(request))) =
            (fields.as_object(), Message::decode(&payload(&record)))
        else {
            continue;
        };
        for (name, want) in fields {
            let got = match name.as_str() {
                "flags" => request.flags.to_string().chars().filter(|c| c.is_uppercase()).collect(),
                "lifetime" => {
                    assert_eq!(want, request.lifetime);
                    continue;
                }
                "home" => request.home_address.to_string(),
                "ha" => request.home_agent.to_string(),
                "coa" => request.care_of.to_string(),
                "identification" => format!("{:016x}", request.identification),
                "nai" => String::from_utf8(request.nai().unwrap().to_vec()).unwrap(),
                _ => continue,
            };
            assert_eq!(*want, got, "{} {name}", record["id"]);
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

fn extensions(id: &str) -> Vec<Extension> {
    match Message::decode(&find(id)).unwrap() {
        Message::Request(request) => request.extensions,
        Message::Reply(reply) => reply.extensions,
    }
}

#[test]
fn recorded_extensions_have_their_meaning() {
    let vip = Ipv4Addr::new(10, 1, 1, 10);
    let dynamic = |long, sub_type, address| Extension::DynamicHa { long, sub_type, address };
    assert_eq!(extensions("RRQ-13")[0], dynamic(true, 1, vip));
    assert_eq!(extensions("RRQ-26")[0], dynamic(false, 1, vip));
    assert_eq!(extensions("RRP-04")[1], dynamic(true, 2, Ipv4Addr::new(10, 1, 1, 52)));
    let vendor = |kind, vendor_type, value: &[u8]| {
        Extension::Vendor(Vendor { kind, reserved: 0, vendor: 9, vendor_type, value: value.to_vec() })
    };
    assert_eq!(extensions("RRQ-08")[1], vendor(134, 1, &[0xde, 0xad, 0xbe, 0xef]));
    assert_eq!(extensions("RRQ-09")[1], vendor(38, 30583, &[1, 2]));
    assert_eq!(extensions("RRQ-14")[..2], [Extension::Pad, Extension::Pad]);
    let request = Extension::UdpTunnelRequest { reserved: 0, flags: 0, encapsulation: 4, reserved2: 0 };
    assert_eq!(extensions("RRQ-17")[0], request);
    assert_eq!(extensions("RRP-05")[0], Extension::UdpTunnelReply { code: 0, flags: 0, keepalive: 110 });
    let cdma = extensions("RRQ-07");
    assert!(matches!(cdma[2], Extension::Challenge(ref challenge) if challenge.len() == 16));
    assert!(matches!(cdma[3], Extension::Generalised { sub_type: 1, spi: 2, .. }));
    assert!(matches!(cdma[4], Extension::Auth { kind: AuthKind::ForeignHome, spi: 0x200, .. }));
}

#[test]
fn codes_and_flags_read_as_the_field_says_them() {
    let Message::Reply(reply) = Message::decode(&find("RRP-03")).unwrap() else { panic!() };
    assert_eq!(reply.code, Code::IDENTIFICATION);
    assert_eq!(reply.code.to_string(), "133 (identification mismatch)");
    assert!(Code(1).is_accepted() && !Code(2).is_accepted());
    assert_eq!(Code(96).text(), "denied by the foreign agent");
    assert_eq!(Flags::from_letters("dgT"), Some(Flags::CO_LOCATED | Flags::GRE | Flags::REVERSE_TUNNEL));
    assert_eq!(Flags::from_letters("q"), None);
    assert_eq!(Flags(0x2a).to_string(), "sbDmGrTx");
}

#[test]
fn what_would_be_read_otherwise_is_not_written() {
    let mut out = vec![9];
    let mut refuse = |extension: Extension, why| {
        assert_eq!(extension.encode(&mut out), Err(why), "{extension:?}");
        assert_eq!(out, [9]);
    };
    refuse(Extension::Nai(vec![b'n'; 256]), EncodeError::TooLong { kind: 131, length: 256 });
    refuse(Extension::Other { kind: 0, data: vec![] }, EncodeError::Shape { kind: 0 });
    refuse(Extension::Other { kind: 38, data: vec![] }, EncodeError::Shape { kind: 38 });
    refuse(Extension::Other { kind: 100, data: vec![] }, EncodeError::Shape { kind: 100 });
    refuse(Extension::Other { kind: 139, data: vec![0, 4] }, EncodeError::Shape { kind: 139 });
    for (long, sub_type) in [(false, 0), (false, 3), (true, 0), (true, 3)] {
        let address = std::net::Ipv4Addr::LOCALHOST;
        refuse(Extension::DynamicHa { long, sub_type, address }, EncodeError::Shape { kind: 139 });
    }
}

#[test]
fn a_message_of_another_kind_is_told_from_a_short_one() {
    let (request, reply) = ([&[1_u8][..], &[0; 23]].concat(), [&[3_u8][..], &[0; 19]].concat());
    assert_eq!(Request::decode(&reply), Err(DecodeError::Kind { kind: 3 }));
    assert_eq!(Reply::decode(&request), Err(DecodeError::Kind { kind: 1 }));
    assert_eq!(Request::decode(&request[..23]), Err(DecodeError::Short { need: 24, got: 23 }));
    assert_eq!(Reply::decode(&reply[..19]), Err(DecodeError::Short { need: 20, got: 19 }));
    assert_eq!(Request::decode(&[]), Err(DecodeError::Short { need: 24, got: 0 }));
    assert!(Request::decode(&request).is_ok() && Reply::decode(&reply).is_ok());
}

#[test]
fn a_cut_message_is_refused_or_ends_between_extensions() {
    for record in messages().into_iter().filter(|record| record.get("refused").is_none()) {
        let bytes = payload(&record);
        let whole = Message::decode(&bytes).unwrap().encode().unwrap();
        for length in 0..bytes.len() {
            if let Ok(message) = Message::decode(&bytes[..length]) {
                assert_eq!(message.encode().unwrap(), whole[..length], "{} {length}", record["id"]);
            }
        }
    }
}

fn extension() -> impl Strategy<Value = Extension> {
    let kind =
        prop_oneof![Just(AuthKind::MobileHome), Just(AuthKind::MobileForeign), Just(AuthKind::ForeignHome)];
    let data = || vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(Extension::Pad),
        (kind, any::<u32>(), data()).prop_map(|(kind, spi, authenticator)| Extension::Auth {
            kind,
            spi,
            authenticator
        }),
        (any::<u8>(), any::<u32>(), vec(any::<u8>(), 0..400)).prop_map(|(sub_type, spi, authenticator)| {
            Extension::Generalised { sub_type, spi, authenticator }
        }),
        (any::<u8>(), any::<u16>(), any::<u32>(), data()).prop_map(
            |(reserved, vendor_type, vendor, value)| {
                let reserved = reserved.into();
                Extension::Vendor(Vendor { kind: 38, reserved, vendor, vendor_type, value })
            }
        ),
        (any::<u16>(), any::<u16>(), any::<u32>(), data()).prop_map(
            |(reserved, vendor_type, vendor, value)| {
                Extension::Vendor(Vendor { kind: 134, reserved, vendor, vendor_type, value })
            }
        ),
        (any::<u8>(), any::<u16>(), any::<u16>())
            .prop_map(|(code, flags, keepalive)| Extension::UdpTunnelReply { code, flags, keepalive }),
        data().prop_map(Extension::Nai),
        data().prop_map(Extension::Challenge),
        (any::<u16>(), any::<u32>())
            .prop_map(|(flags, timestamp)| Extension::Revocation { flags, timestamp }),
        (any::<bool>(), 1..=2_u8, any::<u32>()).prop_map(|(long, sub_type, address)| {
            Extension::DynamicHa { long, sub_type, address: address.into() }
        }),
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>()).prop_map(
            |(reserved, flags, encapsulation, reserved2)| {
                Extension::UdpTunnelRequest { reserved, flags, encapsulation, reserved2 }
            }
        ),
        (148..=255_u8, data()).prop_map(|(kind, data)| Extension::Other { kind, data }),
        (40..=43_u8, any::<u8>(), data()).prop_map(|(kind, sub_type, data)| Extension::OtherLong {
            kind,
            sub_type,
            data
        }),
    ]
}

prop_compose! {
    fn request()(flags: u8, lifetime: u16, home: u32, agent: u32, care_of: u32, identification: u64,
                 extensions in vec(extension(), 0..8)) -> Request {
        Request {
            flags: Flags(flags),
            lifetime,
            home_address: home.into(),
            home_agent: agent.into(),
            care_of: care_of.into(),
            identification,
            extensions,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(request in request(), code: u8) {
        prop_assert_eq!(Request::decode(&request.encode().unwrap()), Ok(request.clone()));
        let reply = Reply {
            code: Code(code),
            lifetime: request.lifetime,
            home_address: request.home_address,
            home_agent: request.home_agent,
            identification: request.identification,
            extensions: request.extensions,
        };
        prop_assert_eq!(Reply::decode(&reply.encode().unwrap()), Ok(reply));
    }

    #[test]
    fn what_is_read_is_written_again(mut bytes in vec(any::<u8>(), 0..400), kind in 0..4_u8, few in 0..8_u8) {
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        // Small numbers, so that lengths often fit.
        for byte in bytes.iter_mut().skip(RRQ_FIXED).filter(|byte| **byte % 8 < few) {
            *byte %= 6;
        }
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn extensions_lie_where_they_say(request in request()) {
        let bytes = request.encode().unwrap();
        let mut at = RRQ_FIXED;
        for located in Extensions::new(&bytes, RRQ_FIXED) {
            let located = located.unwrap();
            prop_assert_eq!(located.offset, at);
            at = located.data_offset() + located.data.len();
        }
        prop_assert_eq!(at, bytes.len());
    }
}
