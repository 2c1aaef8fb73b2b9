//! Requests to servers outside: in order for each originator, side by side for several, and holding up nothing else.

use std::sync::{Arc, Mutex};

use crate::world::{SAVE_ATTRIBUTES, World, telemetry};
use model::{AttributeScope, Value};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const REST_CALL: &str = "org.thingsboard.rule.engine.rest.TbRestApiCallNode";
const FILTER: &str = "org.pacificsoft.filter.FieldFilter";

/// A server that answers when it is let.
struct Patient {
    port: u16,
    /// Paths it was asked for.
    heard: Arc<Mutex<Vec<String>>>,
    may_answer: Arc<Semaphore>,
}

impl Patient {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let patient = Patient {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            may_answer: Arc::new(Semaphore::new(0)),
        };
        let (heard, may_answer) = (Arc::clone(&patient.heard), Arc::clone(&patient.may_answer));
        actor::spawn("server", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heard, may_answer) = (Arc::clone(&heard), Arc::clone(&may_answer));
                actor::spawn("connection", async move {
                    let mut asked = Vec::new();
                    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                        if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let text = String::from_utf8_lossy(&asked);
                    heard.lock().unwrap().push(text.split(' ').nth(1).unwrap_or_default().to_owned());
                    may_answer.acquire().await.unwrap().forget();
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
                });
            }
        });
        patient
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    async fn hears(&self, count: usize) {
        let waiting = async {
            while self.heard().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
            .await
            .expect("it is asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_originator_take_turns_and_hold_up_nothing_else() {
    let server = Patient::start().await;
    let world = World::new();
    world.allow(format!("http://127.0.0.1:{}", server.port)).await;
    let call = json!({"restEndpointUrlPattern": format!("http://127.0.0.1:{}/$[name]", server.port), "requestMethod": "GET"});
    let calls = json!({"key": "calls", "operator": "EQUAL", "value": 1});
    let save = json!({"scope": "SERVER_SCOPE", "updateAttributesOnlyOnValueChange": true});
    let mut chain = world.chain(
        "root",
        &[
            (FILTER, calls, &[("True", 1), ("False", 2)]),
            (REST_CALL, call, &[]),
            (SAVE_ATTRIBUTES, save, &[]),
        ],
    );
    let (one, other) = (world.device(), world.device());
    for (sequence, device, name) in [(0, one, "a1"), (1, one, "a2"), (2, one, "a3"), (3, other, "b1")] {
        chain.send(sequence, telemetry(device, 7, json!({"calls": 1, "name": name}))).await;
    }
    // Reads before it writes, for the originator whose requests wait.
    chain.send(4, telemetry(one, 7, json!({"calls": 0, "state": "saved"}))).await;
    assert_eq!(chain.settled(1).await, [(4, Ok(()))]);
    let saved = world.attribute(one, AttributeScope::ServerScope, "state").await;
    assert_eq!(saved, Some(Value::Text("saved".into())));

    server.hears(2).await;
    let mut heard = server.heard();
    heard.sort();
    assert_eq!(heard, ["/a1", "/b1"], "one request of an originator at a time");
    server.may_answer.add_permits(2);
    server.hears(3).await;
    assert_eq!(server.heard()[2], "/a2");
    server.may_answer.add_permits(1);
    server.hears(4).await;
    assert_eq!(server.heard()[3], "/a3");
    server.may_answer.add_permits(1);
    let mut settled: Vec<_> = chain
        .settled(4)
        .await
        .into_iter()
        .map(|(sequence, result)| (sequence, result.is_ok()))
        .collect();
    settled.sort();
    assert_eq!(settled, [(0, true), (1, true), (2, true), (3, true)]);
}
