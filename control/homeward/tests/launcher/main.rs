//! The launcher as a process, with real children.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it needs fails")]

mod harness;

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use control::launcher::{LaunchError, Outcome};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, geteuid},
};

use self::harness::{Stand, command, eventually, lives, set_mode};

/// Long enough for a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_script_has_what_it_is_told_and_its_end_is_told() {
    let stand = Stand::new();
    stand.script("env.sh", "env | sort | tr '\\n' ' '; echo; echo second");
    let (outcome, output) = stand.run("env.sh", &[], LONG).await;
    assert_eq!(outcome, Outcome::Exited(0));
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(output, format!("HOMEWARD_SERVER=10.1.1.51 {path} PWD=/"));
    stand.script("arguments.sh", "echo \"$#|$1|$2|$3\"; exit $1");
    let (outcome, output) = stand.run("arguments.sh", &["7", "--help", "a;$(id) *"], LONG).await;
    assert_eq!((outcome, output.as_str()), (Outcome::Exited(7), "3|7|--help|a;$(id) *"));
    stand.script("signal.sh", "kill -SEGV $$");
    assert_eq!(stand.run("signal.sh", &[], LONG).await.0, Outcome::Signalled(11));
    stand.script("input.sh", "read line; echo \"$?\"; echo lost >&2");
    assert_eq!(stand.run("input.sh", &[], LONG).await, (Outcome::Exited(0), "1".into()));
}

#[tokio::test]
async fn what_is_not_run_is_told_with_its_reason() {
    let stand = Stand::new();
    let refused = async |script: &str| match stand.run(script, &[], LONG).await {
        (Outcome::NotStarted(why), output) if output.is_empty() => why,
        other => panic!("{script}: {other:?}"),
    };
    assert!(refused("missing.sh").await.contains("No such file"));
    let path = stand.script("open.sh", "exit 0");
    set_mode(&path, 0o777);
    assert!(refused("open.sh").await.ends_with("may be written by others than its owner"));
    set_mode(&path, 0o644);
    assert!(refused("open.sh").await.ends_with("is not executable"));
    // Known only once it is tried.
    stand.write("interpreter.sh", "#!/nowhere/sh\n");
    assert!(refused("interpreter.sh").await.contains("interpreter.sh: No such file"));
    let open = command("open.sh", &[], LONG);
    let environment = [("LD_PRELOAD".to_owned(), "x".to_owned())].into();
    let reply = stand.launcher.run(control::launcher::Command { environment, ..open }).await.unwrap();
    assert_eq!(reply.outcome, Outcome::NotStarted("\"LD_PRELOAD\" is no variable of a script".into()));
    assert_eq!(stand.launcher.totals().unwrap().not_started, 5);
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_with_all_that_it_started() {
    let stand = Stand::new();
    // One in its group, one in a session of its own, one whose parent has ended.
    stand.script(
        "hang.sh",
        "sleep 600 & echo $!; setsid sleep 601 & (setsid sh -c 'sleep 602 & echo $! > /dev/null; wait' &); sleep 603",
    );
    let begun = Instant::now();
    let run = stand.run("hang.sh", &[], Duration::from_secs(2));
    let seen = async {
        eventually(|| stand.sleeping() == 4).await;
        stand.descendants()
    };
    let ((outcome, output), seen) = tokio::join!(run, seen);
    assert_eq!(outcome, Outcome::TimedOut);
    assert!(begun.elapsed() >= Duration::from_secs(2) && begun.elapsed() < Duration::from_secs(10));
    assert!(seen.contains_key(&output.parse().unwrap()), "what it wrote before is told: {output:?}");
    eventually(|| seen.keys().all(|pid| !lives(*pid))).await;
    assert_eq!(stand.descendants().len(), 0);
}

#[tokio::test]
async fn what_a_script_leaves_behind_ends_with_it() {
    let stand = Stand::new();
    stand.script("daemon.sh", "setsid sleep 600 > /dev/null & echo $!");
    // Another one goes on.
    stand.script("other.sh", "(sleep 3 &); sleep 2; echo done");
    let other = stand.run("other.sh", &[], LONG);
    let daemon = stand.run("daemon.sh", &[], LONG);
    let (other, daemon) = tokio::join!(other, daemon);
    assert_eq!((other, &daemon.0), ((Outcome::Exited(0), "done".into()), &Outcome::Exited(0)));
    let left: i32 = daemon.1.parse().unwrap();
    eventually(|| !lives(left)).await;
    assert_eq!(stand.descendants().len(), 0);
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let stand = Stand::new();
    stand.script("flood.sh", "exec yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    stand.script("line.sh", "head -c 60000 /dev/zero | tr '\\0' x");
    let (flood, line) =
        tokio::join!(stand.run("flood.sh", &[], Duration::from_secs(1)), stand.run("line.sh", &[], LONG));
    assert_eq!((flood.0, flood.1.len()), (Outcome::TimedOut, 64));
    assert_eq!((line.0, line.1.as_str()), (Outcome::Exited(0), "x".repeat(256).as_str()));
}

#[tokio::test]
async fn not_more_than_so_many_run_at_a_time() {
    let stand = Stand::new();
    stand.script("wait.sh", "while [ ! -e \"$1\" ]; do sleep 0.2; done");
    let go = stand.folder.path().join("go");
    let argument = go.display().to_string();
    let arguments = [argument.as_str()];
    let runs = (0..40).map(|_| stand.run("wait.sh", &arguments, LONG));
    let release = async {
        eventually(|| stand.launcher.totals().unwrap().busy == 8).await;
        std::fs::write(&go, "").unwrap();
    };
    let (outcomes, ()) = tokio::join!(futures::future::join_all(runs), release);
    let count = |wanted: Outcome| outcomes.iter().filter(|(outcome, _)| *outcome == wanted).count();
    assert_eq!((count(Outcome::Exited(0)), count(Outcome::Busy)), (32, 8));
    assert_eq!(stand.run("wait.sh", &arguments, LONG).await.0, Outcome::Exited(0), "there is room again");
    let totals = stand.launcher.totals().unwrap();
    assert_eq!((totals.started, totals.busy, totals.not_started), (33, 8, 0));
}

#[tokio::test]
async fn a_launcher_that_is_killed_takes_its_scripts_along_and_is_missed() {
    let stand = Stand::new();
    stand.script("hang.sh", "exec sleep 600");
    let run = stand.launcher.run(command("hang.sh", &[], LONG));
    let end = async {
        eventually(|| stand.sleeping() == 1).await;
        let seen = stand.descendants();
        kill(stand.process, Signal::SIGKILL).unwrap();
        seen
    };
    let (result, seen) = tokio::join!(run, end);
    assert_eq!(result, Err(LaunchError::Gone));
    eventually(|| seen.keys().all(|pid| !lives(*pid))).await;
    assert!(stand.launcher.has_ended());
    assert_eq!(stand.launcher.run(command("hang.sh", &[], LONG)).await, Err(LaunchError::Gone));
}

#[tokio::test]
async fn a_launcher_that_nobody_needs_ends_with_all_its_scripts_and_no_signal_of_the_service_ends_it() {
    let mut stand = Stand::new();
    stand.script("hang.sh", "setsid sleep 600 & sleep 601");
    let (launcher, hang) = (stand.launcher.clone(), command("hang.sh", &[], LONG));
    let run = tokio::spawn(async move { launcher.run(hang).await });
    eventually(|| stand.sleeping() == 2).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(stand.process, signal).unwrap();
    }
    stand.script("ok.sh", "exit 0");
    assert_eq!(stand.run("ok.sh", &[], LONG).await.0, Outcome::Exited(0));
    let seen: BTreeSet<_> = stand.descendants().into_keys().collect();
    assert!(seen.len() >= 3);
    stand.close();
    assert_eq!(run.await.unwrap(), Err(LaunchError::Gone));
    eventually(|| !lives(stand.process) && seen.iter().all(|pid| !lives(*pid))).await;
}

#[tokio::test]
async fn a_script_is_behind_bars() {
    let stand = Stand::new();
    let status = "grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs):' /proc/self/status | tr -s '\\n\\t ' ' '";
    stand.script("status.sh", status);
    let (outcome, output) = stand.run("status.sh", &[], LONG).await;
    assert_eq!(outcome, Outcome::Exited(0));
    let none = "0000000000000000";
    let mut expected =
        format!("CapInh: {none} CapPrm: {none} CapEff: {none} CapBnd: {none} CapAmb: {none} NoNewPrivs: 1");
    if geteuid().is_root() {
        expected = format!("Uid: 65534 65534 65534 65534 Gid: 65534 65534 65534 65534 Groups: {expected}");
        assert_eq!(output, expected);
    } else {
        // Nobody else may empty the bounding set.
        assert!(output.ends_with("NoNewPrivs: 1"), "{output}");
    }
    stand.script("limits.sh", "echo $(ulimit -n) $(ulimit -c) $(ulimit -t) $(umask) $(nice) $(cat /proc/self/oom_score_adj) $(ls /proc/self/fd | wc -l)");
    // Three, and the one with which `ls` reads the folder.
    assert_eq!(stand.run("limits.sh", &[], Duration::from_secs(9)).await.1, "64 0 10 0077 10 500 4");
    stand.script("group.sh", "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && [ $7 = 0 ] && tty");
    assert_eq!(stand.run("group.sh", &[], LONG).await, (Outcome::Exited(1), "not a tty".into()));
    assert!(killpg(Pid::from_raw(stand.process.as_raw()), None).is_ok(), "it leads a group of its own");
    assert_eq!(harness::descriptors(stand.process, Path::new("/proc")), 0);
}
