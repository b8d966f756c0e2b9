//! Broken and hostile messages: each is discarded whole, for the right reason, or skipped in part as it should.

use rstest::rstest;

use super::*;
use crate::dfp::counter::Counter;

const HOST: &str = "0a010133 ffff 0019";

fn refused(bytes: &[u8], role: Role, expected: DecodeError) {
    let error = decode(bytes, role).unwrap_err();
    assert_eq!(error, expected);
    assert_eq!((error.class(), error.counter()), (Class::Message, Counter::Malformed));
}

#[rstest]
#[case::nothing(0, "")]
#[case::short(7, "")]
#[case::other_version(1, "00")]
#[case::longer_than_its_length(0, "00")]
fn only_frames_are_messages(#[case] cut: usize, #[case] more: &str) {
    let mut bytes = hex("0100010100000008");
    if cut == 1 {
        bytes[0] = 2;
    } else if cut == 7 {
        bytes.truncate(7);
    } else if more.is_empty() {
        bytes.clear();
    } else {
        bytes.extend(hex(more));
    }
    let error = decode(&bytes, Role::Manager).unwrap_err();
    assert_eq!(
        (error, error.class(), error.counter()),
        (DecodeError::Frame, Class::Framing, Counter::BadLength)
    );
}

#[rstest]
#[case::version_0(0, FramingError::Version(0))]
#[case::version_2(2, FramingError::Version(2))]
#[case::tls(0x16, FramingError::Version(0x16))]
#[case::http(b'G', FramingError::Version(0x47))]
#[case::ssh(b'S', FramingError::Version(0x53))]
fn another_version_is_no_frame(#[case] version: u8, #[case] expected: FramingError) {
    let header = [version, 0, 1, 1, 0, 0, 0, 8];
    assert_eq!(Header::read(&header, Role::Manager), Err(expected));
}

#[rstest]
fn lengths_below_the_header_are_no_frame(#[values(0, 1, 2, 3, 4, 5, 6, 7)] length: u32) {
    bad_length(0x0101, length, Role::Manager);
}

#[rstest]
#[case(0x0101, 4097, Role::Manager)]
#[case(0x0101, 0x8000_0008, Role::Manager)]
#[case(0x0101, 0xffff_ffff, Role::Manager)]
#[case(0x0601, 4097, Role::Manager)]
#[case(0x0402, 65_601, Role::Manager)]
#[case::the_long_limit_is_a_managers(0x0402, 4097, Role::Agent)]
fn lengths_above_the_limit_are_no_frame(#[case] kind: u16, #[case] length: u32, #[case] role: Role) {
    bad_length(kind, length, role);
}

fn bad_length(kind: u16, length: u32, role: Role) {
    let header = hex(&format!("0100 {kind:04x} {length:08x}"));
    assert_eq!(Header::read(header.first_chunk().unwrap(), role), Err(FramingError::Length(length)));
}

#[rstest]
#[case(0x0101, 4096, Role::Manager)]
#[case(0x0402, 65_600, Role::Manager)]
#[case(0x0402, 4096, Role::Agent)]
#[case(0x0301, 8, Role::Agent)]
fn lengths_at_the_limits_are_frames(#[case] kind: u16, #[case] length: usize, #[case] role: Role) {
    let header = hex(&format!("0100 {kind:04x} {length:08x}"));
    let read = Header::read(header.first_chunk().unwrap(), role);
    assert_eq!(read, Ok(Header { message_type: MessageType(kind), length, reserved: 0 }));
}

#[rstest]
fn bytes_too_few_for_a_tlv_are_malformed(#[values(1, 2, 3)] left: usize) {
    let tlvs = format!("0200 0004 {}", "00".repeat(left));
    refused(&message(0x0101, &tlvs), Role::Manager, DecodeError::TlvHeader { left });
}

#[rstest]
fn tlv_lengths_below_the_header_are_malformed(#[values(0, 1, 2, 3)] length: u16) {
    let tlvs = format!("0002 {length:04x} 01b21100 00010000 {HOST}");
    refused(&message(0x0101, &tlvs), Role::Manager, DecodeError::TlvLength { tlv: 2, length });
}

#[test]
fn the_zero_table_of_the_reference_agent_is_no_licence_for_others() {
    let zeros = "00".repeat(16);
    let zero = DecodeError::TlvLength { tlv: 0, length: 0 };
    refused(&message(0x0101, &zeros), Role::Manager, zero);
    refused(&message(0x0402, &"00".repeat(12)), Role::Manager, zero);
    refused(&message(0x0402, &"00".repeat(20)), Role::Manager, zero);
    let mut secured = message(0x0402, &format!("0001001c0000000100000000 {} {zeros}", "00".repeat(16)));
    key("Cookies").sign(&mut secured);
    assert_eq!(Message::decode(&secured, Role::Manager, &ring("Cookies"), NOW), Err(zero));
}

#[rstest]
#[case(0x0002, 21)]
#[case(0x0002, 0xffff)]
#[case(0x0299, 0xffff)]
fn tlvs_beyond_the_message_are_malformed(#[case] tlv: u16, #[case] length: u16) {
    let tlvs = format!("{tlv:04x} {length:04x} 01b21100 00010000 {HOST}");
    refused(&message(0x0101, &tlvs), Role::Manager, DecodeError::TlvLength { tlv, length });
}

#[rstest]
#[case::below_12("0002 0008 01b21100", 8)]
#[case::no_room_for_the_count("0002 0004", 4)]
#[case::host_without_place("0002 000c 01b21100 00010000", 12)]
#[case::place_without_host("0002 0014 01b21100 00000000 0a010133 ffff0019", 20)]
#[case::half_a_host("0002 0010 01b21100 00010000 0a010133", 16)]
#[case::count_65535("0002 0014 01b21100 ffff0000 0a010133 ffff0019", 20)]
#[case::count_that_wraps_16_bits("0002 0014 01b21100 20010000 0a010133 ffff0019", 20)]
fn load_tlvs_of_another_size_are_malformed(#[case] tlvs: &str, #[case] length: usize) {
    refused(&message(0x0101, tlvs), Role::Manager, DecodeError::TlvSize { tlv: "Load", length });
    refused(&message(0x0201, tlvs), Role::Agent, DecodeError::TlvSize { tlv: "Load", length });
}

#[rstest]
#[case("0101 0004", 4)]
#[case("0101 0007 000000", 7)]
#[case("0101 000c 00000003 00000000", 12)]
fn keep_alive_tlvs_of_another_size_are_malformed(#[case] tlvs: &str, #[case] length: usize) {
    refused(&message(0x0301, tlvs), Role::Agent, DecodeError::TlvSize { tlv: "Keep-Alive", length });
}

#[rstest]
#[case("0301 0004", 4)]
#[case("0301 000c 01010101 00500600", 12)]
#[case("0301 0010 01010101 00500600 00010000", 16)]
#[case("0301 001c 01010101 00500600 00000000 000000000000000000000000", 28)]
#[case("0301 0010 01010101 00500600 15560000", 16)]
fn bind_tables_of_another_size_are_malformed(#[case] tlvs: &str, #[case] length: usize) {
    refused(&message(0x0402, tlvs), Role::Manager, DecodeError::TlvSize { tlv: "BindID Table", length });
    // A second table has no meaning, but must be sound.
    let second = format!("0301 0010 01010101 00500600 00000000 {tlvs}");
    refused(&message(0x0402, &second), Role::Manager, DecodeError::TlvSize { tlv: "BindID Table", length });
}

fn loads(counts: &[usize]) -> String {
    let one = |n: &usize| format!("0002 {:04x} 01b21100 {n:04x}0000 {}", 12 + 8 * n, HOST.repeat(*n));
    counts.iter().map(one).collect()
}

#[test]
fn hosts_are_counted_over_all_load_tlvs() {
    for good in [&[128][..], &[64, 0, 64], &[1; 128]] {
        let Message::PreferenceInfo(read) = decode(&message(0x0101, &loads(good)), Role::Manager).unwrap()
        else {
            panic!("no report")
        };
        assert_eq!(read.iter().map(|load| load.hosts.len()).collect::<Vec<_>>(), good);
    }
    for bad in [&[129][..], &[64, 65], &[1; 129]] {
        refused(&message(0x0101, &loads(bad)), Role::Manager, DecodeError::TooManyHosts);
    }
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(2)]
#[case(2_863_312)]
#[case(u32::MAX)]
fn any_keep_alive_time_is_read(#[case] seconds: u32) {
    let bytes = message(0x0301, &format!("0101 0008 {seconds:08x}"));
    assert_eq!(decode(&bytes, Role::Agent), Ok(Message::Parameters { keep_alive: Some(seconds) }));
}

#[test]
fn of_several_keep_alive_tlvs_the_last_counts_and_none_changes_nothing() {
    let several = message(0x0301, "0101 0008 00000005 0101 0008 00000007");
    assert_eq!(decode(&several, Role::Agent), Ok(Message::Parameters { keep_alive: Some(7) }));
    let none = message(0x0301, "");
    assert_eq!(decode(&none, Role::Agent), Ok(Message::Parameters { keep_alive: None }));
}

#[rstest]
fn unknown_types_are_discarded(#[values(0, 0x0102, 0x0404, 0x0500, 0x05ff, 0x0601)] kind: u16) {
    for role in [Role::Agent, Role::Manager] {
        // Their TLVs mean nothing, so not even broken ones are an error.
        let error = decode(&message(kind, "0002 0000"), role).unwrap_err();
        assert_eq!(error, DecodeError::UnknownType(MessageType(kind)));
        assert_eq!((error.class(), error.counter()), (Class::Ignore, Counter::UnknownType));
    }
}

#[rstest]
#[case(0x0101, Role::Manager)]
#[case(0x0201, Role::Agent)]
#[case(0x0301, Role::Agent)]
#[case(0x0401, Role::Agent)]
#[case(0x0402, Role::Manager)]
#[case(0x0403, Role::Manager)]
fn each_type_has_one_receiver(#[case] kind: u16, #[case] receiver: Role) {
    let other = if receiver == Role::Agent { Role::Manager } else { Role::Agent };
    let bytes = message(kind, "");
    assert!(decode(&bytes, receiver).is_ok());
    // A message reflected to its sender is one of these; its TLVs are not read.
    let error = decode(&message(kind, "0002 0000"), other).unwrap_err();
    assert_eq!(error, DecodeError::WrongDirection(MessageType(kind)));
    assert_eq!((error.class(), error.counter()), (Class::Ignore, Counter::WrongDirection));
}

#[test]
fn unknown_and_misplaced_tlvs_are_skipped_by_their_length() {
    let load = format!("0002 0014 01b21100 00010000 {HOST}");
    // User-defined, Keep-Alive of a size that would be wrong at its place, BindID Table alike, and one of odd size.
    let tlvs = format!("02ff 0004 0101 0004 {load} 0301 0005 77 fffe 0007 123456");
    let decoded = Message::decode(&message(0x0101, &tlvs), Role::Manager, &Keyring::default(), NOW).unwrap();
    let hosts = vec![host([10, 1, 1, 51], 65535, 25)];
    let expected = Message::PreferenceInfo(vec![Load { port: 434, protocol: Protocol::UDP, hosts }]);
    assert_eq!((decoded.message, decoded.notes.skipped), (expected, 4));
    let request = Message::decode(&message(0x0401, &load), Role::Agent, &Keyring::default(), NOW).unwrap();
    assert_eq!((request.message, request.notes.skipped), (Message::BindIdRequest, 1));
}

#[test]
fn a_report_holds_one_table() {
    let tables = "0301 0010 01010101 00500600 00000000 0301 0010 02020202 00510600 00000000";
    let decoded = Message::decode(&message(0x0402, tables), Role::Manager, &Keyring::default(), NOW).unwrap();
    let Message::BindIdReport(table) = decoded.message else { panic!("no report") };
    assert_eq!((table.port, decoded.notes.skipped), (80, 1));
}

#[rstest]
#[case::header("0101 0101 00000008", Role::Manager)]
#[case::load_flags("0100 0101 00000014 0002 000c 0000 00 01 0000 0000", Role::Manager)]
#[case::load_reserved("0100 0101 00000014 0002 000c 0000 00 00 0000 0001", Role::Manager)]
#[case::table_first("0100 0402 00000018 0301 0010 01010101 0050 06 01 0000 0000", Role::Manager)]
#[case::table_second("0100 0402 00000018 0301 0010 01010101 0050 06 00 0000 0100", Role::Manager)]
#[case::entry(
    "0100 0402 00000024 0301 001c 01010101 0050 06 00 0001 0000 0001 0001 00000000 00000000",
    Role::Manager
)]
fn reserved_bytes_are_accepted_and_noted(#[case] bytes: &str, #[case] role: Role) {
    let decoded = Message::decode(&hex(bytes), role, &Keyring::default(), NOW).unwrap();
    assert_eq!(decoded.notes, Notes { reserved: true, ..Notes::default() });
}

#[test]
fn security_comes_before_direction_and_type_and_tlvs() {
    let keys = ring("Cookies");
    for (kind, tlvs) in [(0x0101, ""), (0x0601, ""), (0x0301, "0101 0000"), (0x0401, "0000 0000")] {
        let missing = Err(DecodeError::Security(SecurityError::Missing));
        assert_eq!(Message::decode(&message(kind, tlvs), Role::Agent, &keys, NOW), missing);
    }
    let signed = |kind, tlvs: &str| {
        let mut bytes = message(kind, &format!("0001001c0000000100000000 {} {tlvs}", "00".repeat(16)));
        key("Cookies").sign(&mut bytes);
        Message::decode(&bytes, Role::Agent, &keys, NOW)
    };
    assert_eq!(signed(0x0101, "0000"), Err(DecodeError::WrongDirection(MessageType::PREFERENCE_INFO)));
    assert_eq!(signed(0x0601, "0000"), Err(DecodeError::UnknownType(MessageType(0x0601))));
    assert_eq!(signed(0x0401, "0000"), Err(DecodeError::TlvHeader { left: 2 }));
}

#[test]
fn a_second_security_tlv_counts_only_under_a_password() {
    let second = "0001 0004";
    let mut bytes = message(0x0401, &format!("0001001c0000000100000000 {} {second}", "00".repeat(16)));
    key("Cookies").sign(&mut bytes);
    let error = Message::decode(&bytes, Role::Agent, &ring("Cookies"), NOW).unwrap_err();
    assert_eq!((error, error.class()), (DecodeError::SecondSecurity, Class::Message));
    assert_eq!(decode(&bytes, Role::Agent), Ok(Message::BindIdRequest));
    // Not first, without a password: skipped.
    assert_eq!(decode(&message(0x0401, "0200 0004 0001 0004"), Role::Agent), Ok(Message::BindIdRequest));
}
