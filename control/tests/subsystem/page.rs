//! `docs/adding-a-subsystem.md` shows what is compiled here.

use std::{collections::BTreeSet, fs, path::Path};

/// The code blocks of the page, each with the file that the line before it names in bold.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let (mut file, mut block) = (None, None::<String>);
    for line in page.lines() {
        match &mut block {
            Some(text) if line == "```" => {
                blocks
                    .push((file.take().expect("a block follows the name of its file"), std::mem::take(text)));
                block = None;
            }
            Some(text) => text.extend([line, "\n"]),
            None if line == "```rust" => block = Some(String::new()),
            None => {
                if let Some(name) = line.strip_prefix("**`").and_then(|rest| rest.strip_suffix("`**")) {
                    file = Some(name.to_owned());
                }
            }
        }
    }
    blocks
}

#[test]
fn the_page_quotes_every_file_of_the_folder_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/adding-a-subsystem.md")).unwrap();
    let blocks = blocks(&page);
    for (file, block) in &blocks {
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(block), "the page has of {file} what is not there any more:\n{block}");
    }
    let quoted: BTreeSet<_> = blocks.into_iter().map(|(file, _)| file).collect();
    for entry in fs::read_dir(root.join("control/tests/counter")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(quoted.contains(&format!("control/tests/counter/{name}")), "{name} is not on the page");
    }
}
