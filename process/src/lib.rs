//! Processes without races: one type for a process, one way to wait, one place for signals, one file of time limits.
//!
//! Front, engine and gateway use it wherever they wait for a process. The rules:
//!
//! - A process is known by a [`Process`], which looks before it signals and reaps last.
//! - Whoever waits uses [`wait::Waiting`]: descriptors, processes and signals, with one deadline.
//! - Signals are read from a descriptor ([`signals::Signals`]), so that none is lost between two waits.
//! - Time limits that depend on each other stand in [`time_limits`].
#![forbid(unsafe_code)]

mod process;
pub mod signals;
pub mod time_limits;
pub mod wait;

pub use process::{Exit, Process};
