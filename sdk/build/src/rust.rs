//! Finding a toolchain that builds for `wasm32-unknown-unknown`: the active one, the active one after rustup added the target, or
//! Debian's packages, which build the standard library from source.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Environment variable that forces one: `active`, `rustup` or `debian`.
pub const CHOICE: &str = "PACIFICSOFT_GUEST_TOOLCHAIN";
const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// A way to build guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The active toolchain, which has the target.
    Active,
    /// The active toolchain, to which rustup has just added the target.
    Rustup,
    /// Debian's.
    Debian,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Toolchain::Active => "the active toolchain, which has wasm32-unknown-unknown",
            Toolchain::Rustup => "the active toolchain, to which rustup added wasm32-unknown-unknown",
            Toolchain::Debian => "Debian's rustc-web, building the standard library from source",
        })
    }
}

impl Toolchain {
    /// The first that works, in this order; or the one that the environment names.
    ///
    /// # Errors
    /// When none works, saying what to do.
    pub fn find(root: &Path) -> Result<Self> {
        let forced = std::env::var(CHOICE).ok();
        let allowed = |name: &str| forced.as_deref().is_none_or(|forced| forced == name);
        if allowed("active") && active_has_target(root) {
            return Ok(Toolchain::Active);
        }
        if allowed("rustup")
            && succeeds(Command::new("rustup").args(["target", "add", TARGET]).current_dir(root))
            && active_has_target(root)
        {
            return Ok(Toolchain::Rustup);
        }
        if allowed("debian") && (debian_is_complete() || install_debian()) {
            return Ok(Toolchain::Debian);
        }
        bail!(
            "no toolchain for guests: run `rustup target add {TARGET}`, or install Debian's packages {}",
            DEBIAN_PACKAGES.join(" ")
        )
    }

    /// Builds packages; answers their modules in the same order.
    ///
    /// # Errors
    /// When one does not build.
    pub fn build(self, root: &Path, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let target_dir = root.join(if self == Toolchain::Debian {
            "target/guests-debian"
        } else {
            "target/guests"
        });
        let mut command = match self {
            Toolchain::Active | Toolchain::Rustup => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Toolchain::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22")
                    .arg("-Zbuild-std=std,panic_abort");
                command
            }
        };
        command
            .current_dir(root)
            .arg("build")
            .args(["--quiet", "--profile", "guest", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target_dir);
        for package in packages {
            command.args(["--package", package]);
        }
        // Settings for the host's build must not reach the guests.
        for variable in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "RUSTUP_TOOLCHAIN",
        ] {
            if self == Toolchain::Debian || variable != "RUSTUP_TOOLCHAIN" {
                command.env_remove(variable);
            }
        }
        let status = command.status().context("cargo cannot be started")?;
        if !status.success() {
            bail!("it does not build ({status}): what is wrong stands above");
        }
        let folder = target_dir.join(TARGET).join("guest");
        Ok(packages
            .iter()
            .map(|package| folder.join(package.replace('-', "_")).with_extension("wasm"))
            .collect())
    }
}

fn active_has_target(root: &Path) -> bool {
    let Ok(output) = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(root)
        .output()
    else {
        return false;
    };
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    output.status.success()
        && std::fs::read_dir(folder).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
}

fn debian_is_complete() -> bool {
    ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/bin/wasm-ld-22"]
        .iter()
        .all(|path| Path::new(path).exists())
        && Path::new("/usr/src").exists()
        && DEBIAN_PACKAGES
            .iter()
            .all(|package| succeeds(Command::new("dpkg").args(["-s", package])))
}

fn install_debian() -> bool {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0"));
    if !root || !Path::new("/usr/bin/apt-get").exists() {
        return false;
    }
    eprintln!("guests: installing Debian's {}", DEBIAN_PACKAGES.join(" "));
    succeeds(Command::new("apt-get").args(["-qq", "update"]))
        && succeeds(
            Command::new("apt-get")
                .args(["-qq", "-y", "--no-install-recommends", "install"])
                .args(DEBIAN_PACKAGES),
        )
        && debian_is_complete()
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
