//! Plays every recording that is kept: each was a fault once, or is a piece of a director's life that must stay as it is.

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
};

use control::{
    core::{End, Replay},
    protocols::All,
};

#[test]
fn recordings_are_played_to_their_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut played = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let replay = Replay::<All, _>::new(BufReader::new(File::open(&path).unwrap()));
        let summary =
            replay.and_then(Replay::run).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(matches!(summary.end, End::Stopped | End::Cut), "{}: {}", path.display(), summary.end);
        assert!(summary.steps > 0, "{}", path.display());
        played += 1;
    }
    assert!(played > 0);
}
