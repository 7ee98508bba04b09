//! What is never run while serving.

pub mod check;
pub mod config;
pub mod explain;
pub mod init;
#[cfg(feature = "pages")]
pub mod pages;
pub mod warm;
