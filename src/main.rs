//! wsgi-cgi: runs any WSGI application, one request at a time.

use std::env;
use std::process::ExitCode;

mod cgi;
mod cli;
mod doors;
mod plan;
mod pragma;
mod python;
mod runner;
mod source;

fn main() -> ExitCode {
    contract::descriptors::close_inherited();
    runner::signals::reset();
    let arguments = env::args_os().skip(1).collect();
    let outcome = doors::cgi::run(arguments, env::vars_os());
    ExitCode::from(outcome.exit_status())
}
