//! What the program does, from options to result: a run with what belongs around it, the check of a log, devices made before a run.
//!
//! Prints nothing. Knows no exit codes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::acklog::{self, AckLog};
use crate::check::{Checked, Expected};
use crate::codec::Protocol;
use crate::error::SimError;
use crate::options::{COAP_TOKEN_MAX, CreateOptions, RunOptions, VerifyOptions, check_open_files};
use crate::payload::wall_clock_ms;
use crate::report::Report;
use crate::run::{self, Shared};
use crate::sealed::Trust;
use crate::verify::{Named, provision, verify};

/// Creates devices if asked, runs, and reads back if asked.
///
/// # Errors
/// What keeps the run from beginning or makes it worthless; see [`run::run`].
pub async fn simulate(options: &RunOptions) -> Result<Report, SimError> {
    let devices = options.names.devices(options.devices.map(|count| count as usize))?;
    check_open_files(devices.len())?;
    let plan = options.plan(devices.len())?;
    if plan.protocol == Protocol::Coap && devices.iter().any(|device| device.token.len() > COAP_TOKEN_MAX) {
        return Err(SimError::Options(format!("a token is longer than {COAP_TOKEN_MAX} bytes")));
    }
    let account = (options.provision || options.verify).then(|| options.rest.account()).transpose()?;
    let mut targets = run::resolve_all(options.server().1).await?;
    if let Some(file) = &options.tls_authorities {
        let trust = Trust::in_authorities(file)?;
        targets.iter_mut().for_each(|target| target.trust = Some(trust.clone()));
    }
    let resume = match &options.acked_log {
        Some(path) if path.exists() => resume(path, plan.window as u64)?,
        _ => HashMap::new(),
    };
    let log = options.acked_log.as_deref().map(AckLog::open).transpose()?;
    if let Some(account) = account.as_ref().filter(|_| options.provision) {
        provision(account, devices.clone()).await?;
    }
    // Two simulators at the same broker must not push out each other's connections.
    let client_prefix = format!("sim{:x}-{:x}-", std::process::id(), wall_clock_ms() & 0xFFFF_FFFF);
    let tokens = devices.iter().map(|device| device.token.clone()).collect();
    let shared = Arc::new(Shared {
        plan,
        tokens,
        targets,
        client_prefix,
        log,
        resume,
        keep_ledgers: options.verify,
        keep_latencies: options.latencies.is_some(),
    });
    let (outcome, started_ms) = run::run(shared.clone(), options.threads as usize).await?;
    if let (Some(path), Some(latencies)) = (&options.latencies, &outcome.stats.latencies) {
        latencies.write(path, started_ms)?;
    }
    let mut report = Report::new(&shared.plan, &outcome.stats);
    if let Some(account) = account.filter(|_| options.verify) {
        let ledgers = outcome.ledgers;
        let expected = move |index| ledgers.get(&index).map_or_else(Expected::default, |ledger| ledger.expected());
        report.verify = Some(verify(&account, devices, expected, options.rest.patience()).await?);
    }
    Ok(report)
}

/// Creates devices. Gives the numbers of new and of existing ones.
///
/// # Errors
/// Those of [`provision`].
pub async fn create(options: &CreateOptions) -> Result<(usize, usize), SimError> {
    let devices = options.names.devices(options.devices.map(|count| count as usize))?;
    provision(&options.rest.account()?, devices).await
}

/// Number and time with which each device of a log goes on: behind everything an earlier run can have sent.
fn resume(path: &Path, window: u64) -> Result<HashMap<usize, (u64, u64)>, SimError> {
    let devices = acklog::read(path)?.into_iter();
    Ok(devices
        .filter_map(|(device, list)| list.last().map(|last| (device, (last.seq + window + 1, last.ts + window))))
        .collect())
}

/// Compares a log of acknowledgements with what is stored.
///
/// # Errors
/// A log that cannot be read or names unknown devices, and those of [`verify`].
pub async fn check_log(options: &VerifyOptions) -> Result<Checked, SimError> {
    let mut log = acklog::read(&options.acked_log)?;
    let Some(last) = log.keys().next_back().copied() else {
        return Ok(Checked::default());
    };
    let devices: Vec<Named> = options
        .names
        .devices(Some(last + 1))?
        .into_iter()
        .filter(|device| log.contains_key(&device.index))
        .collect();
    let unlogged = u64::from(options.window);
    let log: HashMap<usize, Expected> = devices
        .iter()
        .filter_map(|device| log.remove(&device.index).map(|sent| (device.index, Expected { sent, unlogged })))
        .collect();
    let expected = move |index| log.get(&index).cloned().unwrap_or_default();
    verify(&options.rest.account()?, devices, expected, options.rest.patience()).await
}
