//! The command line of `init`.
