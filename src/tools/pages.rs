//! `wsgi-cgi pages DIR`, in builds with the feature `pages`: what is made of the command lines' definition.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Command};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;
use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::Failure;

use crate::cli::tree::{tree, variable};
use crate::doors::refuse;

const OPENING: &str = "\
# Reference
Every command and option, made from the definition of the command line (`make pages`). An option that is given twice
counts as given last, unless it is repeatable. A variable counts where the option is not typed.
";

/// `arguments` stand behind `pages`.
pub fn run(arguments: &[OsString]) -> Outcome {
    let [folder] = arguments else {
        return refuse(Failure::new(Code::BAD_SETTING, "pages: one folder is needed").into());
    };
    match write_pages(Path::new(folder)) {
        Ok(()) => Outcome::Complete,
        Err(error) => refuse(Failure::new(Code::BAD_SETTING, format!("{error:#}")).into()),
    }
}

fn write_pages(folder: &Path) -> Result<()> {
    let mut tree = tree();
    let (manual, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&manual, &completions] {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    write_completions(&tree, &completions)?;
    tree.build();
    write_manual(&tree, &manual)?;
    let mut reference = String::from(OPENING);
    describe(&tree, "wsgi-cgi", &[], &mut reference)?;
    fs::write(folder.join("reference.md"), reference).context("reference.md")
}

/// In the place of a command may stand an application. The generator for zsh would take it for the first word, and a
/// command for the second.
fn write_completions(tree: &Command, folder: &Path) -> Result<()> {
    let options = tree
        .get_arguments()
        .filter(|argument| !argument.is_positional());
    let mut commands = Command::new("wsgi-cgi")
        .version(env!("CARGO_PKG_VERSION"))
        .args(options.cloned())
        .subcommands(tree.get_subcommands().cloned())
        .disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut commands, "wsgi-cgi", &mut script);
        let script = String::from_utf8(script)?;
        let script = script
            .replace(":_wsgi-cgi_commands\"", ":{_wsgi-cgi_commands; _files}\"")
            // For bash, it writes a hyphen in two ways.
            .replace("wsgi__subcmd__cgi", "wsgi__cgi");
        let file = folder.join(shell.file_name("wsgi-cgi"));
        fs::write(&file, script).with_context(|| format!("{}", file.display()))?;
    }
    Ok(())
}

/// One page for each command: `wsgi-cgi-warm-stop.1`.
fn write_manual(command: &Command, folder: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let version = concat!("wsgi-cgi ", env!("CARGO_PKG_VERSION"));
    let manual = Man::new(command.clone()).source(version).manual("wsgi-cgi");
    let mut page = Vec::new();
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    if command.has_subcommands() {
        manual.render_subcommands_section(&mut page)?;
    }
    manual.render_options_section(&mut page)?;
    if let Some(details) = command.get_after_help() {
        // Its lines are as they are meant: not filled (roff(7)).
        page.extend_from_slice(b".SH DETAILS\n.nf\n");
        for line in details.to_string().lines() {
            let line = line
                .replace('\\', "\\e")
                .replace('-', "\\-")
                .replace('\'', "\\(aq");
            page.extend_from_slice(format!("\\&{line}\n").as_bytes());
        }
        page.extend_from_slice(b".fi\n");
    }
    let file = folder.join(format!("{name}.1"));
    fs::write(&file, page).with_context(|| format!("{}", file.display()))?;
    for inner in command.get_subcommands() {
        write_manual(inner, folder)?;
    }
    Ok(())
}

/// A section for the command, and one for each below it. `shared` are the options that stand elsewhere already.
fn describe(command: &Command, name: &str, shared: &[&Arg], page: &mut String) -> Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace("       ", "");
    let about = command.get_about().map(ToString::to_string);
    writeln!(
        page,
        "\n## {name}\n{}\n```\n{usage}\n```",
        about.unwrap_or_default()
    )?;
    let is_shown = |argument: &&Arg| {
        let asks = matches!(argument.get_action(), ArgAction::Help | ArgAction::Version);
        !asks && !argument.is_hide_set()
    };
    let (known, own): (Vec<_>, Vec<_>) = command
        .get_arguments()
        .filter(is_shown)
        .partition(|argument| !argument.is_positional() && shared.contains(argument));
    if !own.is_empty() {
        writeln!(page, "| | | variable |\n|---|---|---|")?;
    }
    for argument in &own {
        writeln!(page, "{}", row(argument))?;
    }
    if !known.is_empty() {
        writeln!(page, "\nBesides, the options of `wsgi-cgi` above.")?;
    }
    if let Some(details) = command.get_after_help() {
        writeln!(page, "```text\n{details}\n```")?;
    }
    let options: Vec<_> = own
        .into_iter()
        .filter(|argument| !argument.is_positional())
        .collect();
    for inner in command.get_subcommands() {
        describe(
            inner,
            &format!("{name} {}", inner.get_name()),
            &options,
            page,
        )?;
    }
    Ok(())
}

/// `-X`, `--request METHOD`, what it does, its default, its variable.
fn row(argument: &Arg) -> String {
    let values: Vec<_> = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .unwrap_or_default()
        .iter()
        .map(|name| name.as_str())
        .collect();
    let values = values.join(" ");
    let long =
        argument.get_long().map(
            |name| match (values.as_str(), argument.is_require_equals_set()) {
                ("", _) => format!("--{name}"),
                (values, true) => format!("--{name}[={values}]"),
                (values, false) => format!("--{name} {values}"),
            },
        );
    let short = argument.get_short().map(|letter| format!("-{letter}"));
    let names: Vec<_> = [short, long].into_iter().flatten().collect();
    let name = match names.is_empty() {
        true => values,
        false => names.join(", "),
    };
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let choices: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set() && !argument.is_require_equals_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    let choices = match choices.is_empty() {
        true => String::new(),
        false => format!(" [{}]", choices.join(", ")),
    };
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!(" [default: {}]", value.to_string_lossy()))
        .collect();
    let variable = variable(argument)
        .map(|name| format!("`{name}`"))
        .unwrap_or_default();
    let cells = [
        format!("`{name}`"),
        help + &choices + &defaults.concat(),
        variable,
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|").replace('<', "&lt;"));
    format!("| {} |", cells.join(" | "))
}
