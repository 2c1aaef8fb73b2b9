//! Requests over REST to one device that answers them, one after the other: how long the whole way there and back takes.
//!
//! The device speaks MQTT. Both sides are in this process, so the time is that of whoever asks.

use std::fmt;
use std::future::pending;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::codec::mqtt::{self, Connect};
use crate::codec::{Message, Protocol};
use crate::connection::Connection;
use crate::error::SimError;
use crate::options::AskOptions;
use crate::report::Latency;
use crate::rest::Rest;
use crate::run;
use crate::verify::{Named, provision};

/// What the device subscribes to.
const REQUESTS: &str = "v1/devices/me/rpc/request/";
/// What a request says.
const REQUEST: &str = r#"{"method":"echo","params":{"value":21},"timeout":10000}"#;
/// Requests before the measurement begins.
const WARMUP: u32 = 50;

/// The result.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Requests that were measured; each was answered by the device.
    pub requests: u32,
    /// From the request to its answer.
    pub latency_ms: Option<Latency>,
}

/// Creates the device if need be, connects it, and asks.
///
/// # Errors
/// When the device cannot connect, or a request is not answered as it should be.
pub async fn ask(options: &AskOptions) -> Result<Asked, SimError> {
    let account = options.rest.account()?;
    let target = run::resolve(&options.mqtt).await?;
    let device = Named {
        index: 0,
        name: options.token.clone(),
        token: options.token.clone(),
    };
    provision(&account, vec![device]).await?;
    let mut rest = Rest::login(&account).await?;
    let found = rest.find_device(&options.token).await?;
    let id = found.ok_or_else(|| SimError::Options(format!("there is no device {}", options.token)))?;
    let connect = Connect {
        client_id: &format!("ask{:x}", std::process::id()),
        user_name: &options.token,
        clean_session: true,
        keep_alive: 0,
    };
    let connection = Connection::open(0, &target, Protocol::Mqtt, &connect).await?;
    let (subscribed, is_subscribed) = oneshot::channel();
    tokio::select! {
        ended = answer(connection, subscribed) => Err(ended.err().unwrap_or_else(|| SimError::Internal("the device ended".into()))),
        asked = measure(&mut rest, &id, options, is_subscribed) => asked,
    }
}

async fn measure(rest: &mut Rest, device: &str, options: &AskOptions, subscribed: oneshot::Receiver<()>) -> Result<Asked, SimError> {
    // The device is gone when nobody says so; then its error ends everything.
    if subscribed.await.is_err() {
        return pending().await;
    }
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).map_err(|error| SimError::Internal(error.to_string()))?;
    for number in 0..WARMUP + options.requests {
        let begin = Instant::now();
        rest.ask(device, REQUEST).await?;
        if number >= WARMUP {
            times.saturating_record(u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        tokio::time::sleep(Duration::from_millis(options.pause_ms)).await;
    }
    Ok(Asked {
        requests: options.requests,
        latency_ms: Latency::of(&times),
    })
}

/// The device: subscribes, then answers whatever it is asked.
async fn answer(mut connection: Connection, subscribed: oneshot::Sender<()>) -> Result<(), SimError> {
    const SUBACK: u8 = 9;
    mqtt::put_subscribe(&mut connection.output, 1, &format!("{REQUESTS}+"));
    let (mut subscribed, mut last_id) = (Some(subscribed), 1_u16);
    loop {
        connection.turn(pending()).await?;
        while let Some(packet) = connection.next_frame()? {
            if packet.first().is_some_and(|first| first >> 4 == SUBACK)
                && let Some(subscribed) = subscribed.take()
            {
                // Whoever measures may have given up.
                let _ = subscribed.send(());
            }
            let Some(request) = mqtt::published(&packet) else { continue };
            let Some(number) = request.topic.strip_prefix(REQUESTS) else {
                continue;
            };
            if let Some(id) = request.id {
                mqtt::put_puback(&mut connection.output, id);
            }
            last_id = last_id.checked_add(1).unwrap_or(1);
            connection.put(&Message {
                token: "",
                topic: &format!("v1/devices/me/rpc/response/{number}"),
                id: Some(last_id),
                duplicate: false,
                payload: br#"{"value":42}"#,
            });
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "asked         {} times", self.requests)?;
        match self.latency_ms {
            Some(Latency { p50, p99, max, .. }) => write!(out, "\nlatency ms    p50 {p50:.3}  p99 {p99:.3}  max {max:.3}"),
            None => Ok(()),
        }
    }
}
