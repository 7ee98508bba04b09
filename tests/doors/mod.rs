//! One-request invocations: inetd, the watchdog, Lambda, the shell.

mod inetd;
mod lambda;
mod lambda_events;
mod request;
mod watchdog;
