//! Kernel settings of one device, under `/proc/sys/net`. `CAP_NET_ADMIN` suffices to write them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A setting could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {value} to {path}: {source} (is /proc/sys read-only, or CAP_NET_ADMIN missing?)")]
pub struct SysctlError {
    /// The file under `/proc/sys`.
    pub path: String,
    /// What was to be written.
    pub value: String,
    /// What the kernel answered.
    pub source: io::Error,
}

/// What `net.FAMILY.conf.DEVICE.KEY` is, if that can be read.
pub fn get(family: &str, device: &str, key: &str) -> Option<String> {
    Some(fs::read_to_string(file(family, device, key)).ok()?.trim().to_owned())
}

/// Sets `net.FAMILY.conf.DEVICE.KEY` and returns what it was. A family or a key that this kernel does not have is
/// left alone (`None`): a kernel without IPv6 has no IPv6 to switch off.
pub fn set(family: &str, device: &str, key: &str, value: &str) -> Result<Option<String>, SysctlError> {
    write(&file(family, device, key), value)
}

/// Sets `net.ipv4.neigh.DEVICE.KEY`.
pub fn set_neighbour(device: &str, key: &str, value: &str) -> Result<Option<String>, SysctlError> {
    write(&["/proc/sys/net/ipv4/neigh", device, key].iter().collect::<PathBuf>(), value)
}

fn file(family: &str, device: &str, key: &str) -> PathBuf {
    ["/proc/sys/net", family, "conf", device, key].iter().collect()
}

fn write(path: &Path, value: &str) -> Result<Option<String>, SysctlError> {
    let fail = |source| SysctlError { path: path.display().to_string(), value: value.to_owned(), source };
    let old = match fs::read_to_string(path) {
        Ok(old) => old.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    if old != value {
        fs::write(path, value).map_err(fail)?;
    }
    Ok(Some(old))
}
