//! The startup file.

use std::path::Path;

/// Writes a file so that at any moment the old or the new one is whole; the old one stays as `.bak`.
pub(super) fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{fs, io::Write as _};
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    let new = beside(".new");
    let mut file = fs::File::create(&new)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if path.exists() {
        let bak = beside(".bak");
        // A copy under another name keeps `path` in place at every moment.
        let _ = fs::remove_file(&bak);
        fs::hard_link(path, &bak).or_else(|_| fs::copy(path, &bak).map(drop))?;
    }
    fs::rename(&new, path)
}
