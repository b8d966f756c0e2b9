//! The arguments of `homeward dfp-agent`, and its manual.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, ValueEnum, value_parser};
use control::{
    dfp::{
        packet::{BindId, Protocol, RowKey},
        standalone::{Limits, Settings, Source},
    },
    secret::Secret,
};

/// Report this host's weight to the DFP managers that connect, so that a balancer gives it work by that weight
///
/// Runs in the foreground until SIGTERM or SIGINT and logs to stderr (journald under systemd). It speaks the Dynamic
/// Feedback Protocol (draft-eck-dfp-01): managers connect to it, are sent the weight at once, and again whenever it
/// changes.
#[derive(Args, Debug)]
#[command(after_long_help = MANUAL)]
pub struct Arguments {
    /// Where managers connect to; 0.0.0.0 for every address of the host
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddrV4,
    /// What gives the weight: `static N`, `cpu [MAX]`, `bindings COMMAND` or `exec COMMAND`
    #[arg(long, num_args = 1..=2, required = true, value_names = ["SOURCE", "ARGUMENT"])]
    weight_from: Vec<String>,
    /// Of `bindings`: bindings that the home agent can hold, 235000 unless given
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    max_binding: Option<u32>,
    /// Of `bindings`: calls per second that the home agent can take; unless given they do not count
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    max_cps: Option<u32>,
    /// Of `bindings`: the weight of an idle home agent, 25 unless given
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    dfp_max_weight: Option<u16>,
    /// MD5 key that managers must share, 1 to 64 characters, or in type 7 notation as one argument: "7 0822455D0A16".
    /// Others on the host can see it: prefer --password-file
    #[arg(long, value_name = "SECRET", conflicts_with = "password_file")]
    password: Option<String>,
    /// A file whose first line is the MD5 key, as --password takes it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Seconds between two looks at the weight
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u16).range(5..))]
    interval: u16,
    /// Address of the server that the weight is for; else the address that the manager has connected to
    #[arg(long, value_name = "ADDRESS")]
    host: Option<Ipv4Addr>,
    /// Protocol of the service that the weight is for
    #[arg(long, value_enum, default_value_t = Service::Udp)]
    protocol: Service,
    /// Port of the service that the weight is for; 0: any
    #[arg(long, default_value_t = 434)]
    port: u16,
    /// Which bindings the weight is for; 65535: every server farm that holds the server
    #[arg(long, value_name = "ID", default_value_t = BindId::ANY.0)]
    bind_id: u16,
}

const MANUAL: &str = "\
SOURCES
  static N       Always the weight N, 0 to 65535. 0 asks managers for no new work.
  cpu [MAX]      MAX (25 unless given) while CPU and memory are idle, half of it by each: MAX * (cpu + mem) / 32,
                 where cpu and mem are idle scores from 0 to 16: 16 while at most an eighth is in use, as the system
                 itself does, then a point less with each 18th more. What the process may use counts: its CPU set
                 and the limits of its control groups, not only the size of the host. CPU time is that since the
                 look before, so the first weight is always MAX.
  bindings COMMAND
                 The home agent's equation, with cpu and mem as above, N bindings and U calls per second:
                   (max-binding - N) * (cpu + mem) * (max-cps - U) * dfp-max-weight / (max-binding * 32 * max-cps)
                 without max-cps and U unless --max-cps is given. The first word that COMMAND prints is N; with
                 --max-cps the second is the total of registrations that the home agent has ever accepted, from
                 which comes U, that of the last minute. The first weight is dfp-max-weight.
  exec COMMAND   The first word that COMMAND prints, a number from 0 to 65535.

  /bin/sh runs a COMMAND, one at a time, for at most 5 seconds; then it is killed with all that it has started. If it
  fails, the last weight stays. After three failures in a row managers are disconnected, and use the static weight of
  the server, until it succeeds again.

SECURITY
  With a password a manager must hold the same one (`ip slb dfp password` on the director). MD5 here proves who
  speaks but hides nothing and does not stop a recorded message from being repeated: keep the path private.

EXIT STATUS
  0 after SIGTERM or SIGINT; 1 when it cannot start; 2 for arguments that make no sense.

EXAMPLES
  homeward dfp-agent --listen 0.0.0.0:500 --weight-from cpu 100
  homeward dfp-agent --listen 10.1.1.51:500 --weight-from static 25 --password-file /etc/homeward/dfp.key
  homeward dfp-agent --listen 10.1.1.51:500 --weight-from bindings 'cat /run/home-agent/bindings' --max-binding 50000
  homeward dfp-agent --listen 10.1.1.51:500 --weight-from exec 'cat /run/home-agent/weight' --interval 5

  On the director:
    ip slb dfp
     agent 10.1.1.51 500
";

/// Protocols of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// UDP
    Udp,
    /// TCP
    Tcp,
    /// Every protocol
    Any,
}

impl Service {
    fn number(self) -> Protocol {
        match self {
            Self::Udp => Protocol::UDP,
            Self::Tcp => Protocol::TCP,
            Self::Any => Protocol::ANY,
        }
    }
}

impl Arguments {
    /// Reads the password file, if one is named, and checks what no single argument can.
    ///
    /// # Errors
    /// What makes no sense. No password is repeated.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        anyhow::ensure!(self.listen.port() != 0, "--listen needs a port");
        let password = match (&self.password, &self.password_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Some(text.lines().next().unwrap_or("").to_owned())
            }
            (None, None) => None,
        };
        Ok(Settings {
            listen: self.listen,
            source: self.source()?,
            password: password.map(|text| secret(&text)).transpose()?,
            interval: self.interval,
            key: RowKey {
                address: self.host.unwrap_or(Ipv4Addr::UNSPECIFIED),
                protocol: self.protocol.number(),
                port: self.port,
                bind_id: BindId(self.bind_id),
            },
        })
    }

    /// What gives the weight, with the limits if it has any.
    fn source(&self) -> anyhow::Result<Source> {
        let mut source = Source::parse(&self.weight_from).context("--weight-from")?;
        if let Source::Bindings { limits, .. } = &mut source {
            *limits = Limits {
                max_bindings: self.max_binding.unwrap_or(limits.max_bindings),
                max_calls: self.max_cps,
                max_weight: self.dfp_max_weight.unwrap_or(limits.max_weight),
            };
        } else {
            let given = [
                ("--max-binding", self.max_binding.is_some()),
                ("--max-cps", self.max_cps.is_some()),
                ("--dfp-max-weight", self.dfp_max_weight.is_some()),
            ];
            if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
                anyhow::bail!("{name} is for `--weight-from bindings COMMAND` only");
            }
        }
        Ok(source)
    }
}

/// `SECRET`, `0 SECRET` or `7 HEX`.
fn secret(text: &str) -> anyhow::Result<Secret> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let secret = match words[..] {
        ["7", hidden] => Secret::type7(hidden),
        ["0", clear] => Secret::clear(clear),
        _ => Secret::clear(text.trim_end()),
    };
    secret.map_err(|error| anyhow::anyhow!("DFP password: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn settings(line: &[&str]) -> Result<Settings, String> {
        let program = Program::try_parse_from(["x"].iter().chain(line)).map_err(|error| error.to_string())?;
        program.arguments.settings().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_home_agent_needs_no_more_than_two_arguments() {
        let settings = settings(&["--listen", "0.0.0.0:500", "--weight-from", "cpu"]).unwrap();
        assert_eq!(settings.source, Source::Cpu { max_weight: 25 });
        assert_eq!((settings.interval, settings.password), (10, None));
        let key = settings.key;
        assert_eq!((key.protocol, key.port, key.bind_id), (Protocol::UDP, 434, BindId::ANY));
        assert!(key.address.is_unspecified());
    }

    #[test]
    fn everything_can_be_said() {
        let line = [
            "--weight-from",
            "exec",
            "echo 5",
            "--listen",
            "10.1.1.51:500",
            "--password",
            "7 0822455D0A16",
            "--interval",
            "5",
            "--host",
            "10.1.1.52",
            "--protocol",
            "any",
            "--port",
            "0",
            "--bind-id",
            "7",
        ];
        let settings = settings(&line).unwrap();
        assert_eq!(settings.source, Source::Exec("echo 5".into()));
        assert_eq!(settings.password.unwrap().expose(), "cisco");
        assert_eq!(settings.key.address, Ipv4Addr::new(10, 1, 1, 52));
        assert_eq!((settings.key.protocol, settings.key.port, settings.key.bind_id.0), (Protocol::ANY, 0, 7));
    }

    #[test]
    fn a_password_file_has_it_in_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Cookies\n# of the lab\n").unwrap();
        let path = file.path().to_str().unwrap();
        let line = ["--listen", "0.0.0.0:500", "--weight-from", "static", "1", "--password-file", path];
        assert_eq!(settings(&line).unwrap().password.unwrap().expose(), "Cookies");
    }

    #[test]
    fn what_makes_no_sense_is_said_without_the_password() {
        let good = ["--listen", "0.0.0.0:500", "--weight-from", "static", "1"];
        for (more, said) in [
            (&["--interval", "4"][..], "4 is not in 5..=65535"),
            (&["--password", "a b"], "DFP password: must be 1 to 64 printable characters"),
            (&["--password", "7 secret"], "DFP password: Invalid encrypted password"),
            (&["--password-file", "/nonexistent/key"], "/nonexistent/key: No such file"),
        ] {
            let error = settings(&[&good[..], more].concat()).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
        let error = settings(&["--listen", "0.0.0.0:0", "--weight-from", "cpu"]).unwrap_err();
        assert!(error.contains("port"), "{error}");
        let error = settings(&["--listen", "0.0.0.0:5", "--weight-from", "memory"]).unwrap_err();
        assert!(error.contains("expected `static N`, `cpu [MAX]`, `bindings COMMAND` or"), "{error}");
    }

    #[test]
    fn a_home_agent_has_limits_and_nobody_else() {
        let with = |source: &[&str], more: &[&str]| {
            settings(&[&["--listen", "0.0.0.0:500", "--weight-from"], source, more].concat())
        };
        let limits = |more: &[&str]| match with(&["bindings", "cat x"], more).unwrap().source {
            Source::Bindings { command, limits } if command == "cat x" => limits,
            other => panic!("{other:?}"),
        };
        assert_eq!(limits(&[]), Limits { max_bindings: 235_000, max_calls: None, max_weight: 25 });
        let all = ["--max-binding", "2000", "--max-cps", "50", "--dfp-max-weight", "100"];
        assert_eq!(limits(&all), Limits { max_bindings: 2000, max_calls: Some(50), max_weight: 100 });
        for option in ["--max-binding", "--max-cps", "--dfp-max-weight"] {
            assert!(with(&["bindings", "x"], &[option, "0"]).unwrap_err().contains("0 is not in 1.."));
            let error = with(&["cpu"], &[option, "5"]).unwrap_err();
            assert!(error.contains(option) && error.contains("bindings COMMAND` only"), "{error}");
        }
    }
}
