//! The shape of the sources: which folder may name what. Read from the files, so that nothing slips in by a path.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its sources fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What subsystems were called once; no name for anything else either.
const FORMER: &[&str] = &["machine"];

/// The folders and root files of `control/src`, lowest first. Each imports lower ones only: so nothing points upward, there
/// is no circle, and nobody imports who stands beside him. What is not here are subsystems, as `protocols.rs` lists them.
const LAYERS: &[&[&str]] = &[
    &["access_list"],
    &["bus", "host", "launcher", "manage", "publish", "secret"],
    &["command", "health"],
    &["protocol"],
    &["core", SUBSYSTEM],
    &["daemon", "protocols"],
];

/// Where every subsystem stands.
const SUBSYSTEM: &str = "subsystem";

/// Folders that know no subsystem by name.
const NEUTRAL: &[&str] =
    &["access_list", "command", "core", "daemon", "host", "launcher", "manage", "protocol"];

/// Every Rust file under a folder of `control/src`, with its text less comments and literals.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    sources_in("src", folder)
}

/// Every Rust file under a folder of `root`, a path from this package, with its text less comments and literals.
fn sources_in(root: &str, folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
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
    behind(code, "crate::")
}

/// The first names behind a prefix of paths: of one path, or of each in a group.
fn behind<'c>(code: &'c str, prefix: &str) -> BTreeSet<&'c str> {
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let path = &code[at + prefix.len()..];
        match path.strip_prefix('{') {
            None if path.starts_with(char::is_alphabetic) => out.extend(identifiers(path).next()),
            None => {}
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

/// `code` without its items for tests only.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at + MARK.len()..];
        let mut depth = 0;
        let end = item.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && (*c == ';' || *c == '}')
        });
        rest = end.map_or("", |(end, _)| &item[end + 1..]);
    }
    out + rest
}

/// The path of the module that a file of `control/src` is.
fn module_path(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let names = parts.iter().map(|part| part.to_string_lossy().into_owned());
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// The modules that are for tests only, as `#[cfg(test)] mod NAME;` says.
fn test_modules(sources: &[(PathBuf, String)]) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for (file, code) in sources {
        for item in code.split("#[cfg(test)]").skip(1) {
            let declared = item.split_once(';').map_or("", |(item, _)| item);
            let words: Vec<_> = declared.split_whitespace().collect();
            if let [.., "mod", name] = words[..] {
                out.push([module_path(file), vec![name.to_owned()]].concat());
            }
        }
    }
    out
}

/// What each folder and root file of `control/src` imports, with the file that does; tests left out.
fn imports() -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let mut out = BTreeMap::<_, BTreeMap<_, _>>::new();
    let sources = sources("");
    let tests = test_modules(&sources);
    for (file, code) in &sources {
        let path = module_path(file);
        let Some(node) = path.first().filter(|_| !tests.iter().any(|test| path.starts_with(test))) else {
            continue;
        };
        let code = without_tests(code);
        let above = "super::".repeat(path.len());
        let entry = out.entry(node.clone()).or_default();
        for module in modules(&code).into_iter().chain(behind(&code, &above)).filter(|module| *module != node)
        {
            entry.insert(module.to_owned(), file.clone());
        }
    }
    out
}

/// The subsystems, as the list has them.
fn subsystems() -> BTreeSet<String> {
    imports().remove("protocols").unwrap().into_keys().collect()
}

#[test]
fn the_neutral_folders_name_no_subsystem() {
    let subsystems = subsystems();
    let names: Vec<_> = subsystems.iter().map(String::as_str).chain(FORMER.iter().copied()).collect();
    for folder in NEUTRAL {
        for (file, code) in sources(folder) {
            let named = named_after(&code, &names);
            assert!(named.is_empty(), "{}: {named:?}", file.display());
        }
    }
}

#[test]
fn nothing_imports_upward_or_beside_itself() {
    let (imports, subsystems) = (imports(), subsystems());
    let layer = |module: &str| {
        let name = if subsystems.contains(module) { SUBSYSTEM } else { module };
        let found = LAYERS.iter().position(|layer| layer.contains(&name));
        found.unwrap_or_else(|| panic!("{module} is in no layer, and no subsystem of the list"))
    };
    for (module, imported) in &imports {
        for (other, file) in imported {
            let below = layer(other) < layer(module);
            assert!(below, "{} imports {other}, which does not stand below {module}", file.display());
        }
    }
    for name in LAYERS.concat().into_iter().filter(|name| *name != SUBSYSTEM) {
        assert!(imports.contains_key(name), "{name} is gone");
    }
    assert_eq!(subsystems.len(), 4);
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
    assert_eq!(named_after(&code, &["slb", "dfp"]), BTreeSet::from(["DfpAgent", "Slb", "dfp"]));
    assert_eq!(words("showSlb_of"), ["show", "slb", "of"]);
    let above =
        "use super::{one, super::{two::Two, three}};\nuse super::super::four::Four; super::super::five();";
    assert_eq!(behind(above, "super::super::"), BTreeSet::from(["five", "four"]));
    let tested = "a;\n#[cfg(test)]\nmod tests { fn f() {} }\nb; #[cfg(test)] use c::{d, e}; #[cfg(test)] mod tests;\nf";
    assert_eq!(without_tests(tested).split_whitespace().collect::<String>(), "a;b;;f");
}
