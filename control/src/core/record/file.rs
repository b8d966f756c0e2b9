//! The file of a recording, before anything is written.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Largest recording in bytes; it ends there.
pub const LIMIT: u64 = 128 << 20;

/// So many recordings are kept in a folder, the present one among them.
pub const KEPT: usize = 8;

/// A file that a recording can be written to.
#[derive(Debug)]
pub struct Recording {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Most bytes of the file.
    pub(super) limit: u64,
}

impl Recording {
    /// Makes a file named after the time of day in `folder`, which is made if it is not there, readable by nobody else. Of
    /// earlier recordings there the last [`KEPT`] - 1 stay.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let is_ours = |name: &OsStr| {
            let stem = Path::new(name).file_stem().and_then(OsStr::to_str);
            stem.is_some_and(|stem| stem.starts_with("homeward-"))
                && Path::new(name).extension().is_some_and(|extension| extension == "jsonl")
        };
        let mut earlier = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if is_ours(&name) {
                earlier.push(name);
            }
        }
        earlier.sort();
        for name in &earlier[..earlier.len().saturating_sub(KEPT - 1)] {
            fs::remove_file(folder.join(name))?;
        }
        let name = jiff::Timestamp::now().strftime("homeward-%Y%m%dT%H%M%S%3fZ.jsonl").to_string();
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, limit: LIMIT })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_oldest_goes_and_what_is_no_recording_stays() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("of").join("ours");
        fs::create_dir_all(&deep).unwrap();
        for name in ["homeward.conf", "notes.jsonl"] {
            fs::write(deep.join(name), "").unwrap();
        }
        for day in 1..=9 {
            fs::write(deep.join(format!("homeward-2026010{day}T000000000Z.jsonl")), "").unwrap();
        }
        let recording = Recording::create(&deep).unwrap();
        assert_eq!(fs::metadata(recording.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let mut names: Vec<_> = fs::read_dir(&deep)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), KEPT + 2);
        assert_eq!(names[0], "homeward-20260103T000000000Z.jsonl");
    }
}
