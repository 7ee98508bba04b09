//! Writes docs/errors.md: every error that a person can see, from the one place that words them.

use std::io::Write;

use contract::codes::Code;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "# Errors")?;
    writeln!(
        out,
        "Made by `cargo run -p wsgi-cgi-contract --example errors`; do not edit.\n"
    )?;
    writeln!(
        out,
        "| code | what | what to do | answer | exit status |\n|---|---|---|---|---|"
    )?;
    for entry in Code::all().map(Code::entry) {
        let (what, remedy) = (entry.sentence, entry.remedy.replace('|', "\\|"));
        let exit = entry.outcome.exit_status();
        writeln!(
            out,
            "| {} | {what} | {remedy} | {} | {exit} |",
            entry.code, entry.status
        )?;
    }
    Ok(())
}
