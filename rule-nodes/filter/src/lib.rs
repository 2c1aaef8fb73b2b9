//! node-filter.
