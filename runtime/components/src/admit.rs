//! Admission: from bytes to a version that can serve. Each step may refuse, in words for the author.
//!
//! names → native code, by another process → instance, description → each type with its default configuration

use std::sync::Arc;
use std::time::Instant;

use plugins::{Host, LoadError, LoadedComponent, NodeInstance, Refusal, admission};

use crate::compile::Compiler;
use crate::{ComponentError, Facts};

/// Admits an upload.
///
/// # Errors
/// [`ComponentError::Refused`], or what went wrong here.
pub async fn admit(host: &Host, compiler: &dyn Compiler, bytes: Arc<[u8]>, bytes_max: usize) -> Result<Facts, ComponentError> {
    let examined = {
        let bytes = Arc::clone(&bytes);
        blocking(move || admission::examine(&bytes, bytes_max)).await??
    };
    let started = Instant::now();
    let compiled = has_code(host, compiler, &bytes).await?;
    let compile_ms = if compiled {
        u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
    } else {
        0
    };
    let host = host.clone();
    blocking(move || {
        let loaded = host.load(&bytes).map_err(refusal)?;
        if let LoadedComponent::Rules(component) = &loaded {
            for descriptor in component.types() {
                let configuration = descriptor.default_configuration.to_string();
                NodeInstance::check(component, &descriptor.type_name, &configuration).map_err(|error| Refusal::Configuration {
                    type_name: descriptor.type_name.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
        Ok(Facts::new(examined, &loaded, compile_ms))
    })
    .await?
}

/// Loads a version that was admitted before; compiles it again if its native code is lost.
///
/// # Errors
/// As [`admit`].
pub async fn load(host: &Host, compiler: &dyn Compiler, bytes: Arc<[u8]>) -> Result<LoadedComponent, ComponentError> {
    has_code(host, compiler, &bytes).await?;
    let host = host.clone();
    blocking(move || host.load(&bytes).map_err(refusal)).await?
}

/// Makes sure that native code is there, where the host keeps it. Whether it was compiled now.
async fn has_code(host: &Host, compiler: &dyn Compiler, bytes: &Arc<[u8]>) -> Result<bool, ComponentError> {
    if !host.keeps_code() {
        return Ok(false);
    }
    let (asked, wanted) = (host.clone(), Arc::clone(bytes));
    if blocking(move || asked.has_code(&wanted)).await? {
        return Ok(false);
    }
    let code = compiler.compile(Arc::clone(bytes)).await?;
    let (host, bytes) = (host.clone(), Arc::clone(bytes));
    blocking(move || host.keep_code(&bytes, &code).map_err(refusal)).await??;
    Ok(true)
}

fn refusal(error: LoadError) -> ComponentError {
    match error {
        LoadError::Host(text) => ComponentError::Host(text),
        LoadError::TooLarge { len, max } => Refusal::TooLarge { len, max }.into(),
        LoadError::Invalid(text) => Refusal::Compile(text).into(),
        other => Refusal::Trial(other.to_string()).into(),
    }
}

/// Runs what takes a core for a while on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ComponentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ComponentError::Host("the work was interrupted".to_owned()))
}
