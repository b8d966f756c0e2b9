//! Secrets on their way back to an operator.

use std::sync::Arc;

use super::Harness;
use crate::{daemon::Operated, manage::operator::Operator as _};

#[test]
fn no_answer_repeats_the_secret_of_its_line() {
    let Harness { core, now, .. } = Harness::new("");
    let mut operated = Operated::new(core, Arc::new(move || now), Arc::default());
    let mut shell = operated.open();
    for (line, masked) in [
        ("configure terminal", "configure terminal"),
        ("ip dfp agent slb", "ip dfp agent slb"),
        ("password 0 Cookies 60", "password * ******* **"),
        ("ip slb dfp password Cookies 60", "ip slb dfp password ******* **"),
        ("ip slb dfp passwort Cookies", "ip slb dfp passwort *******"),
    ] {
        assert_eq!(operated.help(&mut shell, line).line, masked);
        assert_eq!(operated.complete(&mut shell, line).line, masked);
        assert_eq!(operated.execute(&mut shell, line)().line, masked);
    }
}

#[test]
fn a_shell_without_secrets_is_shown_none_in_any_notation() {
    let Harness { core, now, .. } = Harness::new("ip dfp agent slb\n password 0 Cookies 60\n!\n");
    let mut operated = Operated::new(core, Arc::new(move || now), Arc::default());
    let mut ask = |hidden: bool| {
        let mut shell = if hidden { operated.open_without_secrets() } else { operated.open() };
        operated.execute(&mut shell, "show running-config | json")().text
    };
    assert!(ask(false).contains("password 7 "));
    let shown = ask(true);
    assert!(shown.contains("password ********") && !shown.contains("password 7"), "{shown}");
}
