//! The command line of `config`.
