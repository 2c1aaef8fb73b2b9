//! Writes what fuzzers begin with into a folder, a folder for each target: `cargo run -p fuzzed --example seeds FOLDER`.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use fuzzed::TARGETS;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for target in &TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}
