//! Configuration files.

use super::*;

#[test]
fn indentation_is_free_and_comments_begin_lines() {
    let text = "! a comment\n\n      hostname d1\ninterface Ethernet0\r\n  ! inside\nip address 10.1.1.1 255.0.0.0\n\
                \t\tdescription a ! b\nno shutdown\n!\n  management\n http 127.0.0.1:1\nend\nnonsense after the end\n";
    let loaded = load::<Configuration>("f", text).unwrap();
    assert_eq!(
        loaded.configuration.running_config(),
        "hostname d1\n!\ninterface Ethernet0\n description a ! b\n ip address 10.1.1.1 255.0.0.0\n no shutdown\n!\n\
         management\n http 127.0.0.1:1\n!\n"
    );
}

#[test]
fn errors_show_file_line_column_and_what_was_expected() {
    let text = "hostname d1\ninterface Ethernet0\n  mtu 70000\n  mtu\n  rx 5\ndataplane\n\thugepages maybe\n flows 9999\n";
    let errors = load::<Configuration>("d.conf", text).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "d.conf:3:7: invalid input, expected <576-9600>\n    mtu 70000\n        ^",
            "d.conf:4:6: incomplete command, expected <576-9600>\n    mtu\n       ^",
            "d.conf:5:3: ambiguous command, may be rx-descriptors, rx-queues\n    rx 5\n    ^",
            "d.conf:7:12: invalid input, expected auto, off, required\n   hugepages maybe\n             ^",
            "d.conf:8: % flows is not supported\n   flows 9999",
        ]
    );
}

#[test]
fn a_bad_line_loads_nothing_and_at_most_twenty_are_listed() {
    assert_eq!(load::<Configuration>("f", &"nonsense\n".repeat(1000)).unwrap_err().len(), 20);
    let errors = load::<Configuration>("f", "hostname d1\nnonsense\n").unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 2));
}

#[test]
fn the_whole_is_checked_when_every_line_is_good() {
    // A subinterface may stand before its parent.
    let good = "interface e0.5\n encapsulation dot1q 5\ninterface e0\n device net_null0\n";
    assert!(load::<Configuration>("f", good).is_ok());
    let errors = load::<Configuration>("f", "interface e0.5\n encapsulation dot1q 5\n").unwrap_err();
    assert_eq!(errors[0].to_string(), "f: % Ethernet0.5: Ethernet0 has no device");
}

#[test]
fn sizes_are_bounded() {
    let long = format!("hostname {}\n", "x".repeat(LINE_LIMIT));
    assert_eq!(
        load::<Configuration>("f", &long).unwrap_err()[0].to_string(),
        "f:1: line longer than 4096 bytes\n  "
    );
    assert!(load::<Configuration>("f", &"!\n".repeat(FILE_LINES)).is_ok());
    let many = load::<Configuration>("f", &"!\n".repeat(FILE_LINES + 1)).unwrap_err();
    assert_eq!(many[0].to_string(), "f: more than 131072 lines");
    let big = load::<Configuration>("f", &" ".repeat(FILE_LIMIT + 1)).unwrap_err();
    assert_eq!(big[0].to_string(), "f: larger than 4194304 bytes");
}
