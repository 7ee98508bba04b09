//! The tools for people.

mod explain;
