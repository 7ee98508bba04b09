//! One-request invocations: inetd, the watchdog, Lambda, the shell.

mod grandchildren;
mod inetd;
mod lambda;
mod lambda_events;
pub mod request;
mod watchdog;
