//! The startup file.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Of a file that was not there: its secrets may be in clear.
const MODE: u32 = 0o640;

/// Writes a file so that at any moment the old or the new one is whole; the old one stays as `.bak`. Its permissions stay
/// too. If it cannot be written nothing is left behind.
pub(super) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path, ".new");
    let written = replace(path, &new, text);
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn replace(path: &Path, new: &Path, text: &str) -> io::Result<()> {
    // What a process that was killed has left may have other permissions.
    let _ = fs::remove_file(new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(new)?;
    let old = fs::metadata(path).ok();
    if let Some(old) = &old {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if old.is_some() {
        let bak = beside(path, ".bak");
        // A copy under another name keeps `path` in place at every moment.
        let _ = fs::remove_file(&bak);
        fs::hard_link(path, &bak).or_else(|_| fs::copy(path, &bak).map(drop))?;
    }
    fs::rename(new, path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_permissions_and_a_new_one_is_not_for_everybody() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("homeward.conf");
        write_file(&file, "one\n").unwrap();
        assert_eq!(mode(&file) & 0o007, 0);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        write_file(&file, "two\n").unwrap();
        assert_eq!((mode(&file), fs::read_to_string(&file).unwrap().as_str()), (0o600, "two\n"));
        let old = beside(&file, ".bak");
        assert_eq!((mode(&old), fs::read_to_string(&old).unwrap().as_str()), (0o600, "one\n"));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("homeward.conf");
        // A folder is in its place.
        fs::create_dir(&file).unwrap();
        assert!(write_file(&file, "text\n").is_err());
        assert!(!beside(&file, ".new").exists());
        // What a killed process left is no obstacle, and its permissions do not last.
        let other = directory.path().join("other.conf");
        fs::write(beside(&other, ".new"), "half").unwrap();
        fs::set_permissions(beside(&other, ".new"), fs::Permissions::from_mode(0o666)).unwrap();
        write_file(&other, "whole\n").unwrap();
        assert_eq!((mode(&other) & 0o007, fs::read_to_string(&other).unwrap().as_str()), (0, "whole\n"));
        assert!(!beside(&other, ".new").exists());
    }
}
