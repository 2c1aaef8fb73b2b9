//! What every kind of mutation writes, value by value: a row that is in somebody's keyspace is read for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use storage::conformance::fixed;

use super::{Step, plan};
use crate::bind::{Bind, Write};
use crate::buckets::Buckets;
use crate::known::Known;
use crate::queries::{Query, Use};

/// A line for each write, behind the kind of its mutation.
static GOLDEN: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/golden.txt")).expect("it is there"));
/// The width of buckets that a keyspace gets, unless somebody says otherwise.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn shown(bind: &Bind) -> String {
    match bind {
        Bind::Tiny(number) => format!("tinyint:{number}"),
        Bind::Int(number) => format!("int:{number}"),
        Bind::Big(number) => format!("bigint:{number}"),
        Bind::Id(id) => format!("uuid:{id}"),
        Bind::Text(text) => format!("text:{text:?}"),
        Bind::Blob(bytes) => bytes.iter().fold("blob:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

fn line(write: &Write) -> String {
    let values: Vec<String> = write.values.iter().map(shown).collect();
    format!("{:?} {}", write.query, values.join(" "))
}

fn now() -> (Vec<String>, Vec<Query>) {
    let known = Known::new(10);
    let (mut lines, mut queries) = (Vec::new(), Vec::new());
    for (mutation, stamp_us) in fixed::batch().into_iter().zip((1_000..).step_by(2)) {
        let kind = fixed::kind(&mutation);
        let planned = plan(&[mutation], stamp_us, Buckets::new(WEEK), &known).expect("planned");
        for step in &planned.steps {
            match step {
                Step::Write(writes) => {
                    lines.extend(writes.iter().map(|write| format!("{kind} {}", line(write))));
                    queries.extend(writes.iter().map(|write| write.query));
                }
                other => lines.push(format!("{kind} {other:?}")),
            }
        }
        planned.done();
    }
    (lines, queries)
}

#[test]
fn what_is_written_keeps_its_values() {
    let (now, _) = now();
    for (now, golden) in now.iter().zip(GOLDEN.lines()) {
        assert_eq!(now, golden);
    }
    assert_eq!(now.len(), GOLDEN.lines().count(), "\n{}", now.join("\n"));
}

/// Every statement that puts something is among them, but for those of components, whose rows are not made of mutations.
#[test]
fn every_statement_that_puts_a_row_is_among_them() {
    let (_, planned) = now();
    let planned: BTreeSet<String> = planned.iter().map(|query| format!("{query:?}")).collect();
    let puts = Query::ALL
        .iter()
        .filter(|(_, of, _)| *of == Use::Write)
        .map(|(query, ..)| format!("{query:?}"));
    let missing: Vec<String> = puts.filter(|name| name.starts_with("Put") && !planned.contains(name)).collect();
    assert_eq!(missing, ["PutPiece"]);
}
