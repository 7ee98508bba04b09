//! One-request invocations: inetd, the watchdog, Lambda, the shell.

mod event;
mod grandchildren;
mod inetd;
mod lambda;
mod lambda_api;
mod lambda_events;
pub mod request;
mod watchdog;
