//! The commands of `ip dfp agent` as an operator types them, and as a file holds them.

use std::sync::Arc;

use crate::{
    command::{Commands, Configuration as _, Idle, Reply, Shell, load},
    protocols::Configuration,
};

/// A session in configuration mode.
struct Bench {
    shell: Shell<Idle<Configuration>>,
    runtime: Idle<Configuration>,
}

impl Bench {
    fn new() -> Self {
        let commands = Arc::new(Commands::new([]).unwrap());
        let mut bench = Self { shell: Shell::new(commands, true), runtime: Idle::default() };
        bench.run("configure terminal");
        bench
    }

    fn run(&mut self, line: &str) -> Reply {
        self.shell.execute(line, &mut self.runtime)
    }

    /// The text of the last of `lines`, without its line end.
    fn last(&mut self, lines: &str) -> String {
        let texts: Vec<_> = lines.lines().map(|line| self.run(line).text).collect();
        texts.last().unwrap().trim_end_matches('\n').to_owned()
    }

    fn running(&self) -> String {
        self.runtime.configuration.running_config()
    }
}

/// What is saved after a file has been loaded.
fn printed(text: &str) -> String {
    match load::<Configuration>("dfp.conf", text) {
        Ok(loaded) => loaded.configuration.startup_config(),
        Err(errors) => panic!("{}", errors[0]),
    }
}

#[test]
fn the_examples_of_the_guides_load_and_print() {
    assert_eq!(
        printed("ip dfp agent slb\ninterval 11\npassword Cookies 180\nport 2221\ninservice\n"),
        "ip dfp agent slb\n interval 11\n password Cookies\n port 2221\n inservice\n!\n"
    );
    let text = "ip slb dfp password 0 7 0\n agent 10.1.1.51 500\n!\nip dfp agent mobileip\n port 500\n inservice\n!\n";
    assert_eq!(printed(text), text);
}

#[test]
fn type_7_is_read_and_written() {
    let clear =
        "service password-encryption\nip slb dfp password Cookies\nip dfp agent slb\npassword cisco 360\n";
    let hidden = printed(clear);
    assert!(!hidden.contains("Cookies") && !hidden.contains("cisco"), "{hidden}");
    let words: Vec<_> = hidden.lines().filter_map(|line| line.split_once("password 7 ")).collect();
    assert_eq!((words[0].0, words[1].0), ("ip slb dfp ", " "));
    assert!(words[1].1.ends_with(" 360"));
    assert_eq!(printed(&hidden), hidden);
    let open = hidden.replace("service password-encryption", "no service password-encryption");
    assert_eq!(printed(&open), "ip slb dfp password Cookies\n!\nip dfp agent slb\n password cisco 360\n!\n");
}

#[test]
fn passwords_are_never_shown_in_clear_and_saved_so_unless_that_is_unwanted() {
    let mut bench = Bench::new();
    bench.last("ip slb dfp password Biscuits77 4\nip dfp agent slb\npassword Cookies99\nend");
    for line in ["show running-config", "show running-config | include .", "show running-config | json"] {
        let text = bench.run(line).text;
        assert!(
            text.contains("password 7 ") && !text.contains("Biscuits") && !text.contains("Cookies"),
            "{text}"
        );
    }
    let text = bench.run("show running-config").text;
    assert_eq!(
        printed(&text),
        "ip slb dfp password Biscuits77 4\n!\nip dfp agent slb\n password Cookies99\n!\n"
    );
    for (line, clear) in [("", true), ("service password-encryption", false)] {
        bench.last(&format!("configure terminal\n{line}\nend"));
        for save in ["write memory", "copy running-config startup-config"] {
            assert_eq!(bench.run(save).error, None);
            let saved = bench.runtime.saved.take().unwrap();
            let words = ["password Biscuits77 4", "password Cookies99"].map(|word| saved.contains(word));
            assert_eq!(words, [clear; 2], "{saved}");
            assert_eq!(saved.matches("password 7 ").count(), if clear { 0 } else { 2 });
        }
    }
}

#[test]
fn a_type_is_a_type_only_before_another_word() {
    for (line, expected) in [
        ("password 7", " password 0 7"),
        ("password 0", " password 0 0"),
        ("password 0 7", " password 0 7"),
        ("password 0 7 60", " password 0 7 60"),
        ("password 7 094F471A1A0A 180", " password cisco"),
        ("password Cookies 360", " password Cookies 360"),
        ("password 0 Cookies 0", " password Cookies 0"),
    ] {
        let text = printed(&format!("ip dfp agent slb\n{line}\n"));
        assert_eq!(text.lines().nth(1), Some(expected), "{line}");
        assert_eq!(printed(&text), text);
    }
}

#[test]
fn an_agent_is_made_entered_and_removed() {
    let mut bench = Bench::new();
    for line in ["ip dfp agent SLB", "interval 11", "port 2221", "inservice", "ip dfp agent ipm", "port 500"]
    {
        let reply = bench.run(line);
        assert_eq!((reply.error, reply.text.as_str()), (None, ""), "{line}");
    }
    assert_eq!(bench.shell.prompt("Router"), "Router(config-dfp)#");
    // The home agent's other name leads to the same agent.
    bench.last("ip dfp agent mobileip\ninterval 65535\nip dfp agent slb\nno interval 11\nno inservice");
    assert_eq!(
        bench.running(),
        "ip dfp agent slb\n port 2221\n!\nip dfp agent ipmobile\n interval 65535\n port 500\n!\n"
    );
    bench.last("no port 2221\nno password\nip dfp agent ipmobile\ndefault interval\nno port");
    assert_eq!(bench.running(), "ip dfp agent slb\n!\nip dfp agent ipmobile\n!\n");
    bench.last("no ip dfp agent mobileip\nno ip dfp agent slb");
    assert_eq!(bench.running(), "");
}

#[test]
fn what_is_wrong_is_said_and_changes_nothing() {
    let caret = |column: usize| format!("{}^\n% Invalid input detected at '^' marker.", " ".repeat(column));
    // `homeward(config-dfp)#` has 21 columns.
    for (line, said) in [
        ("ip dfp agent", "% Incomplete command."),
        ("ip dfp agent abcdefghijklmnop", "% DFP agent subsystem name is limited to 15 characters"),
        ("ip dfp agent abcdefghijklmno", "% Unknown DFP agent subsystem abcdefghijklmno"),
        ("no ip dfp agent csm", "% Unknown DFP agent subsystem csm"),
        ("no ip dfp agent ipmobile", "% DFP agent not found"),
        ("interval", "% Incomplete command."),
        ("interval 4", &caret(30)),
        ("interval 65536", &caret(30)),
        ("interval ten", &caret(30)),
        ("port 0", &caret(26)),
        ("port 65536", &caret(26)),
        ("p Cookies", "% Ambiguous command:  \"p *******\""),
        ("password", "% Incomplete command."),
        ("password Cookies 65536", &caret(38)),
        ("password Cookies 1 2", &caret(40)),
        (&format!("password {}", "x".repeat(65)), "% DFP password must be 1 to 64 printable characters"),
        ("password Käse", "% DFP password must be 1 to 64 printable characters"),
        ("password 7 Cookies", "% Invalid encrypted password"),
        ("password 7 53070806", "% Invalid encrypted password"),
        ("inservice now", &caret(31)),
    ] {
        let mut bench = Bench::new();
        bench.last("ip dfp agent slb\nport 666");
        let before = bench.running();
        let reply = bench.run(line);
        assert!(reply.error.is_some(), "{line}");
        assert_eq!(reply.text.trim_end_matches('\n'), said, "{line}");
        assert_eq!(bench.running(), before, "{line}");
    }
}

#[test]
fn a_port_belongs_to_one_agent() {
    let mut bench = Bench::new();
    let said = bench.last("ip dfp agent slb\nport 666\nip dfp agent ipmobile\nport 666");
    assert_eq!(said, "% Port 666 is already in use by DFP agent slb");
    assert_eq!(bench.last("ip dfp agent slb\nport 666"), "", "its own is no other's");
    assert_eq!(bench.last("no port\nip dfp agent ipmobile\nport 666"), "");
}

#[test]
fn an_agent_in_service_without_a_port_is_accepted_and_warned_of() {
    let mut bench = Bench::new();
    let warning = "% DFP agent slb has no port, it will not accept connections";
    assert_eq!(bench.last("ip dfp agent slb\ninservice"), warning);
    assert_eq!(bench.last("port 666"), "");
    assert_eq!(bench.last("no port"), warning);
    assert_eq!(bench.last("no inservice"), "");
}

#[test]
fn the_manager_refuses_what_is_no_agent_and_warns_of_short_timeouts() {
    let mut bench = Bench::new();
    bench.run("ip slb dfp");
    for (line, said) in [
        ("agent 0.0.0.0 500", "% Invalid DFP agent address"),
        ("agent 224.0.0.1 500", "% Invalid DFP agent address"),
        ("agent 255.255.255.255 500", "% Invalid DFP agent address"),
        ("no agent 10.1.1.51 500", "% DFP agent not found"),
        ("agent 10.1.1.51 500 1", "% DFP agents need a timeout of 0 or at least 3 seconds"),
        ("agent 10.1.1.51 500 2 3 4", "% DFP agents need a timeout of 0 or at least 3 seconds"),
        ("agent 10.1.1.51 500 3", ""),
        ("agent 10.1.1.51 501", ""),
        ("no agent 10.1.1.51 500", ""),
    ] {
        assert_eq!(bench.last(line), said, "{line}");
    }
    assert_eq!(bench.running(), "ip slb dfp\n agent 10.1.1.51 501\n!\n");
    for agent in 1..1024 {
        bench.run(&format!("agent 10.2.{}.{} 500", agent / 256, agent % 256));
    }
    assert_eq!(bench.last("agent 10.1.1.52 500"), "% Maximum number of DFP agents reached");
    assert_eq!(bench.last("agent 10.1.1.51 501 10"), "", "a known one can still be changed");
}

#[test]
fn help_lists_what_can_report() {
    let bench = Bench::new();
    assert_eq!(
        bench.shell.help("ip dfp agent "),
        "  ipmobile  Home agent of Mobile IP
  mobileip  Home agent of Mobile IP, by its older name
  slb       Virtual servers of server load balancing
"
    );
    assert_eq!(bench.shell.complete("ip dfp agent s").words, ["slb"]);
}

#[test]
fn no_error_repeats_a_password() {
    let errors = load::<Configuration>(
        "f",
        "ip slb dfp password 0 Cookies 1 2\nip dfp agent slb\n password Coo kies x\n pa C?okies",
    )
    .unwrap_err();
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let shown = said.join("\n") + &format!("{errors:?}");
    for secret in ["Cookies", "Coo", "kies"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(said[0].lines().nth(1), Some("  ip slb dfp password * ******* * *"));
    assert_eq!(said[0].lines().nth(2), Some("                                  ^"));
}
