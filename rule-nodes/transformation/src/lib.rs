//! Transformation: nodes that change a message: its keys, its originator, its number.

mod change_originator;
mod deduplication;
mod json_path;
mod keys;
mod rename_keys;
mod split_array;

pub use change_originator::ChangeOriginator;
pub use deduplication::Deduplication;
pub use json_path::JsonPathNode;
pub use keys::{CopyKeys, DeleteKeys};
pub use rename_keys::RenameKeys;
pub use split_array::SplitArray;

pacificsoft_sdk::export_nodes!(
    ChangeOriginator,
    CopyKeys,
    DeleteKeys,
    RenameKeys,
    SplitArray,
    Deduplication,
    JsonPathNode
);
