//! Small checks that keep the documents and the habits true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::support::run::Run;
use crate::support::{PROGRAM, output};

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(house().join(name)).unwrap()
}

/// All files below a folder with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings
            .iter()
            .any(|ending| path.extension() == Some(ending.as_ref()))
        {
            found.push(path);
        }
    }
}

#[test]
fn the_page_of_errors_is_made_from_the_codes() {
    let made = output(Command::new(PROGRAM).args(["explain", "--markdown"]));
    assert!(
        String::from_utf8(made).unwrap() == read("docs/errors.md"),
        "docs/errors.md is out of date"
    );
}

/// By `make pages`. Each command that has a command line has a section, and a page with all options of its help.
#[test]
fn the_reference_and_the_man_pages_are_made_from_the_command_line() {
    let pages = &packages::built().pages;
    let reference = fs::read_to_string(pages.join("reference.md")).unwrap();
    assert!(
        reference == read("docs/reference.md"),
        "docs/reference.md is out of date: make pages"
    );
    let main = read("src/main.rs");
    let names = main.split("Some((Some(\"").skip(1);
    let names = names.map(|rest| rest.split('"').next().unwrap());
    let mut count = 0;
    for name in std::iter::once("").chain(names.filter(|name| *name != "pages")) {
        let done = Run::by_hand(&[name, "--help"][usize::from(name.is_empty())..]).done();
        let help = String::from_utf8(done.out).unwrap();
        let Some((_, options)) = help.split_once("\nOptions:\n") else {
            continue;
        };
        let page = format!("man/wsgi-cgi-{name}.1").replace("-.1", ".1");
        let page =
            fs::read_to_string(pages.join(&page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(
            reference.contains(format!("\n## wsgi-cgi {name}").trim_end()),
            "{name}"
        );
        let options = options
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with('-'));
        for option in options.filter_map(|line| line.split_once("--").map(|(_, rest)| rest)) {
            let option = option.split(['[', '=', ' ', ',', '<']).next().unwrap();
            let written = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&written), "--{option} of {name:?}");
            count += 1;
        }
    }
    assert!(count >= 100, "{count}");
}

#[test]
fn help_fits_a_terminal_of_eighty_columns() {
    let main = read("src/main.rs");
    let names = main.split("Some((Some(\"").skip(1);
    let names = names.map(|rest| rest.split('"').next().unwrap());
    for name in std::iter::once("").chain(names.filter(|name| *name != "pages")) {
        let done = Run::by_hand(&[name, "--help"][usize::from(name.is_empty())..])
            .variable("COLUMNS", "80")
            .done();
        let help = String::from_utf8(done.out).unwrap();
        assert!(help.contains("--help"), "{name}: {help}");
        // Words are broken by nobody; what is meant as it stands is not broken either.
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

/// Of the commands that have variables. Some options are typed only.
#[test]
fn every_option_stands_in_the_page_of_variables() {
    const TYPED_ONLY: [&str; 4] = ["help", "version", "env", ""];
    let page = read("docs/variables.md");
    let mut count = 0;
    for command in [&[][..], &["serve"], &["inetd"], &["lambda"]] {
        let words = [command, &["--help"]].concat();
        let help = String::from_utf8(Run::by_hand(&words).done().out).unwrap();
        let options = help.split("Options:").nth(1).unwrap().lines();
        let options = options
            .map(str::trim_start)
            .filter(|line| line.starts_with('-'));
        let names = options.filter_map(|line| line.split_once("--").map(|(_, rest)| rest));
        let names = names.map(|name| name.split(['[', '=', ' ', ',', ')', '<']).next().unwrap());
        for name in names.filter(|name| !TYPED_ONLY.contains(name)) {
            let variable = format!("WSGI_CGI_{}", name.to_uppercase().replace('-', "_"));
            assert!(
                page.contains(&variable),
                "{variable} is missing in docs/variables.md ({command:?})"
            );
            count += 1;
        }
    }
    assert!(count >= 40, "{count}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut pages = vec![house().join("README.md")];
    files(&house().join("docs"), &["md"], &mut pages);
    for page in pages {
        for link in fs::read_to_string(&page).unwrap().split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let leads = target.exists()
                && (heading.is_empty() || headings(&target).contains(&heading.to_owned()));
            assert!(leads, "{}: {link}", page.display());
        }
    }
}

/// The addresses of a page's headings, as mdBook makes them.
fn headings(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let address = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .map(|char| if char == ' ' { '-' } else { char });
        kept.filter(|char| char.is_alphanumeric() || "-_".contains(*char))
            .collect()
    };
    lines.map(address).collect()
}

#[test]
fn every_page_stands_in_the_book() {
    let summary = read("docs/SUMMARY.md");
    let mut pages = Vec::new();
    files(&house().join("docs"), &["md"], &mut pages);
    for page in pages {
        let name = page.strip_prefix(house().join("docs")).unwrap();
        let name = name.display().to_string();
        let stands = name == "SUMMARY.md" || summary.contains(&format!("]({name})"));
        assert!(stands, "{name} is not in docs/SUMMARY.md");
    }
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let mut sources = Vec::new();
    for folder in [
        "src",
        "engine/src",
        "contract/src",
        "gateway",
        "process/src",
        "tests",
    ] {
        files(&house().join(folder), &["rs"], &mut sources);
    }
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        assert!(text.starts_with("//!"), "{} has no sign", source.display());
    }
}

/// The map in CONTRIBUTING.md: no Python in the front, no HTTP and no command line in the engine.
#[test]
fn the_halves_keep_to_themselves() {
    assert!(!read("contract/Cargo.toml").contains("pyo3"));
    let front = read("Cargo.toml");
    let dependencies = front.split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.contains("pyo3"), "the front links Python");
    let gateway = read("gateway/Cargo.toml");
    for name in ["pyo3", "clap", "anyhow", "contract"] {
        assert!(!gateway.contains(name), "the gateway has {name}");
    }
    let engine = read("engine/Cargo.toml");
    for name in ["clap", "httparse", "anyhow"] {
        assert!(!engine.contains(name), "the engine has {name}");
    }
}
