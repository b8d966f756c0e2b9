//! What was changed of kernel devices, on disk for as long as it is: what a killed process left is put back by the next one.
//!
//! One file a device and network namespace, locked by the process that made the changes. A file that nobody has locked is one of
//! a process that was killed.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::net::if_::if_nametoindex;
use serde::{Deserialize, Serialize};

use super::sysctl;

/// End of the names of all files.
const SUFFIX: &str = ".settings";

/// A setting under `net.FAMILY.conf.DEVICE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `arp_ignore`
    pub key: String,
    /// What it was set to.
    pub value: String,
    /// What it was.
    pub former: String,
}

impl Setting {
    /// `family`, `key`, what it is set to and what it was.
    pub fn new(family: &str, key: &str, value: &str, former: String) -> Self {
        Self { family: family.to_owned(), key: key.to_owned(), value: value.to_owned(), former }
    }
}

/// What a file says.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    /// Of the running kernel: settings do not outlive it.
    boot: String,
    /// Inode of the network namespace.
    namespace: u64,
    device: String,
    /// Another device may have the name by then.
    index: u32,
    settings: Vec<Setting>,
}

/// The directory of all files of one director.
#[derive(Clone, Debug)]
pub struct Records {
    directory: PathBuf,
}

/// The file of one device; it goes with this.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
}

impl Records {
    /// In `directory`, which is made if it is not there.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Writes down what is about to be set.
    ///
    /// # Errors
    /// What the file system says; nothing is left behind.
    pub fn write(&self, device: &str, index: u32, settings: &[Setting]) -> io::Result<Record> {
        let contents = Contents {
            boot: boot()?,
            namespace: namespace()?,
            device: device.to_owned(),
            index,
            settings: settings.to_vec(),
        };
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(format!("{}-{device}{SUFFIX}", contents.namespace));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        // Nobody else has this device of this namespace: its shadows would have the same names.
        file.try_lock()?;
        let record = Record { path, file };
        record.file.set_len(0)?;
        (&record.file).write_all(&serde_json::to_vec(&contents)?)?;
        Ok(record)
    }

    /// Puts back what killed processes have left in this network namespace: lines for the log.
    pub fn restore(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut lines = Vec::new();
        for path in paths.filter(|path| path.to_string_lossy().ends_with(SUFFIX)) {
            if let Err(error) = restore(&path, &mut lines) {
                lines.push(format!("{}: {error}", path.display()));
            }
        }
        lines
    }
}

impl Record {
    /// Leaves the file to the next start.
    pub fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn restore(path: &Path, lines: &mut Vec<String>) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(()),
        other => other?,
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // One that ends early was killed before it changed anything.
    if let Ok(contents) = serde_json::from_str::<Contents>(&text) {
        let same_boot = contents.boot == boot()?;
        if same_boot && contents.namespace != namespace()? {
            return Ok(());
        }
        if same_boot && if_nametoindex(contents.device.as_str()) == Ok(contents.index) {
            for setting in &contents.settings {
                lines.extend(put_back(&contents.device, setting));
            }
        }
    }
    fs::remove_file(path)
}

/// Unless somebody has set it to something else since.
fn put_back(device: &str, setting: &Setting) -> Option<String> {
    let Setting { family, key, value, former } = setting;
    if sysctl::get(family, device, key).as_ref() != Some(value) {
        return None;
    }
    Some(match sysctl::set(family, device, key, former) {
        Ok(_) => format!(
            "kernel device {device}: net.{family} {key} set back to {former}, as it was before a crash"
        ),
        Err(error) => error.to_string(),
    })
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// That of the calling thread.
fn namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}
