//! OpenFaaS: a stack file, and a Dockerfile for one of its two watchdogs.

use contract::report::Failure;

use super::place::Place;
use super::quote::{WATCHDOG, YAML};
use super::{File, join, steps};
use crate::plan::Warm;

/// Where the image has the application.
const FOLDER: &str = "/home/app";

/// What an image must not hold.
pub const IGNORED: &str = ".*\n**/__pycache__\n**/*.sqlite3\nvenv\n";

/// What is built beside the application.
pub fn stack(place: &Place) -> Result<Vec<File>, Failure> {
    let name = place.label.to_ascii_lowercase().replace('_', "-");
    let url = match place.mount.url.as_str() {
        "" => format!("/function/{name}"),
        url => url.to_owned(),
    };
    let watchdog = watchdog(place.warm);
    let mut lines = steps(
        &format!(
            "OpenFaaS: {} at {url}/ of the gateway",
            place.target.below(&place.folder)
        ),
        &[
            &format!(
                "save stack.yml, Dockerfile and .dockerignore in {}, and copy {} there",
                place.folder, place.program
            ),
            "faas-cli up -f stack.yml --build-arg WATCHDOG=IMAGE",
            &format!(
                "(IMAGE: what OpenFaaS publishes as {watchdog}, with its registry and a version)"
            ),
        ],
    );
    lines.extend([
        "version: 1.0".into(),
        "provider:".into(),
        "  name: openfaas".into(),
        "  gateway: http://127.0.0.1:8080".into(),
        "functions:".into(),
        format!("  {}:", YAML.word(&name)?),
        "    lang: dockerfile".into(),
        "    handler: .".into(),
        "    # Where the cluster takes images from a registry: that, and a slash, before the name."
            .into(),
        format!("    image: {}", YAML.word(&format!("{name}:latest"))?),
        "    environment:".into(),
        "      # Links that the application builds lead through the gateway.".into(),
        format!("      WSGI_CGI_SCRIPT_NAME: {url}"),
        "      write_timeout: 30s".into(),
        "      exec_timeout: 30s".into(),
    ]);
    Ok(vec![
        File::new("stack.yml", join(lines)),
        File::new("Dockerfile", join(image(place)?)),
        File::new(".dockerignore", IGNORED.into()),
    ])
}

/// The image that has the program between OpenFaaS and the application.
fn watchdog(warm: Warm) -> &'static str {
    match warm {
        Warm::Off => "classic-watchdog",
        Warm::Wanted => "of-watchdog",
    }
}

fn image(place: &Place) -> Result<Vec<String>, Failure> {
    let command = place.command_in(FOLDER)?;
    let words = |own: &[&str]| {
        let own = own.iter().map(|word| (*word).to_owned());
        let words: Vec<_> = own.chain(command.iter().cloned()).collect();
        WATCHDOG.words(&words)
    };
    let (about, settings) = match place.warm {
        Warm::Off => (
            "The classic watchdog: one process for each request. It knows the statuses 200 and 500 and one type; with --warm,\n\
             # of-watchdog is used, which carries every status and header.",
            vec![
                format!("ENV fprocess=\"wsgi-cgi watchdog {}\" \\", words(&[])?),
                "    combine_output=\"false\" \\".into(),
                "    content_type=\"text/html; charset=utf-8\"".into(),
            ],
        ),
        Warm::Wanted => (
            "of-watchdog in HTTP mode, in front of warm mode: every status and header passes, and the application is imported\n\
             # once. --debug=false: visitors see an error's code; its traceback is in the function's log.",
            vec![
                "ENV mode=\"http\" \\".into(),
                "    upstream_url=\"http://127.0.0.1:8000\" \\".into(),
                format!(
                    "    fprocess=\"wsgi-cgi serve {}\"",
                    words(&["--debug=false", "--health-path=/_/ready"])?
                ),
            ],
        ),
    };
    let mut lines = vec![
        format!("# {about}"),
        format!(
            "# By --build-arg WATCHDOG=IMAGE: what OpenFaaS publishes as {}, with its registry and a version.",
            watchdog(place.warm)
        ),
        "ARG WATCHDOG".into(),
        "FROM ${WATCHDOG} AS watchdog".into(),
        String::new(),
        "FROM python:3.13-slim".into(),
        "COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog".into(),
        "COPY wsgi-cgi /usr/local/bin/wsgi-cgi".into(),
        format!("WORKDIR {FOLDER}"),
    ];
    lines.extend(super::lambda::packages(place));
    lines.extend(["COPY . .".to_owned(), "USER nobody".into()]);
    lines.extend(settings);
    lines.extend([
        "HEALTHCHECK --interval=3s CMD [ -e /tmp/.lock ] || exit 1".into(),
        "CMD [\"fwatchdog\"]".into(),
    ]);
    Ok(lines)
}
