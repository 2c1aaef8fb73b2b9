//! Native code for uploads: made by another process of the same binary, which may use up what it is given and die of it.
//!
//! The process gets the bytes on its standard input and answers with code on its standard output. It knows no secret and writes no
//! file. One runs at a time, so that compiling never takes more than one core from those who serve.

mod child;

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use plugins::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::ComponentError;

pub use child::run as run_child;

/// Name of the hidden command that compiles.
pub const COMMAND: &str = "compile-component";
/// Bytes of native code at most: more than ten times what the largest component compiles to.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// Bytes of a refusal's words at most.
const WORDS_BYTES_MAX: u64 = 4 << 10;
/// Components that are compiled or wait for it.
const WAITING_MAX: usize = 16;
/// Time on the wall beyond four times that of a core: it gives way to those who serve.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the child ends when the compiler refuses the component, in its words.
const REFUSED: i32 = 3;

/// Makes native code.
#[async_trait]
pub trait Compiler: Send + Sync + 'static {
    /// Compiles a component.
    ///
    /// # Errors
    /// [`ComponentError::Refused`] in words for its author; [`ComponentError::Busy`]; [`ComponentError::Host`].
    async fn compile(&self, bytes: Arc<[u8]>) -> Result<Vec<u8>, ComponentError>;
}

/// Compiles in this process: for tests, and for tools whose user wrote the component.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

#[async_trait]
impl Compiler for InProcess {
    async fn compile(&self, bytes: Arc<[u8]>) -> Result<Vec<u8>, ComponentError> {
        let compiled = tokio::task::spawn_blocking(move || plugins::compile::precompile(&bytes)).await;
        let interrupted = |_| ComponentError::Host("compiling was interrupted".to_owned());
        Ok(compiled.map_err(interrupted)??)
    }
}

/// What compiling one component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the process, bytes.
    pub memory_bytes: u64,
    /// Time of a core, seconds.
    pub cpu_s: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits {
            memory_bytes: 2 << 30,
            cpu_s: 30,
        }
    }
}

/// Compiles in processes of their own.
#[derive(Debug)]
pub struct Separate {
    program: PathBuf,
    limits: CompileLimits,
    turns: Semaphore,
    places: Semaphore,
}

impl Separate {
    /// `program` is this binary: it must understand [`COMMAND`].
    pub fn new(program: PathBuf, limits: CompileLimits) -> Self {
        Separate {
            program,
            limits,
            turns: Semaphore::new(1),
            places: Semaphore::new(WAITING_MAX),
        }
    }

    /// Starts the process, more polite than those who serve; where the system has no `nice`, as polite.
    fn start(&self) -> Result<Child, ComponentError> {
        let mut polite = Command::new("nice");
        polite.arg(&self.program);
        self.spawn(polite)
            .or_else(|_| self.spawn(Command::new(&self.program)))
            .map_err(|error| ComponentError::Host(format!("the compiler cannot be started: {error}")))
    }

    fn spawn(&self, mut command: Command) -> std::io::Result<Child> {
        command
            .arg(COMMAND)
            .arg(self.limits.memory_bytes.to_string())
            .arg(self.limits.cpu_s.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn judge(&self, status: ExitStatus, code: Vec<u8>, words: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let words = String::from_utf8_lossy(words).trim().to_owned();
        match status.code() {
            Some(0) if code.len() as u64 <= CODE_BYTES_MAX => Ok(code),
            Some(0) => Err(Refusal::CompileLimit(format!("{CODE_BYTES_MAX} bytes of native code")).into()),
            Some(REFUSED) => Err(Refusal::Compile(words).into()),
            // Killed by a signal, or out of memory, or the compiler panicked: whichever, the component is the cause.
            _ => {
                tracing::warn!(%status, words, "a component's compilation ended early");
                Err(self.too_much())
            }
        }
    }

    fn too_much(&self) -> ComponentError {
        let CompileLimits { memory_bytes, cpu_s } = self.limits;
        Refusal::CompileLimit(format!("the {cpu_s} s and {} MiB that a component has", memory_bytes >> 20)).into()
    }
}

#[async_trait]
impl Compiler for Separate {
    async fn compile(&self, bytes: Arc<[u8]>) -> Result<Vec<u8>, ComponentError> {
        let _place = self.places.try_acquire().map_err(|_| ComponentError::Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| ComponentError::Busy)?;
        let mut child = self.start()?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(ComponentError::Host("the compiler has no pipes".to_owned()));
        };
        let work = async {
            let (mut code, mut words) = (Vec::new(), Vec::new());
            let mut answer = stdout.take(CODE_BYTES_MAX + 1);
            let mut told = stderr.take(WORDS_BYTES_MAX);
            // A process that dies before it has read everything says why by how it ends.
            let feed = async {
                let _ = stdin.write_all(&bytes).await;
                drop(stdin);
            };
            let (_, read, _) = tokio::join!(feed, answer.read_to_end(&mut code), told.read_to_end(&mut words));
            read?;
            Ok::<_, std::io::Error>((child.wait().await?, code, words))
        };
        let wall = Duration::from_secs(self.limits.cpu_s.saturating_mul(4)) + PATIENCE;
        match tokio::time::timeout(wall, work).await {
            Ok(Ok((status, code, words))) => self.judge(status, code, &words),
            Ok(Err(error)) => Err(ComponentError::Host(format!("the compiler cannot be heard: {error}"))),
            Err(_) => Err(self.too_much()),
        }
    }
}
