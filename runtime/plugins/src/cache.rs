//! Native code on disk. Loading it means running it, so every file is authenticated with a secret of this server: what somebody else
//! wrote into the folder is compiled anew, never run. The only place of the workspace that is allowed `unsafe`.

#![allow(unsafe_code)]

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

type Authentication = Hmac<Sha256>;
const TAG_BYTES: usize = 32;

/// A folder of authenticated native code.
pub struct CodeCache {
    dir: PathBuf,
    key: Vec<u8>,
}

impl CodeCache {
    /// Uses a folder, which is made if need be, readable by the owner only.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: PathBuf, key: &[u8]) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        }
        Ok(CodeCache { dir, key: key.to_vec() })
    }

    /// The component of these bytes: from the folder if its code is there and authentic, else compiled and put there.
    ///
    /// # Errors
    /// What the compiler says about the bytes.
    pub fn component(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let path = self.path(engine, bytes);
        if let Some(component) = self.read(engine, &path) {
            return Ok(component);
        }
        // Seconds, with an interpreter inside: whoever starts a server for the first time sees what it does.
        tracing::info!(kilobytes = bytes.len().div_ceil(1024), "compiling a component, once");
        let component = Component::new(engine, bytes)?;
        let code = component.serialize()?;
        if let Err(error) = self.write(&path, &code) {
            tracing::warn!(path = %path.display(), %error, "compiled code was not kept");
        }
        Ok(component)
    }

    /// Whether authentic code of these bytes is there.
    pub fn contains(&self, engine: &Engine, bytes: &[u8]) -> bool {
        self.read(engine, &self.path(engine, bytes)).is_some()
    }

    /// Keeps code that was compiled elsewhere, by a process that is trusted as this one is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, engine: &Engine, bytes: &[u8], code: &[u8]) -> io::Result<()> {
        self.write(&self.path(engine, bytes), code)
    }

    /// A name that changes with the component, the compiler's version and settings, and the machine's features.
    fn path(&self, engine: &Engine, bytes: &[u8]) -> PathBuf {
        let mut compatibility = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let digest = Sha256::digest(bytes);
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(format!("{hex}-{:016x}.code", compatibility.finish()))
    }

    fn read(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let file = fs::read(path).ok()?;
        let (tag, code) = file.split_at_checked(TAG_BYTES)?;
        if self.authentication(path, code).verify_slice(tag).is_err() {
            tracing::warn!(path = %path.display(), "compiled code is not authentic and will be compiled again");
            return None;
        }
        // SAFETY: the bytes carry a tag made with this server's secret over exactly these bytes and this name, so they are what
        // `Component::serialize` of this very configuration answered.
        match unsafe { Component::deserialize(engine, code) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be used and will be compiled again");
                None
            }
        }
    }

    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let tag = self.authentication(path, code).finalize().into_bytes();
        let unfinished = path.with_extension(format!("tmp{}", std::process::id()));
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&tag)?;
        file.write_all(code)?;
        file.sync_data()?;
        fs::rename(&unfinished, path)
    }

    fn authentication(&self, path: &Path, code: &[u8]) -> Authentication {
        // HMAC takes keys of any length; the error cannot happen and would only mean an empty key.
        let mut mac = Authentication::new_from_slice(&self.key).unwrap_or_else(|_| Authentication::new(&Default::default()));
        mac.update(path.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default());
        mac.update(code);
        mac
    }
}
