//! The command line of `explain`.
