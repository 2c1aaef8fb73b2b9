//! The process that compiles: limits itself, reads a component, writes native code.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rlimit::Resource;

use super::REFUSED;

/// Bytes of a component at most, whatever its class.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Compiles what stands on the standard input. Arguments: bytes of address space, seconds of a core.
pub fn run(memory_bytes: u64, cpu_s: u64) -> ExitCode {
    if let Err(error) = limit(memory_bytes, cpu_s) {
        eprintln!("the limits of the compiler cannot be set: {error}");
        return ExitCode::FAILURE;
    }
    match compile() {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(words)) => {
            eprintln!("{words}");
            ExitCode::from(REFUSED as u8)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn limit(memory_bytes: u64, cpu_s: u64) -> io::Result<()> {
    // Files it must not write and memory images it must not leave; descriptors it has already.
    for (resource, max) in [
        (Resource::AS, memory_bytes),
        (Resource::CPU, cpu_s),
        (Resource::FSIZE, 0),
        (Resource::CORE, 0),
        (Resource::NOFILE, 16),
    ] {
        resource.set(max, max)?;
    }
    Ok(())
}

fn compile() -> io::Result<Result<(), String>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(COMPONENT_BYTES_MAX).read_to_end(&mut bytes)?;
    match plugins::compile::precompile(&bytes) {
        Ok(code) => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&code)?;
            stdout.flush()?;
            Ok(Ok(()))
        }
        Err(plugins::Refusal::Compile(words)) => Ok(Err(words)),
        Err(other) => Ok(Err(other.to_string())),
    }
}
