//! The tools for people.

mod explain;
mod record;
