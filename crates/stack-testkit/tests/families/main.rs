//! Families of scripts: the same few lines for every state, event and place in the window, and for every order of five
//! segments. Each is a file like any other, to be read and run alone; this test keeps the files and the rules that they
//! come from the same.
//!
//! `UPDATE_FAMILIES=1 cargo test -p stack-testkit --test families` writes the files. What they expect is said here, from
//! the RFCs, and never taken from the stack.

mod reorder;
mod states;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Scripts by file name.
type Family = BTreeMap<String, String>;

/// Compares a family with the files of its folder; writes them on demand.
#[track_caller]
fn check(folder: &str, family: &Family) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/scripts/tcp").join(folder);
    let wants_update = std::env::var_os("UPDATE_FAMILIES").is_some_and(|value| value == "1");
    if wants_update {
        write(&folder, family);
    }
    let found: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder is there: UPDATE_FAMILIES=1 makes it")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for file in &found {
        assert!(family.contains_key(file), "{file} is not of this family");
    }
    for (file, text) in family {
        let written = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert_eq!(written, *text, "{file} is not as its rule says: UPDATE_FAMILIES=1 writes it");
    }
}

fn write(folder: &Path, family: &Family) {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    for (file, text) in family {
        std::fs::write(folder.join(file), text).expect("a script can be written");
    }
}

#[test]
fn every_state_event_and_place() {
    check("states", &states::family());
}

#[test]
fn every_order_of_five_segments() {
    check("reorder", &reorder::family());
}
