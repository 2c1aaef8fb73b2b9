//! pacificsoft-sdk.
