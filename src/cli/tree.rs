//! All command lines as one tree: what man pages, completions and the reference are made of.

use clap::{Arg, Command, CommandFactory};

use super::check::CheckLine;
use super::config::ConfigLine;
use super::explain::ExplainLine;
use super::init::InitLine;
use super::lambda::LambdaLine;
use super::request::RequestLine;
use super::serve::{InetdLine, ServeLine};
use super::warm::WarmLine;
use super::watchdog::WatchdogLine;
use super::{CommandLine, NAMES};

/// `wsgi-cgi` with its commands, which main.rs finds by their names.
pub fn tree() -> Command {
    CommandLine::command()
        .override_usage("wsgi-cgi [OPTIONS] [APP]\n       wsgi-cgi COMMAND [OPTIONS]")
        .disable_help_subcommand(true)
        .subcommands([
            CheckLine::command().name("check"),
            ConfigLine::command().name("config"),
            InitLine::command().name("init"),
            ExplainLine::command().name("explain"),
            ServeLine::command().name("serve"),
            RequestLine::command().name("request"),
            InetdLine::command().name("inetd"),
            LambdaLine::command().name("lambda"),
            WatchdogLine::command().name("watchdog"),
            WarmLine::command()
                .name("warm")
                .disable_help_subcommand(true),
        ])
}

/// The variable that sets an option where it is not typed.
pub fn variable(option: &Arg) -> Option<String> {
    if let Some(variable) = option.get_env() {
        return Some(variable.to_string_lossy().into_owned());
    }
    let name = option.get_long()?;
    NAMES.contains(&name).then(|| super::variable(name))
}
