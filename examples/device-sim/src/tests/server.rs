//! A tiny REST server for tests: logs in, creates devices, and gives back the points which the test broker has stored.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::broker::Seen;

pub struct Server {
    pub address: SocketAddr,
    /// Names of created devices, by token.
    pub devices: Arc<Mutex<BTreeMap<String, String>>>,
    _tasks: JoinSet<()>,
}

struct Request {
    line: String,
    authorized: bool,
    body: Value,
}

impl Server {
    pub async fn start(seen: Arc<Mutex<Seen>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let devices = Arc::new(Mutex::new(BTreeMap::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let devices = devices.clone();
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (seen, devices) = (seen.clone(), devices.clone());
                    connections.spawn(async move {
                        serve(stream, &seen, &devices).await;
                    });
                }
            }
        });
        Server {
            address,
            devices,
            _tasks: tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves three requests on a connection, then hangs up: clients must cope.
async fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, devices: &Mutex<BTreeMap<String, String>>) -> Option<()> {
    let mut input = BytesMut::new();
    for number in 0..3 {
        let request = loop {
            if let Some(request) = take_request(&mut input) {
                break request;
            }
            if stream.read_buf(&mut input).await.ok()? == 0 {
                return None;
            }
        };
        let (status, body) = answer(&request, seen, devices);
        let body = body.to_string();
        // Both ways to tell the length, in turn.
        let text = match number % 2 {
            0 => format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            _ => format!(
                "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
        };
        stream.write_all(text.as_bytes()).await.ok()?;
    }
    None
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    crate::http::put_escaped(&mut out, text);
    out
}

fn take_request(input: &mut BytesMut) -> Option<Request> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(input[..end].to_vec()).expect("text");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().expect("length"));
    if input.len() < end + 4 + length {
        return None;
    }
    input.advance(end + 4);
    let body = input.split_to(length);
    let authorized = head.lines().any(|line| line == "X-Authorization: Bearer jwt");
    Some(Request {
        line: head.lines().next().expect("line").into(),
        authorized,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

fn answer(request: &Request, seen: &Mutex<Seen>, devices: &Mutex<BTreeMap<String, String>>) -> (u16, Value) {
    let target = request.line.split(' ').nth(1).expect("target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or("")
    };
    let mut devices = devices.lock().expect("not poisoned");
    if path == "/api/auth/login" {
        let right = request.body == json!({ "username": "tenant@pacificsoft.org", "password": "tenant" });
        return if right {
            (200, json!({ "token": "jwt" }))
        } else {
            (401, json!({ "message": "wrong password" }))
        };
    }
    if !request.authorized {
        return (401, json!({}));
    }
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "api", "device"] => {
            let name = request.body["name"].as_str().expect("name").to_owned();
            let old = devices.insert(parameter("accessToken").to_owned(), name);
            (if old.is_some() { 400 } else { 200 }, json!({}))
        }
        ["", "api", "tenant", "devices"] => match devices.iter().find(|(_, name)| escaped(name) == parameter("deviceName")) {
            Some((token, _)) => (200, json!({ "id": { "id": token, "entityType": "DEVICE" } })),
            None => (404, json!({ "message": "not found" })),
        },
        ["", "api", "plugins", "telemetry", "DEVICE", token, "values", "timeseries"] => {
            let number = |name| parameter(name).parse::<u64>().expect("number");
            let range = number("startTs")..number("endTs");
            let seen = seen.lock().expect("not poisoned");
            let points = seen
                .points
                .get(token)
                .into_iter()
                .flat_map(|points| points.range(range.clone()).rev());
            let list = points
                .take(number("limit") as usize)
                .map(|(ts, seq)| json!({ "ts": ts, "value": seq.to_string() }));
            (200, json!({ "seq": list.collect::<Vec<_>>() }))
        }
        _ => (404, json!({})),
    }
}
