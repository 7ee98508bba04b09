//! A script that is none of ours, under limits: they are set here, then this process becomes the script.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use contract::codes::Code;
use contract::handover::{Detail, ResponseForm};
use contract::outcome::Outcome;
use contract::report::{self, Asked, Failure};

use crate::cgi::meta_variables::SERVE_CHILD;
use crate::cli::{self, Refusal};
use crate::plan::Settings;
use crate::runner::limits;

/// The arguments are `serve`'s: the limits, and the script. Returns only if it cannot be started.
pub fn run(arguments: &[OsString]) -> Outcome {
    let failure = match become_script(arguments) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let asked = Asked {
        variables: &[],
        form: ResponseForm::Cgi,
        detail: Detail::Hidden,
    };
    report::tell(&failure, "", None);
    let _ = io::stdout().write_all(&report::response(&failure, &asked));
    failure.code.entry().outcome
}

fn become_script(arguments: &[OsString]) -> Result<std::convert::Infallible, Failure> {
    let cannot_start = |error: io::Error| Failure::new(Code::CANNOT_START, error.to_string());
    let typed = cli::parse(arguments).map_err(|refusal| match refusal {
        Refusal::Wrong(failure) => failure,
        Refusal::Answered(_) => Failure::new(Code::NO_APPLICATION, ""),
    })?;
    let Some(script) = typed.application.clone() else {
        return Err(Failure::new(Code::NO_APPLICATION, ""));
    };
    let mut settings = Settings::default();
    typed.apply(&mut settings, "/".as_ref());
    limits::set(settings.limits).map_err(cannot_start)?;
    let error = Command::new(script).env_remove(SERVE_CHILD).exec();
    Err(cannot_start(error))
}
