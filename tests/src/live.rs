//! Somebody who watches live values, with a WebSocket client that nobody here wrote.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::server::Server;

/// Sends what it reads, line by line, and prints what comes; how it ends as `closed` or `lost`. Fetches nothing while it is told to wait.
const RELAY: &str = r#"
import json, sys, threading, websocket
def tell(what):
    print(what if isinstance(what, str) else json.dumps(what), flush=True)
try:
    # Looking at every byte of what the server made of valid text would take far longer than fetching it.
    ws = websocket.create_connection(sys.argv[1], skip_utf8_validation=True)
except websocket.WebSocketBadStatusException as refused:
    tell({"refused": refused.status_code})
    sys.exit()
ws.settimeout(None)
fetching = threading.Event()
fetching.set()
def ask():
    for line in sys.stdin:
        if line == "wait\n":
            fetching.clear()
        elif line == "fetch\n":
            fetching.set()
        else:
            ws.send(line.rstrip("\n"))
threading.Thread(target=ask, daemon=True).start()
tell({"open": True})
while True:
    fetching.wait()
    try:
        kind, data = ws.recv_data()
    except Exception as error:
        tell({"lost": str(error)})
        break
    if kind == websocket.ABNF.OPCODE_CLOSE:
        tell({"closed": int.from_bytes(data[:2], "big"), "why": data[2:].decode()})
        break
    if kind == websocket.ABNF.OPCODE_TEXT:
        tell(data.decode())
"#;

/// A connection to the live feed.
pub struct Watcher {
    child: Child,
    ask: ChildStdin,
    frames: mpsc::Receiver<String>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command for a device; more members are added to it.
pub fn command(number: i64, device: &str, more: &Json) -> Json {
    let mut command = json!({"cmdId": number, "entityType": "DEVICE", "entityId": device});
    let members = command.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    command
}

impl Watcher {
    /// Opens a path of a server's API.
    ///
    /// # Errors
    /// The status of the refusal.
    pub fn try_open(server: &Server, path: &str) -> Result<Self, u64> {
        let url = format!("{}{path}", server.http.replacen("http", "ws", 1));
        let interpreter = crate::target().join("tools/venv/bin/python");
        let mut child = Command::new(interpreter)
            .args(["-c", RELAY, &url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run `cargo xtask test`");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (lines, frames) = mpsc::sync_channel(100_000);
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut watcher = Watcher {
            ask: child.stdin.take().unwrap(),
            child,
            frames,
        };
        match watcher.hear()["refused"].as_u64() {
            Some(status) => Err(status),
            None => Ok(watcher),
        }
    }

    /// The same, with a token in the path.
    pub fn open(server: &Server, token: &str) -> Self {
        Self::try_open(server, &format!("/api/ws/plugins/telemetry?token={token}")).unwrap()
    }

    /// Asks.
    pub fn ask(&mut self, message: &Json) {
        self.say(&message.to_string());
    }

    /// Says anything at all; `wait` and `fetch` are for the client itself.
    pub fn say(&mut self, line: &str) {
        writeln!(self.ask, "{line}").unwrap();
    }

    /// What comes next.
    pub fn hear(&mut self) -> Json {
        let line = self.frames.recv_timeout(Duration::from_secs(45)).expect("something comes");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// Asks, and hears the reply: the next thing that comes.
    pub fn asked(&mut self, message: &Json) -> Json {
        self.ask(message);
        self.hear()
    }

    /// Hears until a value of a key comes for a subscription; answers all that came.
    pub fn until(&mut self, number: i64, key: &str, value: &str) -> Vec<Json> {
        let mut heard = Vec::new();
        loop {
            let frame = self.hear();
            let values = frame["data"][key].as_array().cloned().unwrap_or_default();
            assert_eq!((&frame["closed"], &frame["lost"]), (&Json::Null, &Json::Null), "{frame}");
            let found = frame["subscriptionId"] == number && values.iter().any(|one| one[1] == value);
            heard.push(frame);
            if found {
                return heard;
            }
        }
    }

    /// How it was closed: code and words.
    pub fn closed(&mut self) -> (u64, String) {
        loop {
            let frame = self.hear();
            if let Some(code) = frame["closed"].as_u64() {
                return (code, frame["why"].as_str().unwrap().to_owned());
            }
            assert_eq!(frame["lost"], Json::Null, "{frame}");
        }
    }
}

/// The values of a key in a frame, without times.
pub fn values(frame: &Json, key: &str) -> Vec<String> {
    let values = frame["data"][key].as_array().cloned().unwrap_or_default();
    values.iter().map(|one| one[1].as_str().unwrap().to_owned()).collect()
}
