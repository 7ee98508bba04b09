//! The command line of `check`.
