//! wsgi-cgi: runs any WSGI application, one request at a time.

use std::env;
use std::process::ExitCode;

mod cgi;
mod cli;
mod doors;
mod nearest;
mod plan;
mod pragma;
mod python;
mod record;
mod runner;
mod source;
mod terminal;
mod tools;

// The host's side of CGI is a crate of its own.
use wsgi_cgi_gateway::{bytes, cgi as gateway, http};
use wsgi_cgi_process::wait;

use doors::Becomes;

fn main() -> ExitCode {
    let inherited = doors::inherited_sockets();
    let descriptors = match doors::self_test::may_be_asked() {
        true => doors::self_test::more_descriptors(),
        false => Vec::new(),
    };
    contract::descriptors::close_inherited(&inherited);
    runner::signals::keep_ignored();
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    // A web server may make arguments of a query: under one, there are no commands.
    let command = match env::var_os("GATEWAY_INTERFACE") {
        None => arguments.split_first(),
        Some(_) => None,
    };
    let outcome = match command.map(|(name, rest)| (name.to_str(), rest)) {
        Some((Some("serve"), rest)) => runner::init::run(|| doors::serve::run(rest, inherited)),
        Some((Some("inetd"), rest)) => doors::serve::inetd::run(rest),
        Some((Some("lambda"), rest)) => doors::lambda::run(rest),
        Some((Some("request"), rest)) => {
            return ExitCode::from(doors::request::run(rest).exit_status());
        }
        Some((Some("watchdog"), rest)) => doors::watchdog::run(rest),
        Some((Some("check"), rest)) => tools::check::run(rest),
        Some((Some("config"), rest)) => tools::config::run(rest),
        Some((Some("explain"), rest)) => tools::explain::run(rest),
        Some((Some("init"), rest)) => tools::init::run(rest),
        Some((Some("warm"), rest)) => tools::warm::run(rest),
        #[cfg(feature = "pages")]
        Some((Some("pages"), rest)) => tools::pages::run(rest),
        _ => {
            runner::signals::reset();
            match doors::becomes() {
                Some(Becomes::Script) => doors::limited::run(&arguments),
                Some(Becomes::OtherUser(kind)) => doors::other_user::run(&arguments, &kind),
                None => doors::cgi::run(arguments, env::vars_os(), descriptors),
            }
        }
    };
    ExitCode::from(outcome.exit_status())
}
