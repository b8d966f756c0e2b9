//! A launcher with a folder of scripts.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use control::launcher::{Command, Launcher, LauncherProcess, Outcome};
use nix::{
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;

/// A launcher, and what it runs.
pub struct Stand {
    pub folder: TempDir,
    pub launcher: Launcher,
    pub process: Pid,
    /// Ours too, so that the end of the socket is when we say.
    socket: Option<OwnedFd>,
}

impl Stand {
    /// Scripts run as nobody, or as who runs the test, if that may not become anybody else.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let user = geteuid();
        let name = if user.is_root() { "nobody".into() } else { User::from_uid(user).unwrap().unwrap().name };
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_homeward"))
            .args(["launcher", "--scripts-user", &name, "--scripts", "."])
            .current_dir(folder.path())
            .env("LD_LIBRARY_PATH", "/nowhere")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let process = Pid::from_raw(child.id() as i32);
        let socket = ours.as_fd().try_clone_to_owned().unwrap();
        let launcher = Launcher::attach(LauncherProcess { socket: ours, child }).unwrap();
        Self { folder, launcher, process, socket: Some(socket) }
    }

    /// Closes the socket.
    pub fn close(&mut self) {
        let socket = socket2::Socket::from(self.socket.take().unwrap());
        socket.shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// A shell script.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        self.write(name, &format!("#!/bin/sh\n{text}\n"))
    }

    /// An executable file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o755);
        path
    }

    /// Runs it: its outcome and its output.
    pub async fn run(&self, script: &str, arguments: &[&str], limit: Duration) -> (Outcome, String) {
        let reply = self.launcher.run(command(script, arguments, limit)).await.unwrap();
        (reply.outcome, reply.output)
    }

    /// How many of them sleep, as scripts here do.
    pub fn sleeping(&self) -> usize {
        self.descendants().values().filter(|name| *name == "sleep").count()
    }

    /// Living processes below the launcher, with their names.
    pub fn descendants(&self) -> BTreeMap<i32, String> {
        let all = processes();
        let mut out = BTreeMap::new();
        let mut parents = vec![self.process.as_raw()];
        while let Some(parent) = parents.pop() {
            for (pid, _, name) in all.iter().filter(|(_, of, _)| *of == parent) {
                parents.push(*pid);
                out.insert(*pid, name.clone());
            }
        }
        out
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What is asked of a launcher.
pub fn command(script: &str, arguments: &[&str], limit: Duration) -> Command {
    Command {
        script: script.parse().unwrap(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        environment: [("HOMEWARD_SERVER".to_owned(), "10.1.1.51".to_owned())].into(),
        limit: limit.as_millis() as u32,
    }
}

/// Number, parent and name of every process that is not a zombie.
fn processes() -> Vec<(i32, i32, String)> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| stat(name.parse().ok()?)).collect()
}

fn stat(pid: i32) -> Option<(i32, i32, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then(|| (pid, parent, name.to_owned()))
}

/// True while that process lives.
pub fn lives(pid: impl Into<Number>) -> bool {
    stat(pid.into().0).is_some()
}

/// The number of a process.
pub struct Number(i32);

impl From<i32> for Number {
    fn from(pid: i32) -> Self {
        Self(pid)
    }
}

impl From<Pid> for Number {
    fn from(pid: Pid) -> Self {
        Self(pid.as_raw())
    }
}

/// Waits until it is so.
pub async fn eventually(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(15), "it never is so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Descriptors of a process on regular files or folders of other places than these.
pub fn descriptors(pid: Pid, but: &Path) -> usize {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| target.is_absolute() && target.exists() && !target.starts_with(but))
        .filter(|target| !target.starts_with("/dev"))
        .count()
}
