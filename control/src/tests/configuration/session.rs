//! Modes, abbreviations, pipes and the language's own EXEC commands.

use super::*;
use crate::system::command::INTERFACE;

#[test]
fn a_line_edits_the_configuration_and_the_position() {
    let mut bench = Bench::configuring(&[]);
    for line in
        ["hostname director1", "interface gi 6/1", " ip address 10.1.1.1 255.255.255.0", "no shut", "! x"]
    {
        assert_eq!(bench.run(line), Reply::default(), "{line}");
    }
    assert_eq!(bench.shell.prompt("director1"), "director1(config-if)#");
    assert_eq!(
        bench.text(),
        "hostname director1\n!\ninterface GigabitEthernet6/1\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n"
    );
}

#[test]
fn every_mode_has_its_prompt_and_its_way_out() {
    let mut bench = Bench::new();
    let prompt = |bench: &Bench| bench.shell.prompt("R");
    assert_eq!(prompt(&bench), "R#");
    bench.run("disable");
    assert_eq!(prompt(&bench), "R>");
    assert_eq!(bench.run("configure terminal").error, Some(ErrorId::E1));
    bench.run("en");
    assert!(bench.run("conf t").text.starts_with("Enter configuration commands"));
    for (line, shown) in [
        ("interface e0", "R(config-if)#"),
        ("interface e0.1", "R(config-subif)#"),
        ("dataplane", "R(config-dataplane)#"),
        ("management", "R(config-management)#"),
        ("hostname R", "R(config)#"),
        ("dataplane", "R(config-dataplane)#"),
        ("exit", "R(config)#"),
    ] {
        assert_eq!(bench.run(line).text, "");
        assert_eq!(prompt(&bench), shown, "{line}");
    }
    assert!(bench.run("exit").left_configuration);
    bench.run("conf t");
    bench.run("interface e0");
    assert!(bench.run("end").left_configuration);
    assert_eq!(prompt(&bench), "R#");
    assert!(bench.run("exit").close);
}

#[test]
fn the_sub_mode_s_own_keywords_win_and_a_global_command_leaves_it() {
    let mut bench = Bench::configuring(&["interface e0"]);
    // `ip address` is the interface's, `ip route` is global.
    bench.run("ip address 10.1.1.1 255.0.0.0");
    assert_eq!(bench.shell.mode(), &INTERFACE);
    assert_eq!(bench.run("ip route 0.0.0.0 0.0.0.0 10.1.1.2").error, None);
    assert_eq!(bench.shell.mode(), &CONFIG);
    assert_eq!(bench.runtime.configuration().system.routes.len(), 1);
}

#[test]
fn an_error_stays_in_the_mode() {
    let mut bench = Bench::configuring(&["interface e0"]);
    bench.run("hostname -");
    bench.run("ip route 10.1.1.1 255.0.0.0 10.2.2.2");
    assert_eq!(bench.shell.mode(), &INTERFACE);
}

#[test]
fn do_runs_an_exec_command() {
    let mut bench = Bench::configuring(&["hostname R", "interface e0"]);
    assert_eq!(bench.run("do show lines | include two").text, "two 2\n");
    assert_eq!(bench.run("do show run").text, bench.text());
    assert_eq!(bench.shell.mode(), &INTERFACE);
}

#[test]
fn pipes_filter_show_commands() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("sh li | count .").text, "Number of lines which match regexp = 2\n");
    assert_eq!(bench.run("show lines | json").text, "{\n  \"lines\": 2\n}\n");
    assert_eq!(bench.run("show lines |").error, Some(ErrorId::E2));
    assert_eq!(bench.run("debug lines | json").error, Some(ErrorId::E1));
}

#[test]
fn exec_commands_fail_in_words_and_have_a_no_form() {
    let mut bench = Bench::new();
    let reply = bench.run("debug lines");
    assert_eq!((reply.text.as_str(), reply.error), ("% cannot be done\n", Some(ErrorId::E5)));
    assert_eq!(bench.run("no debug lines").text, "off\n");
    assert_eq!(bench.run("no show lines").error, Some(ErrorId::E1));
}

#[test]
fn saving_writes_what_is_running() {
    let mut bench = Bench::configuring(&["hostname R", "end"]);
    for line in ["write memory", "wr", "copy run start"] {
        bench.runtime.saved = None;
        assert_eq!(bench.run(line).error, None, "{line}");
        assert_eq!(bench.runtime.saved.as_deref(), Some("hostname R\n!\n"));
    }
}

#[test]
fn terminal_length_is_the_session_s() {
    let mut bench = Bench::new();
    bench.run("terminal length 0");
    assert_eq!(bench.shell.terminal_length(), 0);
    assert_eq!(bench.run("term len 513").error, Some(ErrorId::E1));
}
