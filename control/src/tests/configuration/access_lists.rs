//! `access-list` and `ip access-list`.

use super::*;

fn after(lines: &[&str]) -> String {
    Harness::configuring(lines).text()
}

/// Why the last of these lines is refused.
fn refused(lines: &[&str]) -> String {
    let (last, before) = lines.split_last().unwrap();
    let reply = Harness::configuring(before).run(last);
    assert!(reply.error.is_some(), "{last} was accepted");
    reply.text
}

#[test]
fn numbered_lists_are_written_as_they_are_entered() {
    let lines = [
        "access-list 10 remark of the foreign agents",
        "access-list 10 permit 15.1.1.51",
        "access-list 10 permit 15.1.2.0 0.0.0.255",
        "access-list 10 deny any",
        "access-list 101 permit ip host 10.1.1.10 host 10.1.1.51",
        "access-list 101 deny udp any range 1000 2000 10.0.0.0 0.255.255.255 eq 434",
        "access-list 1300 permit any",
        "access-list 2000 permit 89 any any",
    ];
    assert_eq!(after(&lines), lines.join("\n") + "\n!\n");
}

#[test]
fn what_says_the_same_is_written_in_one_way() {
    for (entered, written) in [
        ("access-list 10 permit host 15.1.1.51", "access-list 10 permit 15.1.1.51"),
        ("access-list 10 permit 15.1.1.51 0.0.0.0", "access-list 10 permit 15.1.1.51"),
        ("access-list 10 permit 15.1.1.51 255.255.255.255", "access-list 10 permit any"),
        ("access-list 10 permit 15.1.1.51 0.0.0.255", "access-list 10 permit 15.1.1.0 0.0.0.255"),
        ("access-list 101 permit 17 any any", "access-list 101 permit udp any any"),
        ("access-list 101 permit udp any any eq mobile-ip", "access-list 101 permit udp any any eq 434"),
        ("access-list 101 permit tcp 10.1.1.1 0.0.0.0 any", "access-list 101 permit tcp host 10.1.1.1 any"),
    ] {
        assert_eq!(after(&[entered]), format!("{written}\n!\n"), "{entered}");
    }
}

#[test]
fn entries_of_a_list_have_numbers_and_are_edited_by_them() {
    let lines =
        ["ip access-list standard AWAY", "permit 15.1.1.51", "deny any", "15 permit 15.1.1.52", "remark end"];
    let list = " 10 permit 15.1.1.51\n 15 permit 15.1.1.52\n 20 deny any\n 30 remark end\n";
    assert_eq!(after(&lines), format!("ip access-list standard AWAY\n{list}!\n"));
    let edited = [&lines[..], &["no 10", "no deny any", "no 30"]].concat();
    assert_eq!(after(&edited), "ip access-list standard AWAY\n 15 permit 15.1.1.52\n!\n");
    // One that is there already stays where it is.
    assert_eq!(after(&[&lines[..], &["permit host 15.1.1.52"]].concat()), after(&lines));
    assert_eq!(
        after(&["ip access-list extended E", "permit ip any any"]),
        "ip access-list extended E\n 10 permit ip any any\n!\n"
    );
}

#[test]
fn a_numbered_list_with_other_numbers_is_written_as_a_block() {
    let lines = ["access-list 10 permit 15.1.1.51", "ip access-list standard 10", "5 deny 15.1.1.50"];
    assert_eq!(after(&lines), "ip access-list standard 10\n 5 deny 15.1.1.50\n 10 permit 15.1.1.51\n!\n");
    assert_eq!(
        after(&[&lines[..2], &["deny any"]].concat()),
        "access-list 10 permit 15.1.1.51\naccess-list 10 deny any\n!\n"
    );
}

#[test]
fn no_deletes_a_list() {
    for undo in ["no access-list 10", "no access-list 10 permit any", "no ip access-list standard 10"] {
        assert_eq!(after(&["access-list 10 permit any", "access-list 10 deny any", undo]), "", "{undo}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for (lines, why) in [
        (&["access-list 101 permit icmp any any eq 5"][..], "Access list 101: only tcp and udp have ports"),
        (&["access-list 101 permit udp any range 9 5 any"], "Access list 101: `range 9 5` has no ports"),
        (&["ip access-list standard 150"], "Access list 150: expected 1 to 99 or 1300 to 1999, or a name"),
        (
            &["ip access-list extended 1x"],
            "Access list 1x: a name begins with a letter and has up to 64 characters",
        ),
        (
            &["ip access-list standard A", "exit", "ip access-list extended A"],
            "Access list A: is standard already",
        ),
        (
            &["ip access-list standard A", "permit any", "10 deny any"],
            "Access list A: there is an entry 10 already",
        ),
        (
            &["ip access-list standard A", "permit any", "20 permit any"],
            "Access list A: entry 10 says the same",
        ),
        (&["ip access-list standard A", "no 10"], "Access list A: no such entry"),
        (
            &["ip access-list standard A", "2147483647 permit any", "deny any"],
            "Access list A: no number is left behind the last entry",
        ),
    ] {
        let text = refused(lines);
        assert!(text.contains(why), "{lines:?}: {text}");
    }
}

#[test]
fn the_most_is_said() {
    let entries: Vec<_> =
        (0..1000).map(|n| format!("access-list 10 permit 10.0.{}.{}", n / 250, n % 250)).collect();
    let mut lines: Vec<_> = entries.iter().map(String::as_str).collect();
    lines.push("access-list 10 deny any");
    assert!(refused(&lines).contains("Access list 10: it has 1000 entries, which is the most"));
}
