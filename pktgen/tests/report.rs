//! `pktgen report`: a kept result, shown again by the program itself.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/report.json");

fn report(kept: &Path, words: &[&str]) -> Output {
    let pktgen = env!("CARGO_BIN_EXE_pktgen");
    Command::new(pktgen).arg("report").arg(kept).args(words).output().unwrap()
}

#[test]
fn a_kept_result_becomes_a_table_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let output = report(Path::new(KEPT), &["--html", page.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("throughput, passed: 1250000 frames/s"));
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("<svg") && text.contains("1250000 frames/s with a loss of 0"));
    let quiet = report(Path::new(KEPT), &["--quiet", "--html", page.to_str().unwrap()]);
    assert!(quiet.status.success() && quiet.stdout.is_empty(), "{quiet:?}");
    assert_eq!(fs::read_to_string(&page).unwrap(), text);
}

#[test]
fn what_is_no_result_or_one_of_the_future_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let kept = fs::read_to_string(KEPT).unwrap();
    let cases = [
        ("future.json", kept.replacen("\"version\": 1", "\"version\": 999", 1), "version 999 is newer"),
        ("other.json", "{\"nodes\": 3}".into(), "not a result of pktgen measure"),
        ("text.json", "no JSON".into(), "not a result of pktgen measure"),
    ];
    for (name, text, complaint) in cases {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let page = folder.path().join("page.html");
        let output = report(&path, &["--html", page.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(name) && said.contains(complaint), "{said}");
        assert!(!page.exists());
    }
    let missing = report(&folder.path().join("missing.json"), &[]);
    assert!(String::from_utf8(missing.stderr).unwrap().contains("missing.json"));
}
