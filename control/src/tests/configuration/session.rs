//! Modes, abbreviations, pipes and the language's own EXEC commands.

use super::*;
use crate::system::command::INTERFACE;

#[test]
fn a_line_edits_the_configuration_and_the_position() {
    let mut harness = Harness::configuring(&[]);
    for line in
        ["hostname director1", "interface gi 6/1", " ip address 10.1.1.1 255.255.255.0", "no shut", "! x"]
    {
        assert_eq!(harness.run(line), Reply::default(), "{line}");
    }
    assert_eq!(harness.shell.prompt("director1"), "director1(config-if)#");
    assert_eq!(
        harness.text(),
        "hostname director1\n!\ninterface GigabitEthernet6/1\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n"
    );
}

#[test]
fn every_mode_has_its_prompt_and_its_way_out() {
    let mut harness = Harness::new();
    let prompt = |harness: &Harness| harness.shell.prompt("R");
    assert_eq!(prompt(&harness), "R#");
    harness.run("disable");
    assert_eq!(prompt(&harness), "R>");
    assert_eq!(harness.run("configure terminal").error, Some(ErrorId::E1));
    harness.run("en");
    assert!(harness.run("conf t").text.starts_with("Enter configuration commands"));
    for (line, shown) in [
        ("interface e0", "R(config-if)#"),
        ("interface e0.1", "R(config-subif)#"),
        ("dataplane", "R(config-dataplane)#"),
        ("management", "R(config-management)#"),
        ("hostname R", "R(config)#"),
        ("dataplane", "R(config-dataplane)#"),
        ("exit", "R(config)#"),
    ] {
        assert_eq!(harness.run(line).text, "");
        assert_eq!(prompt(&harness), shown, "{line}");
    }
    assert!(harness.run("exit").left_configuration);
    harness.run("conf t");
    harness.run("interface e0");
    assert!(harness.run("end").left_configuration);
    assert_eq!(prompt(&harness), "R#");
    assert!(harness.run("exit").close);
}

#[test]
fn the_sub_mode_s_own_keywords_win_and_a_global_command_leaves_it() {
    let mut harness = Harness::configuring(&["interface e0"]);
    // `ip address` is the interface's, `ip route` is global.
    harness.run("ip address 10.1.1.1 255.0.0.0");
    assert_eq!(harness.shell.mode(), &INTERFACE);
    assert_eq!(harness.run("ip route 0.0.0.0 0.0.0.0 10.1.1.2").error, None);
    assert_eq!(harness.shell.mode(), &CONFIG);
    assert_eq!(harness.runtime.configuration().system.routes.len(), 1);
}

#[test]
fn an_error_stays_in_the_mode() {
    let mut harness = Harness::configuring(&["interface e0"]);
    harness.run("hostname -");
    harness.run("ip route 10.1.1.1 255.0.0.0 10.2.2.2");
    assert_eq!(harness.shell.mode(), &INTERFACE);
}

#[test]
fn do_runs_an_exec_command() {
    let mut harness = Harness::configuring(&["hostname R", "interface e0"]);
    assert_eq!(harness.run("do show lines | include two").text, "two 2\n");
    assert_eq!(harness.run("do show run").text, harness.text());
    assert_eq!(harness.shell.mode(), &INTERFACE);
}

#[test]
fn pipes_filter_show_commands() {
    let mut harness = Harness::new();
    assert_eq!(harness.run("sh li | count .").text, "Number of lines which match regexp = 2\n");
    assert_eq!(harness.run("show lines | json").text, "{\n  \"lines\": 2\n}\n");
    assert_eq!(harness.run("show lines |").error, Some(ErrorId::E2));
    assert_eq!(harness.run("debug lines | json").error, Some(ErrorId::E1));
}

#[test]
fn exec_commands_fail_in_words_and_have_a_no_form() {
    let mut harness = Harness::new();
    let reply = harness.run("debug lines");
    assert_eq!((reply.text.as_str(), reply.error), ("% cannot be done\n", Some(ErrorId::E5)));
    assert_eq!(harness.run("no debug lines").text, "off\n");
    assert_eq!(harness.run("no show lines").error, Some(ErrorId::E1));
}

#[test]
fn saving_writes_what_is_running() {
    let mut harness = Harness::configuring(&["hostname R", "end"]);
    for line in ["write memory", "wr", "copy run start"] {
        harness.runtime.saved = None;
        assert_eq!(harness.run(line).error, None, "{line}");
        assert_eq!(harness.runtime.saved.as_deref(), Some("hostname R\n!\n"));
    }
}

#[test]
fn terminal_length_is_the_session_s() {
    let mut harness = Harness::new();
    harness.run("terminal length 0");
    assert_eq!(harness.shell.terminal_length(), 0);
    assert_eq!(harness.run("term len 513").error, Some(ErrorId::E1));
}
