//! Which files may be run: those that nobody could have put there but root or the scripts' user.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use control::launcher::ScriptName;

/// Write permission of the group or of others.
const WRITABLE: u32 = 0o022;
/// Execute permission of anybody.
const EXECUTABLE: u32 = 0o111;

/// Why a file is not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Nothing is known of it.
    #[error("{0}: {1}")]
    Unknown(PathBuf, io::Error),
    /// Something else, a symbolic link too.
    #[error("{0} is no folder")]
    NoFolder(PathBuf),
    /// Something else, a symbolic link too.
    #[error("{0} is no regular file")]
    NoFile(PathBuf),
    #[error("{0} is not executable")]
    NotExecutable(PathBuf),
    #[error("{0} belongs to user {1}, who is neither root nor the scripts' user")]
    Owner(PathBuf, u32),
    #[error("{0} may be written by others than its owner")]
    Writable(PathBuf),
}

/// The path of a script of `folder`; `user`: who it runs as, and may own it.
pub(super) fn find(folder: &Path, script: &ScriptName, user: u32) -> Result<PathBuf, Refusal> {
    let about = look(folder)?;
    if !about.is_dir() {
        return Err(Refusal::NoFolder(folder.to_owned()));
    }
    check(folder, about.uid(), about.mode(), user)?;
    let path = folder.join(script.as_str());
    let about = look(&path)?;
    if !about.is_file() {
        return Err(Refusal::NoFile(path));
    }
    check(&path, about.uid(), about.mode(), user)?;
    if about.mode() & EXECUTABLE == 0 {
        return Err(Refusal::NotExecutable(path));
    }
    Ok(path)
}

fn look(path: &Path) -> Result<Metadata, Refusal> {
    path.symlink_metadata().map_err(|error| Refusal::Unknown(path.to_owned(), error))
}

fn check(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), Refusal> {
    if owner != 0 && owner != user {
        return Err(Refusal::Owner(path.to_owned(), owner));
    }
    if mode & WRITABLE != 0 {
        return Err(Refusal::Writable(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    const USER: u32 = 65534;

    #[test]
    fn only_root_and_the_scripts_user_may_write_it() {
        let check =
            |owner, mode| check(Path::new("/s/a"), owner, mode, USER).map_err(|refusal| refusal.to_string());
        for (owner, mode) in [(0, 0o755), (USER, 0o700), (0, 0o4755), (0, 0o111)] {
            assert_eq!(check(owner, mode), Ok(()), "{owner} {mode:o}");
        }
        let owner = "/s/a belongs to user 1000, who is neither root nor the scripts' user";
        assert_eq!(check(1000, 0o755).unwrap_err(), owner);
        for mode in [0o775, 0o757, 0o720, 0o702] {
            assert_eq!(check(0, mode).unwrap_err(), "/s/a may be written by others than its owner");
        }
    }

    #[test]
    fn it_is_an_executable_file_right_in_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("scripts");
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let user = root.path().metadata().unwrap().uid();
        let find =
            |name: &str| find(&folder, &name.parse().unwrap(), user).map_err(|refusal| refusal.to_string());
        let text = |name: &str, rest: &str| format!("{}{rest}", folder.join(name).display());
        assert!(find("a.sh").unwrap_err().contains("No such file"));
        fs::write(&folder, "").unwrap();
        assert_eq!(find("a.sh").unwrap_err(), format!("{} is no folder", folder.display()));
        fs::remove_file(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        set(&folder, 0o755);
        assert!(find("a.sh").unwrap_err().contains("No such file"));
        let file = folder.join("a.sh");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        set(&file, 0o644);
        assert_eq!(find("a.sh").unwrap_err(), text("a.sh", " is not executable"));
        set(&file, 0o755);
        assert_eq!(find("a.sh"), Ok(file.clone()));
        symlink(&file, folder.join("link")).unwrap();
        assert_eq!(find("link").unwrap_err(), text("link", " is no regular file"));
        fs::create_dir(folder.join("deep")).unwrap();
        assert_eq!(find("deep").unwrap_err(), text("deep", " is no regular file"));
        set(&folder, 0o777);
        let writable = format!("{} may be written by others than its owner", folder.display());
        assert_eq!(find("a.sh").unwrap_err(), writable);
    }
}
