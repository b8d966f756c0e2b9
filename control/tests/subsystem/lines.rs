//! Lines, prompts, help, the text of the configuration, and the secret.

use control::command::{Configuration as _, Secrets};

use crate::{TestConfiguration, harness::Harness};

const ONE: &str = "counter A\nkey Cookies\ninterval 10\nlimit 50\naddress 10.1.1.20";

#[test]
fn a_line_enters_its_mode_and_the_prompt_says_so() {
    let mut harness = Harness::new("");
    harness.run("configure terminal\ncounter a");
    assert_eq!(harness.shell.prompt("Router"), "Router(config-counter)#");
    assert_eq!(harness.run("interval 10"), "");
    harness.run("exit");
    assert_eq!(harness.shell.prompt("Router"), "Router(config)#");
    assert_eq!(harness.core.running().counter.counters[0].name, "A");
    let error = harness.run("interval 10");
    assert!(error.contains("% Invalid input"), "{error}");
}

#[test]
fn help_and_completion_know_the_lines_beside_those_of_others() {
    let mut harness = Harness::new("");
    let help = harness.shell.help("show ");
    assert!(help.contains("  counters ") && help.contains("  ip "), "{help}");
    harness.run("configure terminal");
    assert!(harness.shell.help("").contains("  counter "));
    assert_eq!(harness.shell.complete("cou").words, ["counter"]);
    harness.run("counter A");
    let help = harness.shell.help("");
    for line in ["address", "exit", "interval", "key", "limit", "no"] {
        assert!(help.contains(&format!("  {line} ")), "{line} in\n{help}");
    }
    assert!(harness.shell.help("interval ").contains("Milliseconds"));
}

#[test]
fn no_and_default_bring_back_what_was_there_without_the_line() {
    let mut harness = Harness::new("");
    for form in ["no", "default"] {
        harness.configure(ONE);
        let lines = ["key", "interval", "limit", "address"].map(|line| format!("{form} {line}")).join("\n");
        assert_eq!(harness.configure(&format!("counter A\n{lines}")), "");
        let text = harness.core.running().running_config();
        assert!(text.contains("counter A\n!\n"), "{text}");
    }
    harness.configure("no counter A");
    assert!(!harness.core.running().running_config().contains("counter"));
}

#[test]
fn the_text_of_the_configuration_loads_to_the_same() {
    let mut harness = Harness::new("");
    harness.configure(&format!("{ONE}\ncounter B"));
    let text = harness.run("show running-config");
    let mut again = Harness::empty();
    again.load(&text);
    assert_eq!(again.core.running(), harness.core.running());
    assert_eq!(again.run("show running-config"), text);
    assert!(text.contains("!\ncounter A\n key 7 "), "{text}");
}

#[test]
fn the_key_is_shown_nowhere() {
    let mut harness = Harness::new("");
    harness.configure(ONE);
    let running = harness.core.running().clone();
    assert!(running.text(Secrets::Clear).contains("\n key Cookies\n"));
    for text in [
        harness.run("show running-config"),
        harness.run("show counters"),
        harness.run("show counters | json"),
        running.text(Secrets::Hidden),
        format!("{running:?}"),
        harness.core.report().text(),
    ] {
        assert!(!text.contains("Cookies"), "{text}");
    }
    assert!(running.text(Secrets::Hidden).contains("\n key ********\n"));
    harness.run("configure terminal\ncounter A");
    for line in ["key Cookies", "no key Cookies", "keys Cookies", "key Cookies and more", "key 7 Cookies"] {
        let masked = harness.shell.masked(line);
        assert!(!masked.contains("Cookies"), "history has {masked}");
        let printed = harness.run(line);
        assert!(!printed.contains("Cookies"), "{line} prints {printed}");
    }
    assert_eq!(harness.shell.masked("interval 10"), "interval 10");
}

#[test]
fn what_no_single_line_can_see_is_refused_as_a_whole() {
    let mut harness = Harness::new("");
    let refused = harness.configure("counter A\naddress 10.1.1.1");
    assert_eq!(refused, "% Counter: 10.1.1.1 is an interface address\n");
    assert_eq!(harness.core.running().counter.counters[0].address, None);
    let file = "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\ncounter A\n address 10.1.1.1\n";
    let errors = control::command::load::<TestConfiguration>("test.conf", file).unwrap_err();
    assert_eq!(errors.len(), 1);
}
