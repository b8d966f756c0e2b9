//! The language as an operator meets it.

use std::sync::Arc;

use super::*;

fn session() -> (Shell<Idle>, Idle) {
    let commands = Arc::new(Commands::<Idle>::new([]).unwrap());
    (Shell::at(commands, Position::default()), Idle::default())
}

#[test]
fn every_declaration_compiles_and_has_help() {
    assert_eq!(language().without_help(), Vec::<String>::new());
    assert_eq!(Commands::<Idle>::new([]).unwrap().without_help(), Vec::<String>::new());
}

#[test]
fn a_line_edits_the_configuration_and_the_position() {
    let (mut shell, mut box_) = session();
    for line in ["hostname director1", "interface gi 6/1", " ip address 10.1.1.1 255.255.255.0", "no shut"] {
        let reply = shell.execute(line, &mut box_);
        assert_eq!(reply, Reply::default(), "{line}");
    }
    assert_eq!(shell.prompt("director1"), "director1(config-if)#");
    assert_eq!(
        box_.configuration().running_config(),
        "hostname director1\n!\ninterface GigabitEthernet6/1\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n"
    );
}
