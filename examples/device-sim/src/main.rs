//! The `device-sim` program: options in, a report and an exit code out.

use std::process::ExitCode;

use clap::Parser;
use device_sim::asking::ask;
use device_sim::commands::{check_log, create, simulate};
use device_sim::options::{Cli, Command};
use device_sim::storm::storm;

/// The run could not begin, or a check could not be made.
const FAILED: u8 = 1;
/// Messages stayed unsent or unacknowledged.
const INCOMPLETE: u8 = 2;
/// Points are missing, invented or out of order.
const BAD: u8 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(execute(cli));
    // After a failure, threads may still be on their way out; nothing they do matters any more.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn execute(cli: Cli) -> u8 {
    let (json, result) = match cli.command {
        Some(Command::Verify(options)) => {
            let result = check_log(&options).await.map(|checked| {
                let code = if checked.is_good() { 0 } else { BAD };
                (text(options.json, &checked), code)
            });
            (options.json, result)
        }
        Some(Command::Create(options)) => {
            let created = create(&options).await;
            (
                false,
                created.map(|(new, old)| (format!("created       {new}, {old} were there"), 0)),
            )
        }
        Some(Command::Ask(options)) => {
            let asked = ask(&options).await;
            (options.json, asked.map(|asked| (text(options.json, &asked), 0)))
        }
        Some(Command::Storm(options)) => {
            let told = storm(&options).await;
            (options.json, told.map(|told| (text(options.json, &told), 0)))
        }
        None => {
            let result = simulate(&cli.run).await.map(|report| {
                let code = match &report.verify {
                    Some(checked) if !checked.is_good() => BAD,
                    _ if !report.is_complete() => INCOMPLETE,
                    _ => 0,
                };
                (text(cli.run.json, &report), code)
            });
            (cli.run.json, result)
        }
    };
    match result {
        Ok((text, code)) => {
            println!("{text}");
            code
        }
        Err(error) => {
            if json {
                println!("{}", serde_json::json!({ "error": error.to_string() }));
            }
            eprintln!("device-sim: {error}");
            FAILED
        }
    }
}

fn text(json: bool, result: &(impl serde::Serialize + std::fmt::Display)) -> String {
    match json.then(|| serde_json::to_string(result)) {
        Some(Ok(line)) => line,
        _ => result.to_string(),
    }
}
