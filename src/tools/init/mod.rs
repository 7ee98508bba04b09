//! `wsgi-cgi init`: an application's folder gets what a web server needs to run it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{Failure, printable, printable_line};

use crate::cli::{self, Refusal};
use crate::doors::{here, refuse};
use crate::plan::config::{Consent, Existing, InitPlan, Server};
use crate::terminal::Manners;
use crate::tools::config::place::{Place, Requirements};
use crate::tools::config::quote::SHELL;
use crate::tools::config::write::{Standing, become_owner, print, put, shown, standing};
use crate::tools::config::{self, File};

/// Folders that web servers show, by their usual names.
const SHOWN: [&str; 5] = ["public_html", "htdocs", "www", "html", "httpdocs"];

/// `arguments` stand behind `init`.
pub fn run(arguments: &[OsString]) -> Outcome {
    let done = here().map_err(Refusal::from).and_then(|here| {
        let plan = cli::parse_init(arguments, &here)?;
        Ok(begin(plan, &here)?)
    });
    match done {
        Ok(outcome) => outcome,
        Err(refusal) => refuse(refusal),
    }
}

/// A file to be written, and what stands in its place.
struct Step<'f> {
    path: PathBuf,
    file: &'f File,
    standing: Standing,
}

fn begin(mut plan: InitPlan, here: &Path) -> Result<Outcome, Failure> {
    let folder = fs::canonicalize(&plan.asked.application)
        .map_err(|error| failure(Path::new(&plan.asked.application), &error.to_string()))?;
    become_owner(&folder)?;
    let is_guessed = plan.server == Server::Htaccess && !plan.has_url;
    if is_guessed {
        plan.mount.url = url_of(&folder);
    }
    let place = Place::find(&plan.asked, &plan.mount, here)?;
    let files = config::files(plan.server, &place)?;
    let steps: Vec<_> = files
        .iter()
        .map(|file| {
            let path = folder.join(&file.path);
            let standing = standing(&path, file);
            Step {
                path,
                file,
                standing,
            }
        })
        .collect();
    say(&about(&place, &plan, is_guessed));
    if steps.iter().all(|step| step.standing == Standing::Same) {
        print("Nothing to do: every file is there, as it should be.\n");
        say(&next(&place, plan.server));
        return Ok(Outcome::Complete);
    }
    let in_the_way = steps.iter().find(|step| step.standing == Standing::Other);
    if let Some(step) = in_the_way.filter(|_| plan.existing == Existing::Kept) {
        let reason = format!(
            "another one is there; --force replaces it, and keeps it as {}",
            backup(&step.path).display()
        );
        return Err(failure(&step.path, &reason));
    }
    if !is_agreed(&plan, &steps)? {
        return Ok(Outcome::BadUsage);
    }
    for step in &steps {
        write(step)?;
    }
    say(&next(&place, plan.server));
    Ok(Outcome::Complete)
}

/// Names of a folder's files may hold anything.
fn say(text: &str) {
    print(&printable(text));
}

fn failure(path: &Path, reason: &str) -> Failure {
    Failure::new(
        Code::CANNOT_CONFIGURE,
        format!("{}: {reason}", path.display()),
    )
}

/// What was found.
fn about(place: &Place, plan: &InitPlan, is_guessed: bool) -> String {
    let mut text = format!("application  {}\n", place.target.below(&place.folder));
    let python = place
        .python
        .as_deref()
        .unwrap_or("the one found when a request comes");
    text.push_str(&format!(
        "Python       {python}\nserver       {}\n",
        config::name(plan.server)
    ));
    let guessed = match is_guessed {
        true => "   (as far as the folder's place tells; --url /PREFIX says otherwise)",
        false => "",
    };
    text.push_str(&format!("address      {}/{guessed}\n\n", place.mount.url));
    text
}

/// Whether the files are to be written; says what they are.
fn is_agreed(plan: &InitPlan, steps: &[Step]) -> Result<bool, Failure> {
    let manners = Manners::of_output();
    let mut text = String::new();
    for step in steps {
        let name = |path: &Path| printable_line(&path.display().to_string());
        let path = manners.bold(&name(&step.path));
        text.push_str(&match step.standing {
            Standing::Same => format!("as it should be  {path}\n"),
            Standing::Free => format!("to be written    {path}\n"),
            Standing::Other => format!(
                "to be replaced   {path}   (kept as {})\n",
                name(&backup(&step.path))
            ),
        });
    }
    if plan.consent == Consent::Given {
        return Ok(true);
    }
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let wanted = steps.iter().filter(|step| step.standing != Standing::Same);
    let wanted: Vec<_> = wanted.map(|step| step.file.clone()).collect();
    if !is_terminal {
        print(&text);
        print("Nothing was written: nobody can be asked here. --yes writes these files.\n");
        return Ok(false);
    }
    print(&format!("{}\n{text}Write this? [y/N] ", shown(&wanted)));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(Code::SYSTEM, error.to_string()))?;
    let is_agreed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !is_agreed {
        print("Nothing was written.\n");
    }
    Ok(is_agreed)
}

fn write(step: &Step) -> Result<(), Failure> {
    let path = step.path.display();
    let cannot = |error: io::Error| failure(&step.path, &error.to_string());
    match step.standing {
        Standing::Same => {
            say(&format!("as it should be: {path}\n"));
            return Ok(());
        }
        Standing::Free => put(&step.path, step.file).map_err(cannot)?,
        Standing::Other => {
            let backup = backup(&step.path);
            fs::rename(&step.path, &backup).map_err(cannot)?;
            put(&step.path, step.file).map_err(cannot)?;
            say(&format!("replaced: {path}, kept as {}\n", backup.display()));
            return Ok(());
        }
    }
    say(&format!("written: {path}\n"));
    Ok(())
}

/// A name for what was there: `.bak`, or the next number that is free.
fn backup(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(".bak");
        if number > 1 {
            name.push(number.to_string());
        }
        PathBuf::from(name)
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    (1..u32::MAX)
        .map(name)
        .find(is_free)
        .unwrap_or_else(|| name(u32::MAX))
}

/// What is to be done now.
fn next(place: &Place, server: Server) -> String {
    let word = |text: &str| SHELL.word(text).unwrap_or_else(|_| text.to_owned());
    let folder = word(&place.folder);
    let install = match place.requirements.filter(|_| !place.has_virtualenv) {
        Some(Requirements::List) => Some(format!("-r {folder}/requirements.txt")),
        Some(Requirements::Project) => Some(folder.clone()),
        None => None,
    };
    let mut text = String::from("\nNext:\n");
    if let Some(install) = install {
        text.push_str(&format!(
            "  python3 -m venv {folder}/.venv   (its packages are listed, and it has no virtualenv)\n  \
             {folder}/.venv/bin/pip install {install}\n"
        ));
    }
    // The script is what the server starts; it leads to the application.
    let checked = match Path::new(&place.script).is_file() {
        true => word(&place.script),
        false => word(&place.target.below(&place.folder)),
    };
    text.push_str(&format!("  {} check {checked}\n", word(&place.program)));
    if server != Server::Htaccess {
        text.push_str("  take the steps that stand on top of the configuration\n");
    }
    text.push_str(&format!("  look at {}\n", place.address()));
    text
}

/// The address of a folder among a web server's: what is below `public_html` or its like.
fn url_of(folder: &Path) -> String {
    let names: Vec<_> = folder.iter().map(|name| name.to_string_lossy()).collect();
    let root = names
        .iter()
        .rposition(|name| SHOWN.contains(&name.as_ref()));
    let below = root
        .and_then(|root| names.get(root + 1..))
        .unwrap_or_default();
    let url: String = below.iter().map(|name| format!("/{name}")).collect();
    match cli::is_url_path(&url) {
        true => url,
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_is_below_the_folder_that_is_shown() {
        for (folder, url) in [
            ("/home/me/public_html/shop", "/shop"),
            ("/home/me/public_html", ""),
            ("/var/www/html/a/b", "/a/b"),
            ("/srv/flask", ""),
            ("/var/www/a b", ""),
        ] {
            assert_eq!(url_of(Path::new(folder)), url, "{folder}");
        }
    }
}
