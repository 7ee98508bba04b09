//! Runs a request: its descriptors and a job in, a response on the descriptor and an outcome out.

pub mod cold;
mod drain;
mod fork;
pub mod signals;
