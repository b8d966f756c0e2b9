//! The entry of the fuzz target.

use std::sync::Arc;

use super::{Commands, Configuration, Idle, Position, Runtime as _, Shell, load};

/// Most lines that are typed.
const LINES: usize = 128;

/// What is running must print, load and print the same, as it is shown and as it is saved.
fn round_trip<C: Configuration>(configuration: &C) {
    for print in [C::running_config, C::startup_config] {
        let printed = print(configuration);
        match load::<C>("printed", &printed) {
            Ok(again) => {
                assert_eq!(print(&again.configuration), printed, "a configuration that drifts");
                assert!(
                    again.configuration == *configuration,
                    "a configuration that hides something:\n{printed}"
                );
            }
            Err(errors) => panic!("what is printed must load: {}\n{printed}", errors[0]),
        }
    }
}

/// Feeds arbitrary bytes to the language: as a configuration file, as lines typed in every mode, to `?` and to Tab.
/// What loads must print, load and print the same.
///
/// # Panics
/// When the language breaks its promises.
pub fn fuzz_line<C: Configuration>(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(loaded) = load::<C>("fuzz", &text) {
        round_trip(&loaded.configuration);
    }
    let commands = Arc::new(Commands::<Idle<C>>::new([]).expect("the language's own commands compile"));
    let mut shell = Shell::new(commands.clone(), true);
    let mut runtime = Idle::<C>::default();
    for line in text.lines().take(LINES) {
        let _ = shell.help(line);
        let _ = shell.complete(line);
        let _ = shell.execute(line, &mut runtime);
    }
    round_trip(&*runtime.configuration());
    for mode in C::language().modes() {
        let mut position = Position::default();
        position.enter(mode, "X");
        let mut shell = Shell::at(commands.clone(), position);
        for line in text.lines().take(4) {
            let _ = shell.help(line);
            let _ = shell.complete(line);
            let _ = shell.execute(line, &mut runtime);
        }
    }
    round_trip(&*runtime.configuration());
}
