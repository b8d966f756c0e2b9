//! `homeward replay FILE`.

use std::{fs::File, io::BufReader, path::Path, process::ExitCode};

use anyhow::Context;
use control::{
    core::{Replay, ReplayError},
    protocols::All,
};

/// Exits 0 if the state machines do what they did when it was recorded, 1 at the first step at which they do not.
///
/// # Errors
/// It cannot be read.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let played = Replay::<All, _>::new(BufReader::new(file)).and_then(Replay::run);
    match played {
        Ok(summary) => {
            println!(
                "{}: {} steps, all with the same actions; {}",
                path.display(),
                summary.steps,
                summary.end
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(ReplayError::Difference(difference)) => {
            println!("{}: {difference}", path.display());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
