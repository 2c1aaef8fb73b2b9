//! From nothing to a transformed message, by the README alone, in three languages; and what else authors do on a server.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tests::server::{Options, Server, binary};

const COMPONENTS: &str = "/api/plugins/components";

/// An author with a folder and a login of their own.
struct Author {
    folder: TempDir,
}

impl Author {
    fn new() -> Self {
        Author {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(&self, mut command: Command, folder: &Path) -> Command {
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", binary().parent().unwrap().display()))
            .env("PACIFICSOFT_TOOLS", tests::target().join("tools"))
            .env("PACIFICSOFT_PROFILE", self.path("login.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Runs `pacificsoft plugin …`; answers whether it went well, and what it said.
    fn plugin(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
        let mut command = self.with(Command::new(binary()), self.folder.path());
        command.arg("plugin").args(arguments).envs(environment.iter().copied());
        said(command)
    }

    fn log_in(&self, server: &Server) {
        let arguments = ["login", "--server", &server.http, "--user", "tenant@pacificsoft.org"];
        let (done, text) = self.plugin(&arguments, &[("PACIFICSOFT_PASSWORD", "tenant")]);
        assert!(done, "{text}");
    }
}

fn said(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.success(), text)
}

/// The README's tutorial, for a language.
fn tutorial(language: &str, file: &str) -> String {
    let text = fs::read_to_string(tests::root().join("README.md")).unwrap();
    let block = text.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let spans: Vec<&str> = text
        .split('`')
        .filter(|span| span.starts_with("sed -i") && span.ends_with(file))
        .collect();
    let lines = block.lines().map(|line| match (line.starts_with("sed -i"), &spans[..]) {
        (true, [other]) => (*other).to_owned(),
        _ => line.replace("--lang rust", &format!("--lang {language}")),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Follows the tutorial; answers server and author, with the project where it was left.
fn follow(language: &str, file: &str) -> (Server, Author) {
    let (server, author) = (Server::start(Options::demo()), Author::new());
    let http = server.http.trim_start_matches("http://");
    let script = tutorial(language, file).replace("127.0.0.1:8080", http);
    assert!(script.contains(&format!("--lang {language}")) && script.contains(file), "{script}");
    let rest = server.tenant();
    let device = rest.device("Demo device");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]);
    command.env("TOKEN", rest.token()).env("DEVICE", &device);
    let command = author.with(command, author.folder.path());
    let (done, text) = said(command);
    assert!(done, "{text}");
    for says in [
        "2 passed, 0 failed",
        "admitted",
        "uploading",
        "serves",
        "before \"Save Timeseries\"",
    ] {
        assert!(text.contains(says), "{says} is missing in {text}");
    }
    let latest = rest.latest(&device, "temperature,converted");
    let value = |key: &str| latest[key][0]["value"].as_f64();
    assert_eq!((value("temperature"), value("converted")), (Some(20.0), Some(68.0)), "{latest}");
    (server, author)
}

#[test]
fn the_tutorial_goes_as_described_in_javascript() {
    follow("js", "src/index.js");
}

#[test]
fn the_tutorial_goes_as_described_in_python() {
    follow("python", "app.py");
}

/// `pacificsoft plugin watch`. Killed when dropped.
struct Watching {
    child: Child,
    said: PathBuf,
}

impl Watching {
    fn start(author: &Author, project: &Path) -> Self {
        let said = author.path("watch.log");
        let mut command = author.with(Command::new(binary()), project);
        let file = File::create(&said).unwrap();
        command.args(["plugin", "watch"]).stdout(file.try_clone().unwrap()).stderr(file);
        Watching {
            child: command.spawn().unwrap(),
            said,
        }
    }

    /// Waits until it has said something so many times.
    fn says(&self, what: &str, times: usize) {
        let count = || fs::read_to_string(&self.said).unwrap().matches(what).count();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while count() < times {
            assert!(
                std::time::Instant::now() < deadline,
                "{what}: {}",
                fs::read_to_string(&self.said).unwrap()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_tutorial_goes_as_described_in_rust_and_saving_does_it_again() {
    let (server, author) = follow("rust", "src/lib.rs");
    let rest = server.tenant();
    let device = rest.device("Demo device");
    let converted = || {
        let url = format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http);
        assert_eq!(tests::rest::exchange(&["-d", "{\"temperature\": 20}", &url]).0, 200);
        rest.latest(&device, "converted")["converted"][0]["value"].as_f64()
    };
    let project = author.path("to-fahrenheit");
    let source = project.join("src/lib.rs");
    let edit = |from: &str, to: &str| {
        let text = fs::read_to_string(&source).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&source, text.replace(from, to)).unwrap();
    };
    let active = || rest.get(&format!("{COMPONENTS}/to-fahrenheit"))["active"].clone();
    let before = active();

    let watching = Watching::start(&author, &project);
    watching.says("done in", 1);
    assert_eq!(active(), before, "what has not changed is the same version");
    edit("+ 32.0", "+ 30.0");
    watching.says("done in", 2);
    assert_ne!(active(), before);
    assert_eq!(converted(), Some(66.0));
    // What does not build is shown, and changes nothing.
    edit("let converted", "let convrted");
    watching.says("cannot find value `converted`", 1);
    assert_eq!(converted(), Some(66.0));
    // Nor does what does not pass its messages.
    edit(
        "let convrted = value",
        "let converted = value; let key = self.key.clone(); self.key.clear(); let _ = key; let _ = value",
    );
    watching.says("not as expected: 1 of the messages", 1);
    assert_eq!(converted(), Some(66.0));
    edit(
        "let converted = value; let key = self.key.clone(); self.key.clear(); let _ = key; let _ = value",
        "let converted = 1.0 + value",
    );
    watching.says("done in", 3);
    assert_eq!(converted(), Some(67.0));
    drop(watching);

    let (done, text) = author.plugin(&["list"], &[]);
    assert!(done && text.contains("to-fahrenheit") && text.contains("serves"), "{text}");
    let (done, text) = author.plugin(&["rollback", "to-fahrenheit"], &[]);
    assert!(done && text.contains("serves again"), "{text}");
    assert_eq!(converted(), Some(66.0));
    let (done, text) = author.plugin(&["list", "to-fahrenheit"], &[]);
    assert!(
        done && text.contains("served before") && text.contains("1 messages, 0 failed"),
        "{text}"
    );
}

#[test]
fn what_stands_in_the_way_is_said_with_what_to_do() {
    let (server, author) = (Server::start(Options::demo()), Author::new());
    let guest = tests::root().join("target/components/test/plugin-guest.wasm");
    let guest = guest.to_str().unwrap();
    let push = |more: &[&str]| author.plugin(&[&["push", "--component", guest, "--name", "calc"], more].concat(), &[]);
    let fails = |(done, text): (bool, String), says: &[&str]| {
        assert!(!done && says.iter().all(|part| text.contains(part)), "{says:?}: {text}");
    };
    fails(push(&[]), &["nobody is logged in", "plugin login --server"]);
    let login = ["login", "--server", &server.http, "--user", "tenant@pacificsoft.org"];
    fails(author.plugin(&login, &[]), &["PACIFICSOFT_PASSWORD"]);
    fails(
        author.plugin(&login, &[("PACIFICSOFT_PASSWORD", "wrong")]),
        &["Invalid username or password"],
    );
    fails(
        author.plugin(
            &["list", "--server", "http://127.0.0.1:1", "--user", "a"],
            &[("PACIFICSOFT_PASSWORD", "b")],
        ),
        &["http://127.0.0.1:1 does not answer"],
    );
    author.log_in(&server);
    let saved = fs::metadata(author.path("login.toml")).unwrap();
    assert_eq!(saved.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(author.path("login.toml")).unwrap();
    assert!(!text.contains("password") && text.contains("refresh-token"), "{text}");

    // A refusal in the server's words.
    let other = author.path("module.wasm");
    fs::write(&other, wat::parse_str("(module)").unwrap()).unwrap();
    fails(
        author.plugin(&["push", "--component", other.to_str().unwrap()], &[]),
        &["core module", "wasm-tools component new"],
    );

    // Only sent; then a permission is denied, and has to be granted before it serves.
    let (done, text) = push(&["--no-activate"]);
    assert!(
        done && text.contains("admitted") && text.contains("writes lines to the log (log: granted)"),
        "{text}"
    );
    let rest = server.tenant();
    rest.post(&format!("{COMPONENTS}/calc/permissions"), &json!({"deny": ["log"]}));
    fails(push(&[]), &["\"log\"", "--grant log"]);
    // Where its node is to go is looked at before anything is changed.
    let known = rest.get(&format!("{COMPONENTS}/calc"));
    fails(
        push(&["--before", "Nowhere", "--grant", "log"]),
        &["no node \"Nowhere\"", "Save Timeseries"],
    );
    assert_eq!(rest.get(&format!("{COMPONENTS}/calc")), known);
    assert_eq!(known["active"], Json::Null);
    let (done, text) = push(&["--grant", "log"]);
    assert!(done && text.contains("granted: log") && text.contains("--before NODE"), "{text}");
    fails(push(&["--before", "Nowhere"]), &["no node \"Nowhere\"", "Save Timeseries"]);
    fails(
        push(&["--before", "Save Timeseries", "--chain", "Other"]),
        &["no rule chain \"Other\""],
    );
    fails(author.plugin(&["rollback", "calc"], &[]), &["no version to roll back to"]);

    // Others may not read the login.
    fs::set_permissions(author.path("login.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    fails(author.plugin(&["list"], &[]), &["chmod 600"]);
}
