//! node-action.
