//! A core with all subsystems, without workers, kernel or sockets: what management talks to.

use std::sync::{Arc, Mutex};

use common::{link::link, tables::Tables, time::Nanos};
use control::{
    command::{Commands, load},
    core::{Core, CoreLink},
    daemon::Operated,
    manage::{log::LogBook, operator::SharedOperator},
    protocols::{All, Configuration},
    secret::{Secret, Secrets},
};
use tokio::sync::Notify;

/// The password of [`operated`]'s configuration, as it was given and as it is written down.
///
/// # Panics
/// If it is no password.
pub fn secrets() -> [String; 2] {
    let secret = Secret::clear("Tr0ub4dor").expect("a password");
    ["Tr0ub4dor".to_owned(), secret.notation(Secrets::Type7)]
}

const CONFIGURATION: &str = "\
interface Ethernet0
 device net_null0
 ip address 10.1.1.1 255.255.255.0
 no shutdown
!
ip slb serverfarm FARM
 nat server
 real 10.1.1.51
  weight 3
  inservice
 real 10.1.1.52
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm FARM
 inservice
!
ip slb dfp password 0 Tr0ub4dor
 agent 10.1.1.51 5999
!
";

/// The log that goes with it.
pub fn log() -> LogBook {
    LogBook::new(100)
}

/// A fresh core that runs a small configuration; its commands are compiled once a thread.
///
/// # Panics
/// If there is no memory for its tables.
pub fn operated() -> SharedOperator<Operated<All>> {
    thread_local! {
        static COMMANDS: Arc<Commands<Core<All>>> = Arc::new(Core::commands());
    }
    let tables = Tables::smallest(1).expect("a thousand sessions have a place");
    let (_, end) = link(1, 1, tables);
    let (core_link, _, _) = CoreLink::split(end);
    let now = Nanos(1_000_000_000);
    let mut core = Core::new(core_link, None, log(), now);
    let loaded = load::<Configuration>("fuzz", CONFIGURATION).expect("it is ours");
    core.apply_loaded(loaded).expect("it is one that can run");
    let commands = COMMANDS.with(Arc::clone);
    let operated = Operated::with_commands(core, commands, Arc::new(move || now), Arc::new(Notify::new()));
    Arc::new(Mutex::new(operated))
}

#[cfg(test)]
mod tests {
    use control::manage::{fuzz_http, fuzz_shell, protocol::Response};

    use super::*;

    #[test]
    fn shows_are_answered_and_the_secret_is_there_but_not_by_http() {
        let lines = b"{\"execute\":\"show running-config\"}\nnonsense\n{\"execute\":\"exit\"}\n";
        let answers = fuzz_shell(&operated(), &log(), lines);
        let replies: Vec<_> = answers
            .iter()
            .filter_map(|answer| if let Response::Reply(reply) = answer { Some(reply) } else { None })
            .collect();
        assert_eq!(replies.len(), 4, "{replies:?}");
        assert!(secrets().iter().any(|secret| replies[1].text.contains(secret)), "{}", replies[1].text);
        assert!(replies[2].failed && replies[3].closed);
        let request =
            b"GET /api/show/running-config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = String::from_utf8(fuzz_http(&operated(), request)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("MIPSLB"), "{answer}");
        assert!(!secrets().iter().any(|secret| answer.contains(secret)), "{answer}");
    }
}
