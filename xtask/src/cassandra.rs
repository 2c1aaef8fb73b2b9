//! A real Apache Cassandra for tests, measurements and play.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use cassandra_node::{ADDRESS, Installed, Node, NodeOptions, PROCESS};

use crate::build;

/// Fetches it if need be, and starts one node.
///
/// # Errors
/// When Java or Maven is missing, in one line, or the node does not start.
pub fn start(root: &Path) -> Result<Node> {
    let installed = Installed::in_folder(&build::target(root).join("tools/cassandra"))?;
    let started = Instant::now();
    let node = Node::start(&installed, &NodeOptions::alone()?)?;
    eprintln!(
        "xtask: Cassandra serves at {} after {} s",
        node.address(),
        started.elapsed().as_secs()
    );
    Ok(node)
}

/// What tests of a node are told.
pub fn environment(node: &Node) -> [(&'static str, String); 2] {
    [(ADDRESS, node.address()), (PROCESS, node.pid().to_string())]
}

/// Starts one node, says where it serves, and waits until it ends.
///
/// # Errors
/// As [`start`].
pub fn run(root: &Path) -> Result<()> {
    let mut node = start(root)?;
    println!("pacificsoft serve --storage cassandra://{}/pacificsoft", node.address());
    println!("Press Ctrl-C to end it.");
    node.wait()
}
