//! The fixed vectors: each was made by two unrelated programs, the digests by two MD5 programs; and frames recorded
//! from Cisco's reference programs.

use std::net::Ipv4Addr;

use rstest::rstest;

use super::*;

const COOKIES: &str = "Cookies";
const KEY_56: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123";
const KEY_64: &str = "1234567890abcdefabcdef12345678901234567890abcdefabcdef1234567890";

fn udp434(last: u8, weight: u16) -> Vec<Load> {
    vec![Load { port: 434, protocol: Protocol::UDP, hosts: vec![host([10, 1, 1, last], 65535, weight)] }]
}

fn two_loads() -> Vec<Load> {
    vec![
        Load { port: 80, protocol: Protocol::TCP, hosts: vec![host([1, 1, 1, 1], 0, 65535)] },
        Load { port: 0, protocol: Protocol::ANY, hosts: vec![host([0; 4], 65534, 0)] },
    ]
}

fn one_table() -> BindTable {
    let entry =
        BindEntry { bind_id: BindId::DEFAULT, client: Ipv4Addr::UNSPECIFIED, mask: Ipv4Addr::UNSPECIFIED };
    BindTable { server: [1, 1, 1, 1].into(), port: 80, protocol: Protocol::TCP, entries: vec![entry] }
}

#[rstest]
#[case::tv1("0100010100000008", Message::PreferenceInfo(vec![]))]
#[case::tv2(
    "010001010000001c0002001401b21100000100000a010133ffff0019",
    Message::PreferenceInfo(udp434(51, 25))
)]
#[case::tv3(
    "0100010100000030000200140050060000010000010101010000ffff00020014000000000001000000000000fffe0000",
    Message::PreferenceInfo(two_loads())
)]
#[case::tv4("01000301000000100101000800000003", Message::Parameters { keep_alive: Some(3) })]
#[case::tv5("01000301000000100101000800000000", Message::Parameters { keep_alive: Some(0) })]
#[case::tv6("010002010000001c0002001401b21100000100000a010134ffff0000", Message::ServerState(udp434(52, 0)))]
#[case::tv7("0100040100000008", Message::BindIdRequest)]
#[case::tv8(
    "01000402000000240301001c010101010050060000010000000000000000000000000000",
    Message::BindIdReport(one_table())
)]
#[case::tv9("010004020000001803010010000000000000000000000000", Message::BindIdReport(BindTable::END))]
#[case::tv10("0100040300000008", Message::BindIdChangeNotify)]
fn in_clear(#[case] bytes: &str, #[case] message: Message) {
    let bytes = hex(bytes);
    let role = message.message_type().receiver().unwrap();
    let expected = Decoded { message: message.clone(), proof: Proof::NoPassword, notes: Notes::default() };
    assert_eq!(Message::decode(&bytes, role, &Keyring::default(), NOW), Ok(expected));
    let mut out = vec![0xee];
    message.encode(&mut out, None).unwrap();
    assert_eq!((out[0], &out[1..]), (0xee, &bytes[..]));
}

#[rstest]
#[case::tv11(
    COOKIES,
    "01000101000000380001001c0000000100000000de14f97cbcdb82439c7a770e54628e950002001401b21100000100000a010133ffff0019",
    Message::PreferenceInfo(udp434(51, 25))
)]
#[case::tv12(
    COOKIES,
    "01000101000000240001001c000000010000000064d3f736e9ed240f37027da9febf12a7",
    Message::PreferenceInfo(vec![])
)]
#[case::tv13(
    COOKIES,
    "010003010000002c0001001c0000000100000000ffedaded78db1205290f3689c735a43e010100080000001e",
    Message::Parameters { keep_alive: Some(30) }
)]
#[case::tv14(
    KEY_56,
    "01000401000000240001001c00000001000000004b474f9ab7ff01f5a068801a8ec6243c",
    Message::BindIdRequest
)]
#[case::tv15(
    KEY_64,
    "01000401000000240001001c0000000100000000ded19ec544d8dcecdd57a8476f00576f",
    Message::BindIdRequest
)]
fn secured(#[case] password: &str, #[case] bytes: &str, #[case] message: Message) {
    let bytes = hex(bytes);
    let role = message.message_type().receiver().unwrap();
    let expected = Decoded { message: message.clone(), proof: Proof::Current, notes: Notes::default() };
    assert_eq!(Message::decode(&bytes, role, &ring(password), NOW), Ok(expected));
    // Who has no password ignores the TLV.
    assert_eq!(decode(&bytes, role), Ok(message.clone()));
    let mut out = vec![0xee];
    message.encode(&mut out, Some(&key(password))).unwrap();
    assert_eq!((out[0], &out[1..]), (0xee, &bytes[..]));
}

#[test]
fn tv16_any_key_id_is_accepted_and_noted() {
    let bytes = hex("01000101000000380001001c0000000100000007de14f97cbcdb82439c7a770e54628e95\
         0002001401b21100000100000a010133ffff0019");
    let notes = Notes { key_id: Some(7), ..Notes::default() };
    let message = Message::PreferenceInfo(udp434(51, 25));
    let expected = Decoded { message, proof: Proof::Current, notes };
    assert_eq!(Message::decode(&bytes, Role::Manager, &ring(COOKIES), NOW), Ok(expected));
    let unchecked = Message::decode(&bytes, Role::Manager, &Keyring::default(), NOW).unwrap();
    assert_eq!(unchecked.notes, Notes::default());
}

#[test]
fn tv17_an_altered_weight_counts_only_without_password() {
    let bytes = hex("01000101000000380001001c0000000100000000de14f97cbcdb82439c7a770e54628e95\
         0002001401b21100000100000a010133ffff0018");
    let mismatch = Err(DecodeError::Security(SecurityError::Mismatch));
    assert_eq!(Message::decode(&bytes, Role::Manager, &ring(COOKIES), NOW), mismatch);
    assert_eq!(decode(&bytes, Role::Manager), Ok(Message::PreferenceInfo(udp434(51, 24))));
}

#[test]
fn recorded_from_the_reference_agent() {
    let report = hex("010001010000001c0002001400000000000100007f0000010000000a");
    let hosts = vec![host([127, 0, 0, 1], 0, 10)];
    let load = Load { port: 0, protocol: Protocol::ANY, hosts };
    assert_eq!(decode(&report, Role::Manager), Ok(Message::PreferenceInfo(vec![load])));
    let end = hex("010004020000001800000000000000000000000000000000");
    assert_eq!(decode(&end, Role::Manager), Ok(Message::BindIdReport(BindTable::END)));
}

#[test]
fn recorded_from_the_reference_manager() {
    let parameters = hex("01000301000000100101000800000001");
    assert_eq!(decode(&parameters, Role::Agent), Ok(Message::Parameters { keep_alive: Some(1) }));
    let state = hex("010002010000001c0002001400000000000100007f000001f0ca0000");
    let load = Load { port: 0, protocol: Protocol::ANY, hosts: vec![host([127, 0, 0, 1], 0xf0ca, 0)] };
    assert_eq!(decode(&state, Role::Agent), Ok(Message::ServerState(vec![load])));
    assert_eq!(decode(&hex("0100040100000008"), Role::Agent), Ok(Message::BindIdRequest));
    for (bytes, kind) in
        [("0100010100000008", 0x0101), ("0100040200000008", 0x0402), ("0100040300000008", 0x0403)]
    {
        let error = decode(&hex(bytes), Role::Agent).unwrap_err();
        assert_eq!(error, DecodeError::WrongDirection(MessageType(kind)));
        assert_eq!(error.class(), Class::Ignore);
    }
}

#[test]
fn the_type_that_the_drafts_print_for_both_is_told_by_its_table() {
    assert_eq!(decode(&hex("0100040200000008"), Role::Manager), Ok(Message::BindIdChangeNotify));
    let unknown = message(0x0402, "0200 0004");
    assert_eq!(decode(&unknown, Role::Manager), Ok(Message::BindIdChangeNotify));
    // Malformed bytes are no Change Notify.
    assert!(decode(&message(0x0402, "0200 0003"), Role::Manager).is_err());
    let mut secured = hex("01000402000000240001001c000000010000000000000000000000000000000000000000");
    key(COOKIES).sign(&mut secured);
    let decoded = Message::decode(&secured, Role::Manager, &ring(COOKIES), NOW).unwrap();
    assert_eq!((decoded.message, decoded.proof), (Message::BindIdChangeNotify, Proof::Current));
}
