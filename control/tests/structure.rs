//! The shape of the sources: which folder may name what. Read from the files, so that nothing slips in by a path.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its sources fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What the subsystems are called, in whatever letters.
const SUBSYSTEMS: &[&str] = &["slb", "dfp", "machine", "system"];

/// Folders that know no subsystem by name.
const NEUTRAL: &[&str] = &["command", "core", "daemon", "host", "manage", "protocol"];

/// Every Rust file under a folder of `control/src`, with its text less comments and literals.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![root.join(folder)];
    let mut out = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path.strip_prefix(&root).unwrap().to_owned(), code(&text)));
            }
        }
    }
    assert!(!out.is_empty(), "nothing in {folder}");
    out
}

/// The text with a blank in place of each comment, string and character.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if first == '"' {
            quoted(rest, '"').unwrap_or(rest.len())
        } else if first == '\'' {
            // A lifetime is no literal.
            quoted(rest, '\'')
                .filter(|end| rest[1..end - 1].chars().count() == 1 || rest.starts_with("'\\"))
                .unwrap_or(0)
        } else {
            0
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[length..];
        }
    }
    out
}

/// Hash signs of the raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Length of the literal that begins here, with both its marks.
fn quoted(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// The words of an identifier in lower case: `SlbConfig` and `slb_config` have the same.
fn words(identifier: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut before = ' ';
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && before.is_lowercase()) {
            out.push(String::new());
        }
        if c != '_'
            && let Some(last) = out.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        before = c;
    }
    out
}

/// Identifiers in `code` of which a word is one of `names`; the standard library's `SystemTime` is none of ours.
fn named_after<'c>(code: &'c str, names: &[&str]) -> BTreeSet<&'c str> {
    let ours = identifiers(code).filter(|identifier| *identifier != "SystemTime");
    ours.filter(|identifier| words(identifier).iter().any(|word| names.contains(&word.as_str()))).collect()
}

/// The modules of this crate that `code` imports or names by a path.
fn modules(code: &str) -> BTreeSet<&str> {
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        match path.strip_prefix('{') {
            None => out.extend(identifiers(path).next()),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_alphabetic() => {
                            out.extend(identifiers(&group[at..]).next());
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    out
}

#[test]
fn the_neutral_folders_name_no_subsystem() {
    for folder in NEUTRAL {
        for (file, code) in sources(folder) {
            let named = named_after(&code, SUBSYSTEMS);
            assert!(named.is_empty(), "{}: {named:?}", file.display());
        }
    }
}

#[test]
fn the_language_stands_on_secrets_alone() {
    for (file, code) in sources("command") {
        let others: Vec<_> =
            modules(&code).into_iter().filter(|module| !["command", "secret"].contains(module)).collect();
        assert!(others.is_empty(), "{} imports {others:?}", file.display());
    }
}

#[test]
fn the_reader_of_sources_sees_what_counts() {
    let text = "use crate::{\n    configuration::{Slb, self},\n    dfp,\n};\n// crate::host\nlet x = '\"'; f::<'a>(\"crate::core\", \
                r#\"crate::\"slb\"#); enum E { DfpAgent, Plain }\ncrate::publish::go(SystemTime::now(), b'\\'');";
    let code = code(text);
    assert_eq!(modules(&code), BTreeSet::from(["configuration", "dfp", "publish"]));
    assert_eq!(named_after(&code, SUBSYSTEMS), BTreeSet::from(["DfpAgent", "Slb", "dfp"]));
    assert_eq!(words("showSlb_of"), ["show", "slb", "of"]);
}
