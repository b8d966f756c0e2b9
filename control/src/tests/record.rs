//! What one core does is recorded, and done again by another one.

use std::{
    fs,
    io::Cursor,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use common::{event::Event, id::InterfaceId, mac::MacAddr, net::Route, time::Nanos};

use super::{Harness, neighbour, network};
use crate::{
    core::{Core, Difference, End, Recording, Replay, ReplayError, Summary},
    protocols::All,
};

const SLB: &str = "\
ip slb serverfarm FARM
 real 10.1.1.51
  maxconns 2
  inservice
 !
 real 10.1.1.52
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm FARM
 inservice
!
";

/// Where a harness records.
pub(super) struct Tape {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Tape {
    pub fn new() -> (Self, Recording) {
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::create(folder.path()).unwrap();
        let path = recording.path().to_owned();
        (Self { folder, path }, recording)
    }

    /// The text of what `core` has recorded.
    pub fn finish(self, core: &mut Core<All>) -> String {
        core.end_recording().expect("it records").wait(Duration::from_secs(10));
        let text = fs::read_to_string(&self.path).unwrap();
        self.folder.close().unwrap();
        text
    }
}

/// A harness that records.
struct Recorded {
    harness: Harness,
    tape: Tape,
}

impl Recorded {
    fn new(slb: &str) -> Self {
        let (tape, recording) = Tape::new();
        Self { harness: Harness::recorded(slb, Some(recording)), tape }
    }

    /// The text of the recording.
    fn finish(mut self) -> String {
        self.tape.finish(&mut self.harness.core)
    }
}

pub(super) fn play(text: &str) -> Result<Summary, ReplayError> {
    Replay::<All, _>::new(Cursor::new(text))?.run()
}

fn difference(text: &str) -> Difference {
    match play(text) {
        Err(ReplayError::Difference(difference)) => *difference,
        other => panic!("{other:?}"),
    }
}

/// A director's life: sessions, a real that is full, a lost link, a route, lines, a command, the end.
fn life() -> String {
    let mut recorded = Recorded::new(SLB);
    let harness = &mut recorded.harness;
    harness.seconds(2);
    for nai in ["a", "b", "c", "d", "e"] {
        assert_ne!(harness.goes_to(nai), 0);
    }
    harness.pass(Duration::from_millis(500));
    harness.configure(
        "ip slb serverfarm FARM\nreal 10.1.1.53\ninservice\nip route 30.0.0.0 255.0.0.0 10.1.1.254",
    );
    let mut down = network();
    down.ports_mut()[0].link_up = false;
    harness.network(&down);
    harness.seconds(1);
    let mut up = network();
    up.routes.insert("30.0.0.0/8".parse().unwrap(), Route::Via(neighbour(254)));
    up.neighbours_mut().insert(neighbour(51), MacAddr([2, 0, 0, 0, 9, 51]));
    harness.network(&up);
    let resolve = Event::Resolve { interface: InterfaceId(0), address: [10, 1, 1, 77].into() };
    harness.worker.events.push(resolve).unwrap();
    harness.run("debug ip slb sessions ipmobile");
    harness.goes_to("f");
    harness.seconds(1);
    harness.run("clear ip slb sessions\nshow ip slb reals\nundebug all");
    harness.pass(Duration::from_millis(200));
    harness.configure("ip slb serverfarm FARM\nno real 10.1.1.52\nend");
    harness.core.stop();
    harness.seconds(1);
    recorded.finish()
}

#[test]
fn what_is_recorded_is_done_again() {
    let text = life();
    let summary = play(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(summary.end, End::Stopped);
    assert!(summary.steps > 120, "{summary:?}");
    for part in [
        r#"{"homeward_recording":1,"#,
        r#""input":{"ports":"#,
        r#""input":{"host":{"generation":1,"links":"#,
        r#""input":{"configuration":{"head":"#,
        r#""input":{"command":{"mode":"exec","line":"clear ip slb sessions"}}"#,
        r#""input":{"advance":[{"resolve":{"interface":0,"address":"10.1.1.77"}}]}"#,
        r#""slb real 0",["MAXCONNS",2]]"#,
        "system: Host(DesiredHost",
        "slb tells: VirtualServers(",
        r#"{"passes":["#,
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("show ip slb reals"), "nothing is told by a show");
}

#[test]
fn a_difference_is_found_and_its_step_is_named() {
    let text = life();
    let planted = text.replacen("capacity: 32767", "capacity: 32766", 1);
    assert_ne!(planted, text);
    let number = text.lines().position(|line| line.contains("capacity: 32767")).unwrap() + 1;
    let found = difference(&planted);
    assert_eq!(found.line, number);
    assert!(found.recorded.as_ref().unwrap().contains("capacity: 32766"));
    assert!(found.replayed.as_ref().unwrap().contains("capacity: 32767"));
    assert!(found.to_string().starts_with(&format!("line {number}, ")), "{found}");

    // An input that did not come.
    let mut lines: Vec<_> = text.lines().collect();
    let lost = lines.iter().position(|line| line.contains(r#""input":{"host":"#)).unwrap();
    lines.remove(lost);
    let found = difference(&(lines.join("\n") + "\n"));
    assert!(found.line > lost, "{found}");
}

#[test]
fn a_replay_ends_at_a_gap_at_the_full_size_and_where_the_recording_is_cut() {
    let text = life();
    let (head, rest) = text.split_at(text.match_indices('\n').nth(8).unwrap().0 + 1);
    let end = |text: &str| play(text).map(|summary| summary.end).unwrap();
    assert_eq!(end(&format!("{head}{{\"gap\":3}}\n{rest}")), End::Gap(3));
    assert_eq!(end(&format!("{head}{{\"end\":\"size\"}}\n")), End::Size);
    assert_eq!(end(head), End::Cut);
    assert_eq!(end(&format!("{head}{}", &rest[..20])), End::Cut);
}

#[test]
fn what_is_no_recording_or_another_ones_is_refused() {
    let refused = |text: &str| play(text).unwrap_err().to_string();
    assert_eq!(refused(""), "no recording: the first line is not its header");
    assert_eq!(refused("{\"a\":1}\n"), "no recording: the first line is not its header");
    assert_eq!(
        refused("{\"homeward_recording\":2}\n"),
        "the recording is of version 2, this program reads version 1"
    );
    let text = life();
    let header = text.lines().next().unwrap();
    assert!(refused(&(header.replace("\"slb\"", "\"glbp\"") + "\n")).contains("glbp"));
    assert!(refused(&format!("{header}\n{{\"step\":1}}\n")).starts_with("line 2: "));
}

#[test]
fn secrets_are_not_in_a_recording_and_a_changed_one_is_still_a_change() {
    // Type 7 of the second one: 14351B181F08.
    let mut recorded = Recorded::new(&format!("ip slb dfp password Gr8Secret 60\n!\n{SLB}"));
    recorded.harness.seconds(1);
    recorded.harness.configure("ip slb dfp password 7 0822455D0A16 60");
    recorded.harness.configure("ip slb dfp password 7 0822455D0A16 60");
    recorded.harness.configure("ip slb dfp password 0 Gr8Secret 60");
    let text = recorded.finish();
    for secret in ["Gr8Secret", "cisco", "0822455D0A16"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(text.matches("ip slb dfp password secret-").count(), 3, "{text}");
    assert_eq!(play(&text).unwrap().end, End::Stopped);
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let mut harness = Harness::new(SLB);
    harness.seconds(1);
    assert!(harness.core.end_recording().is_none());
}

#[test]
fn a_replay_stops_where_one_wants_to_look() {
    let text = life();
    let mut replay = Replay::<All, _>::new(Cursor::new(&text)).unwrap();
    while replay.core_mut().running().slb.farms.is_empty() {
        assert_eq!(replay.play_line().unwrap(), None);
    }
    assert!(text.lines().nth(replay.line() - 1).unwrap().contains("configuration"));
    let core = replay.core_mut();
    assert!(core.shared().now >= Nanos(1_000_000_000));
    assert_eq!(core.shared().wall, SystemTime::UNIX_EPOCH);
}
