//! What a child of the launcher does before it becomes the script: it gives up all that the launcher has.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::Signal,
        stat::{Mode, umask},
    },
    unistd::{Gid, Pid, Uid, getppid, getresuid, setgroups, setresgid, setresuid},
};

use crate::privileges;

/// Most descriptors of a script, and processes of its user.
const DESCRIPTORS: u64 = 64;
const PROCESSES: u64 = 256;
/// Behind everything else of the host; when memory is short it goes first.
const NICE: i32 = 10;
const OOM_SCORE: &str = "500";

/// Become a script; started by the launcher
#[derive(clap::Args, Debug)]
#[command(hide = true)]
pub struct Arguments {
    /// Whom it runs as
    #[arg(long)]
    pub uid: u32,
    #[arg(long)]
    pub gid: u32,
    /// The launcher; if that is not the parent any more, nothing is run
    #[arg(long)]
    pub launcher: i32,
    /// Seconds of CPU time
    #[arg(long)]
    pub seconds: u64,
    /// The script
    #[arg(long)]
    pub file: PathBuf,
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

/// Becomes the script. Returns only if it cannot, having said why on the standard error, which the script does not have.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Closed when the script begins, which says that it has.
    let mut refusals = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let error = match give_up(arguments) {
        Ok(()) => {
            let mut script = Command::new(&arguments.file);
            let error = script.args(&arguments.arguments).stdin(Stdio::null()).stderr(Stdio::null()).exec();
            format!("{}: {error}", arguments.file.display())
        }
        Err(error) => format!("{error:#}"),
    };
    write!(refusals, "{error}")?;
    Ok(ExitCode::FAILURE)
}

fn give_up(arguments: &Arguments) -> anyhow::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_NPROC, PROCESSES),
        // Whoever is not killed in time, since the launcher was killed, does not work for ever.
        (Resource::RLIMIT_CPU, arguments.seconds),
    ] {
        setrlimit(resource, limit, limit).with_context(|| format!("{resource:?}"))?;
    }
    rustix::process::nice(NICE).context("nice")?;
    // Refused where it would be less than now.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    umask(Mode::from_bits_truncate(0o077));
    std::env::set_current_dir("/").context("/")?;
    become_user(Uid::from_raw(arguments.uid), Gid::from_raw(arguments.gid))?;
    privileges::leave_none().context("capabilities")?;
    ensure!(prctl::get_no_new_privs()?, "no_new_privs is not set");
    // After the change of user, which forgets it.
    prctl::set_pdeathsig(Signal::SIGKILL).context("death signal")?;
    ensure!(getppid() == Pid::from_raw(arguments.launcher), "the launcher has ended");
    Ok(())
}

/// For good: all three users and groups, and no others.
fn become_user(user: Uid, group: Gid) -> anyhow::Result<()> {
    let now = getresuid()?;
    if !user.is_root() && [now.real, now.effective, now.saved] == [user; 3] {
        // An unprivileged launcher starts scripts as itself.
        return Ok(());
    }
    setgroups(&[]).context("supplementary groups")?;
    setresgid(group, group, group).with_context(|| format!("group {group}"))?;
    setresuid(user, user, user).with_context(|| format!("user {user}"))
}
