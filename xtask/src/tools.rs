//! Programs that tests and measurements need and nobody here wrote. Installed below `target/tools`, or by the system's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use guest_build::packages;

use crate::{build, shell};

/// Python packages, by name and version.
const PYTHON_PACKAGES: [&str; 10] = [
    "tb-mqtt-client==1.13.14",
    "paho-mqtt>=2.1,<3",
    "aiocoap==0.4.17",
    "websocket-client>=1.8,<2",
    "pika==1.3.2",
    "aiosmtpd==1.4.6",
    "proxy.py==2.4.10",
    "moto[server,iam,sqs,sns,awslambda]==5.2.5",
    "pyjwt[crypto]==2.15.1",
    "tb-ce-client==4.4.0",
];
/// Those in an environment of their own: they need an older paho-mqtt.
const AZURE_PACKAGES: [&str; 1] = ["azure-iot-device==2.14.0"];

/// A center for text messages, of npm, by name and version.
const CENTER: [&str; 1] = ["smpp@0.5.1"];
/// A server that speaks as the providers of AI models do.
const MODELS: [&str; 1] = ["@copilotkit/aimock@1.43.0"];

/// Installs what the whole-system tests need; answers the folder.
///
/// # Errors
/// When something is missing and cannot be installed, in one line.
pub fn for_tests(root: &Path) -> Result<PathBuf> {
    debian(&[
        ("curl", "curl"),
        ("mosquitto_pub", "mosquitto-clients"),
        ("mosquitto_passwd", "mosquitto"),
        ("coap-client-openssl", "libcoap3-bin"),
        ("rabbitmq-server", "rabbitmq-server"),
        ("java", "openjdk-17-jre-headless"),
        ("mvn", "maven"),
    ])?;
    let tools = build::target(root).join("tools");
    from_maven::KAFKA.in_folder(&tools.join("kafka"))?;
    let python = |folder: &Path, wanted: &[&str]| packages::pypi(&folder.join("venv"), wanted, &installing(wanted, "PyPI"));
    python(&tools, &PYTHON_PACKAGES)?;
    python(&tools.join("azure"), &AZURE_PACKAGES)?;
    for (folder, wanted) in [("smpp", CENTER), ("models", MODELS)] {
        packages::npm(&tools.join(folder), &wanted, &installing(&wanted, "npm"))?;
    }
    Ok(tools)
}

/// Makes sure that programs are there, by Debian's packages if not.
///
/// # Errors
/// When one is missing and this is not root on a Debian system.
pub fn debian(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    eprintln!("tools: installing {list}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        shell::quietly(&mut command)
    };
    let install = [&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat();
    if apt(&install).is_err() {
        apt(&["update"])
            .and_then(|_| apt(&install))
            .with_context(|| format!("missing: install {list} (Debian packages)"))?;
    }
    Ok(())
}

fn installing(packages: &[&str], from: &str) -> String {
    format!("tools: installing {} from {from}", packages.join(", "))
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
