//! `pacificsoft plugin`: for authors of components, from an empty folder to a component that is tested as a server would run it.
//!
//! 1. [`project`] – the folder of a component, [`new`] – made from templates, with the SDK inside,
//! 2. [`make`] – its component,
//! 3. [`check`] – what a component is and asks for, in plain words,
//! 4. [`cases`] – messages and what is expected of them; [`run`] – the component with these, and with many more.
//!
//! Runs components in the very host that servers have. Must not know stores or devices.

pub mod cases;
pub mod check;
pub mod make;
pub mod new;
pub mod project;
pub mod run;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use project::{Language, Project};

/// Makes, tests and measures components.
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
}

/// Does what the command line says.
///
/// # Errors
/// What the author has to mend, in words.
pub fn run(options: Options) -> Result<()> {
    match options.command {
        Command::New { lang, name } => new::project(&std::env::current_dir()?, lang, &name),
        Command::Build => make::component(&Project::here()?).map(|path| println!("{}", path.display())),
        Command::Check { component } => check::print(&make::or_given(component)?),
        Command::Test { component, files } => run::test(&make::or_given(component)?, &files_or_all(files)?),
        Command::Bench { component, calls, files } => run::bench(&make::or_given(component)?, &files_or_all(files)?, calls),
    }
}

fn files_or_all(files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    if files.is_empty() { Project::here()?.cases() } else { Ok(files) }
}
