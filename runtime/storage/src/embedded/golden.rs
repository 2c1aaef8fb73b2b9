//! The bytes of everything that is stored: a form that is on somebody's disk is read for ever.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use model::Clock;

use super::tables::{Table, Tables};
use super::{EmbeddedConfig, EmbeddedStore};
use crate::conformance::fixed;
use crate::value_codec::tests::hex;

/// A line for each row: table, key, value, in hexadecimal digits.
static GOLDEN: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/embedded/golden.txt")).expect("it is there"));

/// Rows that come and go by themselves, as those of removed series do.
const PASSING: [Table; 1] = [Table::Garbage];

struct Then;

impl Clock for Then {
    fn now_ms(&self) -> i64 {
        fixed::NOW_MS
    }
}

fn config(dir: &tempfile::TempDir) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(dir.path());
    config.clock = Arc::new(Then);
    config
}

fn rows(tables: &Tables) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, name) in Table::ALL {
        for row in tables.prefix(table, &[]) {
            let (key, value) = row.expect("reads");
            lines.push(format!("{name} {} {}", hex(&key), hex(&value)).trim_end().to_owned());
        }
    }
    lines
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let text = pairs.map(|pair| std::str::from_utf8(pair).expect("digits"));
    text.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}

#[tokio::test]
async fn what_is_written_keeps_its_bytes() {
    let dir = tempfile::tempdir().expect("temp dir");
    let store = EmbeddedStore::open(config(&dir)).expect("opens");
    fixed::write(&store).await;
    let now = rows(&store.0.tables);
    for (now, golden) in now.iter().zip(GOLDEN.lines()) {
        assert_eq!(now, golden);
    }
    assert_eq!(now.len(), GOLDEN.lines().count(), "\n{}", now.join("\n"));
    let tables: BTreeSet<&str> = now.iter().filter_map(|line| line.split(' ').next()).collect();
    for (table, name) in Table::ALL {
        assert_ne!(tables.contains(name), PASSING.contains(&table), "rows of {name}");
    }
}

#[tokio::test]
async fn what_was_written_then_is_read_now() {
    let dir = tempfile::tempdir().expect("temp dir");
    let tables = Tables::open(&config(&dir)).expect("opens");
    for line in GOLDEN.lines() {
        let mut parts = line.split(' ');
        let (name, key, value) = (
            parts.next().expect("a table"),
            parts.next().expect("a key"),
            parts.next().unwrap_or_default(),
        );
        let (table, _) = Table::ALL
            .into_iter()
            .find(|(_, of)| *of == name)
            .expect("a table that is still there");
        tables.space(table).insert(bytes(key), bytes(value)).expect("writes");
    }
    drop(tables);
    let store = EmbeddedStore::open(config(&dir)).expect("opens");
    fixed::read(&store).await;
    drop(store);
    // And what is written behind it does not touch it.
    let store = EmbeddedStore::open(config(&dir)).expect("opens");
    for mutation in fixed::batch() {
        crate::Journal::submit(&store, vec![mutation])
            .await
            .expect("takes it")
            .await
            .expect("is durable");
    }
    fixed::read(&store).await;
    assert_eq!(
        rows(&store.0.tables),
        GOLDEN.lines().collect::<Vec<_>>(),
        "the same again changes nothing"
    );
}

#[test]
fn every_kind_of_mutation_is_among_them() {
    let kinds: BTreeSet<&str> = fixed::batch().iter().map(fixed::kind).collect();
    let source = include_str!("../conformance/fixed.rs");
    let named = source
        .split("pub fn kind(")
        .nth(1)
        .and_then(|rest| rest.split("\n}").next())
        .expect("it is there");
    let named: BTreeSet<&str> = named.split('"').skip(1).step_by(2).collect();
    assert_eq!(kinds, named);
}
