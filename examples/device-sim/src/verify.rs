//! Work over REST for many devices at a time: create them before a run, read their points back after it.
//!
//! Devices are shared out to a few connections, each of which takes one device after the other. Knows no MQTT.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::check::{Checked, Expected, check};
use crate::error::SimError;
use crate::payload::wall_clock_ms;
use crate::rest::{Account, Rest};

/// Connections used side by side.
const CONNECTIONS: usize = 8;
/// The longest pause between two looks at a device whose points are not all there yet.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How far the read range reaches beyond the present, in milliseconds: a day.
const AHEAD_MS: u64 = 24 * 3600 * 1000;

/// A device to create or to check.
#[derive(Clone)]
pub struct Named {
    /// Its index in the run.
    pub index: usize,
    /// Its name on the server.
    pub name: String,
    /// Its token. Not needed for checks.
    pub token: String,
}

/// Creates devices that do not exist yet. Gives the numbers of new and of existing ones.
///
/// # Errors
/// Those of [`Rest::login`] and [`Rest::create_device`].
pub async fn provision(account: &Account, devices: Vec<Named>) -> Result<(usize, usize), SimError> {
    let shares = spread(account, devices, async |mut rest: Rest, share: Vec<Named>| {
        let mut counts = (0, 0);
        for device in share {
            match rest.create_device(&device.name, &device.token).await? {
                true => counts.0 += 1,
                false => counts.1 += 1,
            }
        }
        Ok(counts)
    });
    Ok(shares
        .await?
        .into_iter()
        .fold((0, 0), |sum, share| (sum.0 + share.0, sum.1 + share.1)))
}

/// Compares what `expected` says of each device with what is stored. Points may become visible a little after they were acknowledged, so
/// a device with missing points is looked at again until `patience` is over.
///
/// # Errors
/// Those of [`Rest::login`], [`Rest::find_device`] and [`Rest::points`].
pub async fn verify<E>(account: &Account, devices: Vec<Named>, expected: E, patience: Duration) -> Result<Checked, SimError>
where
    E: Fn(usize) -> Expected + Send + Sync + 'static,
{
    let expected = Arc::new(expected);
    let deadline = Instant::now() + patience;
    let shares = spread(account, devices, move |mut rest: Rest, share: Vec<Named>| {
        let expected = expected.clone();
        async move {
            let mut sum = Checked::default();
            for device in share {
                let checked = verify_device(&mut rest, &device.name, &expected(device.index), deadline).await?;
                sum.add(&checked);
            }
            Ok(sum)
        }
    });
    Ok(shares.await?.iter().fold(Checked::default(), |mut sum, share| {
        sum.add(share);
        sum
    }))
}

async fn verify_device(rest: &mut Rest, name: &str, expected: &Expected, deadline: Instant) -> Result<Checked, SimError> {
    let Some(id) = rest.find_device(name).await? else {
        return Ok(Checked {
            unknown_devices: 1,
            ..check(expected, Vec::new())
        });
    };
    let last = expected.sent.last().map_or(0, |sent| sent.ts);
    let mut pause = Duration::from_millis(50);
    loop {
        // A fast device's times run ahead of the clock.
        let end = (wall_clock_ms() + AHEAD_MS).max(last + 1 + expected.unlogged);
        let checked = check(expected, rest.points(&id, end).await?);
        if checked.missing == 0 || Instant::now() + pause > deadline {
            return Ok(checked);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Shares `devices` out to connections that have logged in and gathers the results.
async fn spread<J, F, T>(account: &Account, devices: Vec<Named>, job: J) -> Result<Vec<T>, SimError>
where
    J: Fn(Rest, Vec<Named>) -> F,
    F: Future<Output = Result<T, SimError>> + Send + 'static,
    T: Send + 'static,
{
    let rest = Rest::login(account).await?;
    let mut tasks = JoinSet::new();
    for share in devices.chunks(devices.len().div_ceil(CONNECTIONS).max(1)) {
        tasks.spawn(job(rest.another(), share.to_vec()));
    }
    let mut results = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        results.push(finished.map_err(|error| SimError::Internal(error.to_string()))??);
    }
    Ok(results)
}
