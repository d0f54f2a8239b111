// SPDX-License-Identifier: Apache-2.0
//! `UNSAFE.md` lists every use of `unsafe` in what is shipped, so that a new one is
//! noticed and explained.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const LIST: &str = "UNSAFE.md";

/// Sources of what is shipped.
const SHIPPED: [&str; 3] = ["hhnet/build.rs", "hhnet/src", "hhnet-ebpf/src"];

fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a workspace")
}

/// All Rust files there, a single one itself.
fn sources(path: PathBuf) -> Vec<PathBuf> {
    if path.is_file() {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        return is_rust.then_some(path).into_iter().collect();
    }
    let entries = fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(sources).collect()
}

/// How often the keyword stands there, comments left out.
fn uses(source: &str) -> usize {
    let code = source.lines().map(|line| line.split("//").next());
    let is_word = |c: char| !c.is_alphanumeric() && c != '_';
    let words = code.flatten().flat_map(|line| line.split(is_word));
    words.filter(|word| *word == "unsafe").count()
}

/// Files of the list's tables, and what it says of them.
fn listed(text: &str) -> BTreeMap<String, (usize, String)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [file, uses, reason] = cells[..] else {
            return None;
        };
        let file = file.strip_prefix('`')?.strip_suffix('`')?;
        Some((file.to_owned(), (uses.parse().ok()?, reason.to_owned())))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_use_is_listed_with_its_reason() {
    let list = fs::read_to_string(root().join(LIST)).expect("the list");
    let listed = listed(&list);
    let mut found = BTreeMap::new();
    for source in SHIPPED.iter().flat_map(|path| sources(root().join(path))) {
        let text = fs::read_to_string(&source).expect("a source");
        let name = source.strip_prefix(root()).expect("it is below");
        match uses(&text) {
            0 => {}
            uses => drop(found.insert(name.display().to_string(), uses)),
        }
    }
    assert!(found.len() > 10, "the sources are elsewhere: {found:?}");
    let counts = listed.iter().map(|(file, (uses, _))| (file.clone(), *uses));
    let counts: BTreeMap<String, usize> = counts.collect();
    assert_eq!(counts, found, "{LIST} says the left, the sources the right");
    for (file, (_, reason)) in &listed {
        assert!(reason.len() > 10, "{file}: why?");
    }
}

#[test]
fn the_keyword_is_counted_and_nothing_else() {
    let source = "// unsafe\nunsafe { f(unsafe_op) } // unsafe\n#[unsafe(no_mangle)]\nunsafe impl";
    assert_eq!(uses(source), 3);
}
