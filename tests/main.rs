//! The integration tests: one binary, the real executable, real servers, real frameworks.
#![cfg(test)]

mod cli;
mod doors;
mod engine;
mod frameworks;
mod house;
mod packages;
mod serve;
mod servers;
mod support;
mod tools;
mod warm;
