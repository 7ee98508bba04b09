//! Finds the application's interpreter and becomes it.

pub mod boot;
pub mod discover;
