//! What is never run while serving.

pub mod check;
pub mod config;
pub mod explain;
pub mod init;
pub mod warm;
