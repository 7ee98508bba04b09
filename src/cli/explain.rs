//! The command line of `explain`.

use std::ffi::OsString;

use clap::Parser;

use super::{Refusal, refusal};

const ABOUT: &str =
    "Tells cause and remedy of an error: of a code, of a message, or of all that a log holds.";

const DETAILS: &str = "\
Examples:
  wsgi-cgi explain WC031                      a code of wsgi-cgi or of check
  wsgi-cgi explain AH01262                    a number of Apache's
  wsgi-cgi explain suexec 120                 an exit status of suexec
  wsgi-cgi explain 'Exec format error'        a message, or a line of a log
  tail -n 100 error.log | wsgi-cgi explain -  all that is known in a log
  wsgi-cgi explain --list                     everything that is known
  wsgi-cgi explain suexec                     everything of one source

The sources: wsgi-cgi, check, apache, suexec, lighttpd, nginx, system, python,
lambda.

Exit status: 0 it is explained; 2 wrong usage; 3 nothing is known of it.";

#[derive(Parser)]
#[command(name = "wsgi-cgi explain", bin_name = "wsgi-cgi explain", about = ABOUT, after_help = DETAILS)]
pub(super) struct ExplainLine {
    /// List everything that is known, one line each
    #[arg(long)]
    list: bool,
    /// Write docs/errors.md
    #[arg(long, hide = true, conflicts_with = "list")]
    markdown: bool,
    /// A code, a message, or a line of a log; `-` reads a log from standard input
    #[arg(
        value_name = "CODE|MESSAGE",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present_any = ["list", "markdown"]
    )]
    query: Vec<OsString>,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainPlan {
    /// Everything, one line each.
    List,
    /// Everything, as a page.
    Page,
    /// This text.
    Text(String),
    /// What is on standard input.
    Log,
}

/// Reads the command line behind `explain`.
pub fn parse_explain(arguments: &[OsString]) -> Result<ExplainPlan, Refusal> {
    let program = OsString::from("wsgi-cgi explain");
    let line = ExplainLine::try_parse_from(std::iter::once(&program).chain(arguments))
        .map_err(|error| refusal(&error))?;
    let words: Vec<_> = line
        .query
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    Ok(match (line.list, line.markdown, words.join(" ")) {
        (true, ..) => ExplainPlan::List,
        (_, true, _) => ExplainPlan::Page,
        (.., query) if query == "-" => ExplainPlan::Log,
        (.., query) => ExplainPlan::Text(query),
    })
}
