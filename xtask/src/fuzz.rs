//! Fuzzers with coverage: builds `tests/fuzz` with what libFuzzer looks at, runs its targets one after the other, and says what came of it.
//!
//! Needs no other tool than a C++ compiler: the instrumentation is the compiler's own, libFuzzer is built from the sources of
//! `libfuzzer-sys`. What was found interesting is kept in `target/fuzz/corpus`, and the next run goes on from there.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{build, shell, tools};

/// What to run.
#[derive(Args)]
pub struct Options {
    /// A target of tests/fuzz; without one all, one after the other.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Runs one input, as a find is repeated.
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

/// What the compiler adds, for libFuzzer: a counter for each edge, where it is, and what is compared.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Bytes of an input at most.
const INPUT_BYTES_MAX: u32 = 4096;
/// Memory of a run at most: beyond that it is a find.
const MEMORY_MB_MAX: u32 = 1024;
/// An input that takes longer is a find.
const INPUT_S_MAX: u32 = 10;

/// Runs fuzzers.
///
/// # Errors
/// When something is missing, does not build, or is found.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let all = targets(root)?;
    let wanted: Vec<&String> = match &options.target {
        None => all.iter().collect(),
        Some(name) => all.iter().filter(|target| *target == name).collect(),
    };
    if wanted.is_empty() {
        bail!("there is no such fuzzer; there are {}", all.join(", "));
    }
    tools::debian(&[("c++", "g++")])?;
    let fuzzers = instrumented(root, &wanted)?;
    if let (Some(input), [name]) = (&options.input, &wanted[..]) {
        return shell::run(Command::new(fuzzers.join(name)).arg(input));
    }
    println!("| target | runs | a second | edges reached | of | inputs kept | MB at first | MB at most |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut finds = Vec::new();
    for name in wanted {
        let (seen, find) = fuzz(root, &fuzzers, name, options.seconds)?;
        println!("| {name} | {seen} |");
        finds.extend(find.map(|find| format!("{name}: {find}")));
    }
    if !finds.is_empty() {
        bail!(
            "found, to be repeated with `cargo xtask fuzz TARGET --input FILE`: {}",
            finds.join("; ")
        );
    }
    Ok(())
}

/// The names of all fuzzers.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("tests/fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if let Some(name) = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|extension| extension == "rs"))
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds fuzzers; answers the folder they are in.
fn instrumented(root: &Path, names: &[&String]) -> Result<PathBuf> {
    let (folder, target) = (root.join("tests/fuzz"), build::target(root).join("fuzz"));
    same_versions(root, &folder)?;
    let host = host()?;
    let mut cargo = shell::cargo(root);
    // With `--target` the flags are for what runs in the end alone, not for build scripts.
    cargo
        .args(["build", "--release", "--target", &host, "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", INSTRUMENTED);
    for name in names {
        cargo.arg("--bin").arg(name);
    }
    shell::run(&mut cargo)?;
    Ok(target.join(host).join("release"))
}

/// The fuzzers are no members of the workspace, and are built from the same versions of everything all the same: its lock is laid beside
/// them whenever it is the newer one.
fn same_versions(root: &Path, folder: &Path) -> Result<()> {
    let (ours, theirs) = (root.join("Cargo.lock"), folder.join("Cargo.lock"));
    let written = |path: &Path| std::fs::metadata(path).and_then(|about| about.modified());
    let ours_written = written(&ours).with_context(|| format!("{} cannot be read", ours.display()))?;
    if written(&theirs).is_ok_and(|theirs_written| theirs_written >= ours_written) {
        return Ok(());
    }
    std::fs::copy(&ours, &theirs).with_context(|| format!("{} cannot be written", theirs.display()))?;
    Ok(())
}

/// The triple of this machine.
fn host() -> Result<String> {
    let told = shell::quietly(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what machine this is")
}

/// Runs one fuzzer; answers what was seen, and the input that was found.
fn fuzz(root: &Path, fuzzers: &Path, name: &str, seconds: u64) -> Result<(Seen, Option<String>)> {
    let folder = |kind: &str| -> Result<PathBuf> {
        let folder = build::target(root).join("fuzz").join(kind).join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    };
    let (corpus, seeds, finds) = (folder("corpus")?, folder("seeds")?, folder("finds")?);
    eprintln!("xtask: {name} for {seconds} s");
    let mut fuzzer = Command::new(fuzzers.join(name));
    // What is new is written into the first folder.
    fuzzer
        .args([&corpus, &seeds])
        .arg(format!("-artifact_prefix={}/", finds.display()))
        .args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .args([format!("-rss_limit_mb={MEMORY_MB_MAX}"), format!("-timeout={INPUT_S_MAX}")])
        .arg("-print_final_stats=1")
        .env("FUZZ_SEEDS", &seeds)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = fuzzer.spawn().with_context(|| format!("{name} cannot be started"))?;
    let output = child.stderr.take().context("a fuzzer has no output")?;
    let (mut seen, mut find) = (Seen::default(), None);
    let mut shown = std::io::stderr();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        seen.line(&line);
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            find = Some(path.to_owned());
        }
        if is_worth_showing(&line) {
            writeln!(shown, "{line}")?;
        }
    }
    let status = child.wait()?;
    if !status.success() && find.is_none() {
        bail!("{name} failed ({status})");
    }
    Ok((seen, find))
}

/// Of libFuzzer's steps those at powers of two are shown, and not what it says of itself: figures, words it found, what sanitizers would add.
fn is_worth_showing(line: &str) -> bool {
    const ITS_OWN: [&str; 7] = [
        "INFO: ",
        "stat::",
        "WARNING: Failed to find function",
        "\tNEW_FUNC",
        "###### ",
        "\"",
        "Done ",
    ];
    !ITS_OWN.iter().any(|start| line.starts_with(start)) && (!line.starts_with('#') || line.contains("pulse"))
}

/// What a fuzzer told of its run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    runs: u64,
    per_second: u64,
    /// Edges that were reached, and that there are.
    edges: (u64, u64),
    inputs: u64,
    /// When all inputs that were kept had run, and the largest.
    memory_mb: (u64, u64),
}

impl Seen {
    /// Takes in what a line says.
    fn line(&mut self, line: &str) {
        if let Some(loaded) = line.split_once(" inline 8-bit counters)").map(|(before, _)| before) {
            // `INFO: Loaded 1 modules   (4711 inline 8-bit counters): …`
            let counters = loaded.rsplit('(').next().and_then(|number| number.parse().ok());
            self.edges.1 = counters.unwrap_or(self.edges.1);
        }
        if line.starts_with('#') {
            self.edges.0 = after(line, "cov:").unwrap_or(self.edges.0);
            self.inputs = after(line, "corp:").unwrap_or(self.inputs);
            if line.contains("INITED") {
                self.memory_mb.0 = after(line, "rss:").unwrap_or(0);
            }
        }
        for (name, figure) in [
            ("stat::number_of_executed_units:", &mut self.runs),
            ("stat::average_exec_per_sec:", &mut self.per_second),
            ("stat::peak_rss_mb:", &mut self.memory_mb.1),
        ] {
            *figure = after(line, name).unwrap_or(*figure);
        }
    }
}

impl fmt::Display for Seen {
    /// Columns of a table: runs, runs a second, edges reached and there, inputs kept, memory at first and at most, MB.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen {
            runs,
            per_second,
            edges,
            inputs,
            memory_mb,
        } = self;
        let (reached, there) = edges;
        let (first, most) = memory_mb;
        write!(out, "{runs} | {per_second} | {reached} | {there} | {inputs} | {first} | {most}")
    }
}

/// The number behind a word: digits, whatever follows them.
fn after(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    let rest = rest.trim_start();
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_tells() {
        let mut seen = Seen::default();
        for line in [
            "INFO: Loaded 1 modules   (4711 inline 8-bit counters): 4711 [0x5, 0x6), ",
            "#12\tINITED cov: 400 ft: 900 corp: 5/100b exec/s: 0 rss: 35Mb",
            "#64\tpulse  cov: 410 ft: 950 corp: 7/123Kb lim: 21 exec/s: 32 rss: 36Mb",
            "#100\tDONE   cov: 420 ft: 960 corp: 8/130Kb lim: 29 exec/s: 50 rss: 37Mb",
            "stat::number_of_executed_units: 100",
            "stat::average_exec_per_sec:     50",
            "stat::peak_rss_mb:              38",
        ] {
            seen.line(line);
        }
        assert_eq!(
            seen,
            Seen {
                runs: 100,
                per_second: 50,
                edges: (420, 4711),
                inputs: 8,
                memory_mb: (35, 38),
            }
        );
    }

    #[test]
    fn what_a_fuzzer_says_of_a_find_is_shown_and_its_steps_are_not() {
        for (line, shown) in [
            ("thread '<unnamed>' panicked at src/lib.rs:1:1:", true),
            ("SUMMARY: libFuzzer: deadly signal", true),
            ("#64\tpulse  cov: 410", true),
            ("#65\tNEW    cov: 411", false),
            ("INFO: Seed: 1", false),
            ("stat::peak_rss_mb: 1", false),
            ("###### Recommended dictionary. ######", false),
            ("\"\\377\\004\" # Uses: 10", false),
            ("\tNEW_FUNC[1/1]: 0x5593a21150e1", false),
        ] {
            assert_eq!(is_worth_showing(line), shown, "{line}");
        }
    }
}
