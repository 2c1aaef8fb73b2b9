//! A web server outside the platform: it answers by path, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was asked, whole.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server; lives as long as the test.
pub struct Outside {
    pub port: u16,
    heard: Heard,
}

impl Outside {
    /// Starts one. What Twilio is asked for it answers; the number +1404 is none. So it does for Slack, where C404 is none. Paths: `/json`, `/text`, `/missing` (404), `/redirect?to=URL`, `/huge`, `/slow` (never answers), `/mirror` (answers
    /// with what it was asked).
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Heard::default();
        let (told, all) = (Arc::clone(&heard), listener);
        std::thread::spawn(move || {
            for stream in all.incoming().map_while(Result::ok) {
                let heard = Arc::clone(&told);
                // Whoever leaves early is no failure of the server.
                std::thread::spawn(move || drop(converse(stream, &heard)));
            }
        });
        Outside { port, heard }
    }

    /// A URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it was asked so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn converse(stream: TcpStream, heard: &Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut asked = String::new();
    while !asked.ends_with("\r\n\r\n") {
        if reader.read_line(&mut asked)? == 0 {
            break;
        }
    }
    let length = asked.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    asked.push_str(&String::from_utf8_lossy(&body));
    heard.lock().unwrap().push(asked.clone());
    let path = asked.split(' ').nth(1).unwrap_or_default();
    answer(stream, path, &asked)
}

fn answer(mut stream: TcpStream, path: &str, asked: &str) -> std::io::Result<()> {
    let plain = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nX-From: outside\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    match path.split('?').next().unwrap_or_default() {
        "/json" => stream.write_all(plain("200 OK", "application/json", r#"{"answer": 42}"#).as_bytes()),
        "/text" => stream.write_all(plain("200 OK", "text/plain", "plain words").as_bytes()),
        "/mirror" => stream.write_all(plain("200 OK", "text/plain", asked).as_bytes()),
        "/redirect" => {
            let to = path.split("to=").nth(1).unwrap_or_default();
            stream.write_all(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes())
        }
        "/huge" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        twilio if twilio.starts_with("/2010-04-01/Accounts/") => {
            let answer = match asked.contains("To=%2B1404&") {
                true => plain(
                    "400 Bad Request",
                    "application/json",
                    r#"{"code": 21211, "message": "The 'To' number +1404 is not a valid phone number.", "status": 400}"#,
                ),
                false => plain("201 Created", "application/json", r#"{"sid": "SM1", "status": "queued"}"#),
            };
            stream.write_all(answer.as_bytes())
        }
        // Slack refuses with 200, too.
        "/api/chat.postMessage" => {
            let answer = match asked.contains(r#""channel":"C404""#) {
                true => r#"{"ok": false, "error": "channel_not_found"}"#,
                false => r#"{"ok": true}"#,
            };
            stream.write_all(plain("200 OK", "application/json", answer).as_bytes())
        }
        "/slow" => loop {
            std::thread::park();
        },
        _ => stream.write_all(plain("404 Not Found", "text/plain", "there is no such thing").as_bytes()),
    }
}
