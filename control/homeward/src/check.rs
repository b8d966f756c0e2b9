//! `homeward check FILE`.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use common::{slb::Session, table::Geometry};
use control::{
    command::{self, Configuration as _},
    protocols::Configuration,
};

/// Reads a configuration file; what is wrong with it is on stderr, each with its line and a caret.
///
/// # Errors
/// The file cannot be read.
pub fn load(path: &Path) -> anyhow::Result<Option<Configuration>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let loaded = match command::load::<Configuration>(&path.display().to_string(), &text) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors {
                eprintln!("{error}");
            }
            return Ok(None);
        }
    };
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    match loaded.configuration.check() {
        Ok(warnings) => {
            for warning in warnings {
                eprintln!("{}: {warning}", path.display());
            }
            Ok(Some(loaded.configuration))
        }
        Err(errors) => {
            for error in errors {
                eprintln!("{}: {error}", path.display());
            }
            Ok(None)
        }
    }
}

/// Exits 0 if the file can be run.
///
/// # Errors
/// The file cannot be read.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let Some(configuration) = load(path)? else { return Ok(ExitCode::FAILURE) };
    // Another machine may be meant, or this one with a director on it: no error.
    let dataplane = configuration.system.dataplane_config();
    let placed =
        Geometry::<Session>::new(dataplane.sessions).and_then(|geometry| geometry.place(dataplane.hugepages));
    if let Err(error) = placed {
        eprintln!("{}: warning: on this machine now: {error}", path.display());
    }
    println!("{}: good", path.display());
    Ok(ExitCode::SUCCESS)
}
