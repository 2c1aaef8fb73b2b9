//! node-adapters.
