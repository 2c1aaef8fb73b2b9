//! The contract between peers, made of `proto/pacificsoft/peer/v1`.

#![allow(missing_docs, clippy::all, reason = "made of proto/, which is documented")]

tonic::include_proto!("pacificsoft.peer.v1");
