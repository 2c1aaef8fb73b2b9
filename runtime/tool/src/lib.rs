//! `pacificsoft plugin`: for authors of components, from an empty folder to a component that is tested as a server would run it.
//!
//! 1. [`project`] – the folder of a component, [`new`] – made from templates, with the SDK inside,
//! 2. [`make`] – its component,
//! 3. [`check`] – what a component is and asks for, in plain words,
//! 4. [`cases`] – messages and what is expected of them; [`run`] – the component with these, and with many more,
//! 5. [`access`] – a server and a login, [`profile`] – saved; [`client`] – the server's API, [`told`] – what it says, [`upload`] – how far it is,
//! 6. [`push`] – the component serves, [`chain`] – in a rule chain; [`watch`] – again whenever a file is saved.
//!
//! Runs components in the very host that servers have; knows servers only by their API. Must not know stores or devices.

pub mod access;
pub mod cases;
pub mod chain;
pub mod check;
pub mod client;
pub mod make;
pub mod new;
pub mod profile;
pub mod project;
pub mod push;
pub mod run;
pub mod told;
pub mod upload;
pub mod watch;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::{Args, Subcommand};

use access::{Access, ServerOptions};
use new::Kind;
use project::{Language, Project};
use push::PushOptions;
use told::short;

/// Makes, tests, measures and publishes components.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a project in a new folder.
    New {
        /// In which language
        #[arg(long, value_enum, default_value = "rust")]
        lang: Language,
        /// What its node does
        #[arg(long, value_enum, default_value = "filter")]
        kind: Kind,
        /// Name of the component and of the folder, in kebab case
        name: String,
    },
    /// Builds the component of the project in this folder.
    Build,
    /// Says what a component is: node types, permissions, contract version, size.
    Check {
        /// A component; without it the project's is built
        component: Option<PathBuf>,
    },
    /// Runs the messages in `tests/*.json` through the component and compares.
    Test {
        /// A component; without it the project's is built
        #[arg(long)]
        component: Option<PathBuf>,
        /// Files of messages; without them all in `tests/`
        files: Vec<PathBuf>,
    },
    /// Measures what a message costs, with the messages in `tests/*.json`.
    Bench {
        /// A component; without it the project's is built
        #[arg(long)]
        component: Option<PathBuf>,
        /// Calls for each file
        #[arg(long, default_value_t = 20_000)]
        calls: u32,
        /// Files of messages; without them all in `tests/`
        files: Vec<PathBuf>,
    },
    /// Logs in at a server, for the commands below. Saved for this user of this machine only; the password is not.
    Login {
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Sends a component to a server, shows what it asks for, and lets it serve.
    Push {
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        options: PushOptions,
        /// A component; without it the project's is built
        #[arg(long)]
        component: Option<PathBuf>,
        /// Name of the component on the server [default: the project's or the file's]
        #[arg(long)]
        name: Option<String>,
        /// Only sends it: what served before goes on
        #[arg(long)]
        no_activate: bool,
    },
    /// Lists a server's components, or the versions of one.
    List {
        #[command(flatten)]
        server: ServerOptions,
        /// A component
        name: Option<String>,
    },
    /// Lets the version serve that served before. Said twice, the present one serves again.
    Rollback {
        #[command(flatten)]
        server: ServerOptions,
        /// A component; without it the project's
        name: Option<String>,
    },
    /// Builds, tests and pushes the project in this folder whenever a file of it is saved.
    Watch {
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        options: PushOptions,
    },
}

/// Does what the command line says.
///
/// # Errors
/// What the author has to mend, in words.
pub fn run(options: Options) -> Result<()> {
    match options.command {
        Command::New { lang, kind, name } => new::project(&std::env::current_dir()?, lang, kind, &name),
        Command::Build => make::component(&Project::here()?).map(|path| println!("{}", path.display())),
        Command::Check { component } => check::print(&make::or_given(component)?),
        Command::Test { component, files } => run::test(&make::or_given(component)?, &files_or_all(files)?),
        Command::Bench { component, calls, files } => run::bench(&make::or_given(component)?, &files_or_all(files)?, calls),
        Command::Login { server } => access::log_in(&server),
        Command::Push {
            server,
            options,
            component,
            name,
            no_activate,
        } => {
            let name = push::name_of(name, component.as_deref())?;
            let path = make::or_given(component)?;
            push::push(&Access::new(&server)?.connect()?, &name, &path, &options, !no_activate)
        }
        Command::List { server, name } => list(&server, name.as_deref()),
        Command::Rollback { server, name } => roll_back(&server, name),
        Command::Watch { server, options } => watch::watch(&Project::here()?, &mut Access::new(&server)?, &options),
    }
}

fn list(server: &ServerOptions, name: Option<&str>) -> Result<()> {
    let client = Access::new(server)?.connect()?;
    if let Some(name) = name {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        println!("{}", client.component(name)?.history(now_ms));
        return Ok(());
    }
    println!("{:<24} {:<10} {:<10} STATE", "NAME", "VERSION", "BEFORE");
    for component in client.components()? {
        println!("{}", component.line());
    }
    Ok(())
}

fn roll_back(server: &ServerOptions, name: Option<String>) -> Result<()> {
    let name = push::name_of(name, None)?;
    let component = Access::new(server)?.connect()?.roll_back(&name)?;
    println!("{name} {} serves again", component.active.as_deref().map_or("", short));
    Ok(())
}

fn files_or_all(files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    if files.is_empty() { Project::here()?.cases() } else { Ok(files) }
}
