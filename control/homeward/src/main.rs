//! The Home Agent Director: the program.

#![forbid(unsafe_code)]

mod check;
mod dfp_agent;
mod launcher;
mod logging;
mod privileges;
mod replay;
mod run;
mod seccomp;
mod shell;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Where the management socket is unless the configuration says otherwise.
const SOCKET: &str = "/run/homeward/homeward.sock";

/// Where scripts are that probes run.
const SCRIPTS: &str = "/etc/homeward/scripts";

/// A Home Agent Director: balances Mobile IP registration requests over home agents.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run in the foreground; logs to stderr (journald under systemd), drains on SIGTERM, reloads on SIGHUP
    Run {
        /// The configuration, in the language of `homeward shell`
        #[arg(long, default_value = "/etc/homeward/homeward.conf")]
        config: PathBuf,
        /// Record every input of the state machines, without secrets, to a new file in this folder: at most 128 MiB, which end
        /// the recording; the last 8 recordings are kept. `homeward replay` plays one
        #[arg(long, value_name = "DIR")]
        record: Option<PathBuf>,
        /// Do not filter system calls (see docs/security.md): for a debugger that calls functions, or a driver that needs more
        #[arg(long)]
        no_seccomp: bool,
        /// The folder of the scripts that probes may run
        #[arg(long, value_name = "DIR", default_value = SCRIPTS)]
        scripts: PathBuf,
        /// Whom they run as
        #[arg(long, value_name = "USER", default_value = "nobody")]
        scripts_user: String,
    },
    Launcher(launcher::Arguments),
    Launched(launcher::launched::Arguments),
    DfpAgent(dfp_agent::Arguments),
    /// Read a configuration, say what is wrong with it, and exit
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Play a recording of `run --record` through this program's state machines; 1 if they do something else
    Replay {
        /// The recording
        file: PathBuf,
    },
    /// Talk to a running director: interactive, by -c, or lines from standard input
    Shell {
        /// The management socket
        #[arg(long, default_value = SOCKET)]
        socket: PathBuf,
        /// Run this command and exit, 1 if it was refused; may be given several times
        #[arg(short = 'c', value_name = "COMMAND")]
        commands: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Shell { socket, commands } => shell::run(&socket, &commands),
        Command::Run { config, record, no_seccomp, scripts, scripts_user } => {
            run::run(&config, record.as_deref(), !no_seccomp, (&scripts, &scripts_user))
        }
        Command::Launcher(arguments) => launcher::run(&arguments),
        Command::Launched(arguments) => launcher::launched::run(&arguments),
        Command::Replay { file } => replay::run(&file),
        Command::DfpAgent(arguments) => dfp_agent::run(&arguments),
        Command::Check { file } => check::run(&file),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("homeward: {error:#}");
        ExitCode::FAILURE
    })
}
