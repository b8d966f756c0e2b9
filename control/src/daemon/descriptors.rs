//! How many file descriptors are left: who runs out of them cannot look at the world any more, and is to say so before.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit};

use crate::health::{DESCRIPTORS, Found, percent};

/// How many are open, without the one that is needed to see it, and how many may be.
pub(super) struct Descriptors {
    open: io::Result<u64>,
    limit: u64,
}

impl Descriptors {
    /// As they are now.
    pub fn look() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let entries = fs::read_dir("/proc/self/fd");
        Self { open: entries.map(|entries| (entries.count() as u64).saturating_sub(1)), limit }
    }

    /// What is wrong, if more than `above` percent are in use.
    pub fn found(&self, above: u8) -> Option<Found> {
        let limit = self.limit;
        let reason = match &self.open {
            Ok(open) if percent(*open, limit) > above.into() => format!("{open} of {limit} in use"),
            Ok(_) => return None,
            // The look needs one itself.
            Err(error) => format!("they cannot be counted: {error}"),
        };
        Some(Found::new(&DESCRIPTORS, "process", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(open: io::Result<u64>) -> Option<String> {
        Descriptors { open, limit: 1000 }.found(80).map(|found| found.reason)
    }

    #[test]
    fn too_many_and_none_left_are_said() {
        assert_eq!(reason(Ok(800)), None);
        assert_eq!(reason(Ok(811)).unwrap(), "811 of 1000 in use");
        let none_left = reason(Err(io::Error::from_raw_os_error(nix::libc::EMFILE))).unwrap();
        assert!(none_left.starts_with("they cannot be counted: Too many open files"), "{none_left}");
        assert!(Descriptors::look().open.unwrap() >= 3, "input, output, errors");
    }
}
