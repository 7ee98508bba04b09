//! One-request invocations: inetd, the watchdog, Lambda, the shell.

mod inetd;
