//! What is never run while serving.

pub mod warm;
