//! `?` and Tab.

use super::*;

fn words(choices: &[Choice]) -> Vec<&str> {
    choices.iter().map(|choice| choice.text.as_str()).collect()
}

#[test]
fn a_question_mark_after_a_blank_lists_what_can_follow() {
    let harness = Harness::configuring(&["dataplane"]);
    assert_eq!(
        harness.shell.help("hugepages "),
        "  auto      When they are reserved\n  off       Never\n  required  Refuse to start without\n"
    );
    assert_eq!(harness.shell.help("workers "), "  <1-64>  Workers, on the last CPUs\n");
    assert_eq!(harness.shell.help("workers 4 "), "  <cr>\n");
    assert_eq!(words(&harness.shell.choices("no workers ")), ["<1-64>", "<cr>"]);
    assert_eq!(harness.shell.help("frob "), "% Unrecognized command\n");
    assert_eq!(harness.shell.help("workers 65 "), "% Unrecognized command\n");
}

#[test]
fn an_empty_line_lists_the_mode() {
    let harness = Harness::configuring(&["management"]);
    assert_eq!(
        words(&harness.shell.choices("")),
        ["default", "do", "end", "exec-timeout", "exit", "health", "http", "no", "socket"]
    );
    assert_eq!(
        words(&harness.shell.choices("health ")),
        [
            "address-conflict",
            "clock-unsynchronised",
            "descriptors",
            "device-address",
            "drops",
            "duplicate-address",
            "launcher-ended",
            "overload",
            "port-down",
            "real-arp-failed",
            "real-failed",
            "session-table",
            "tasks-died",
            "vserver-no-real",
            "worker-behind"
        ]
    );
    assert_eq!(
        harness.shell.help("health drops "),
        "  above    Only above a share\n  after    Only once it has lasted for a while\n  unready  Not ready while it \
         lasts (default false)\n"
    );
    assert_eq!(harness.shell.help("health drops above "), "  <1-99>  Percent (default 10)\n");
    assert_eq!(harness.shell.help("health real-arp-failed after "), "  <0-86400>  Seconds (default 10)\n");
    let harness = Harness::new();
    let listed = harness.shell.choices("");
    for word in ["configure", "copy", "debug", "disable", "exit", "no", "show", "terminal", "write"] {
        assert!(words(&listed).contains(&word), "{word}");
    }
}

#[test]
fn a_question_mark_glued_to_a_word_lists_its_completions() {
    let harness = Harness::configuring(&["interface e0"]);
    assert_eq!(
        harness.shell.help("rx"),
        "  rx-descriptors  Descriptors of a receive queue\n  rx-queues       Receive queues\n"
    );
    // Words of outer modes complete too.
    assert_eq!(words(&harness.shell.choices("hostn")), ["hostname"]);
    assert_eq!(words(&harness.shell.choices("do sh")), ["show"]);
    assert_eq!(words(&harness.shell.choices("no de")), ["description", "device"]);
}

#[test]
fn help_can_be_asked_as_a_line() {
    let mut harness = Harness::new();
    assert_eq!(
        harness.run("show lines ?").text,
        "  detail  Every field\n  |       Output modifiers\n  <cr>\n"
    );
    assert_eq!(harness.run("show li?").text, "  lines  Two lines\n");
    assert!(harness.run("show lines | ?").text.contains("  include  Include lines that match\n"));
    assert_eq!(harness.run("show lines | include ?").text, "  LINE  Regular Expression\n");
}

#[test]
fn tab_completes_keywords_only() {
    let harness = Harness::configuring(&["interface e0"]);
    let complete = |line: &str| harness.shell.complete(line);
    assert_eq!(complete("mt"), Completion { start: 0, words: vec!["mtu".into()] });
    assert_eq!(complete("  ip addr"), Completion { start: 5, words: vec!["address".into()] });
    assert_eq!(complete("mtu "), Completion { start: 4, words: vec![] });
    assert_eq!(complete("do show lines | j").words, ["json"]);
    assert_eq!(complete("rx-").words, ["rx-descriptors", "rx-queues"]);
}

#[test]
fn interfaces_may_be_written_in_two_words() {
    let harness = Harness::configuring(&[]);
    assert_eq!(harness.shell.help("interface "), "  INTERFACE  Type and number\n");
    for line in ["ip route 0.0.0.0 0.0.0.0 ", "ip route 0.0.0.0 0.0.0.0 n"] {
        assert!(words(&harness.shell.choices(line)).contains(&"null0"), "{line}");
    }
}
