//! What importing the application does, and how long it takes.

use std::io;
use std::path::Path;

use contract::codes::Code;
use contract::outcome::Outcome;
use serde_json::Value;

use super::catalogue::Kind;
use super::child::{Answer, Around, Failed, Place, ask};
use super::packages::installing;
use super::report::{Report, quoted};
use super::subject::Subject;
use crate::doors::request::asked::Request;
use crate::doors::request::timing::Import;

/// Imports that are shown.
const SHOWN: usize = 10;

/// Lines of a traceback.
const LINES: usize = 12;

/// What takes longer is told, in seconds.
const SLOW: f64 = 1.0;

/// Modules whose packages have another name. Somebody else may have taken theirs.
const PACKAGES: [(&str, &str); 20] = [
    ("Crypto", "pycryptodome"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "Pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("cgi", "legacy-cgi"),
    ("cgitb", "legacy-cgi"),
    ("corsheaders", "django-cors-headers"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("environ", "django-environ"),
    ("fitz", "PyMuPDF"),
    ("jwt", "PyJWT"),
    ("ldap", "python-ldap"),
    ("rest_framework", "djangorestframework"),
    ("sklearn", "scikit-learn"),
    ("web", "web.py"),
    ("yaml", "PyYAML"),
];

/// How the first request has shown the import.
pub enum Imported {
    /// Others may follow.
    Well,
    /// No request would be answered; the outcome says whether something was not found.
    Not(Outcome),
}

/// Judges the import by the first request, which was observed.
pub fn check(
    subject: &Subject,
    request: &Request,
    answer: &Answer,
    report: &mut Report,
) -> io::Result<Imported> {
    report.begin("Import");
    if answer.is_late {
        never_ends(subject, answer, "GET /", report);
        return Ok(Imported::Not(Outcome::TimedOut));
    }
    if let Some(failed) = answer
        .failure
        .as_ref()
        .filter(|failed| is_of_import(failed))
    {
        not_loaded(subject, failed, report);
        if subject.plan.server.is_some() {
            let shell = ask(subject, request, Around::Nothing, Place::Shell)?;
            if shell.failure.is_none_or(|failed| !is_of_import(&failed)) {
                let command = format!("wsgi-cgi check {}", quoted(&subject.application));
                report.add(Kind::ENVIRONMENT_DIFFERS, "").mend(command);
            }
        }
        return Ok(Imported::Not(failed.code.entry().outcome));
    }
    if answer.status == 0 && answer.failure.is_none() {
        let hit = report.add(Kind::IMPORT_FAILED, "there was no response");
        hit.detail(last(&answer.said));
        return Ok(Imported::Not(Outcome::ApplicationFailed));
    }
    if let Some(told) = &answer.report {
        observed(subject, told, &answer.imports, report);
    }
    Ok(Imported::Well)
}

fn is_of_import(failed: &Failed) -> bool {
    (Code::NO_SUCH_FILE.entry().code..Code::RAISED.entry().code).contains(&failed.code.entry().code)
}

fn not_loaded(subject: &Subject, failed: &Failed, report: &mut Report) {
    let entry = failed.code.entry();
    let kind = match failed.code {
        Code::EXIT_AT_IMPORT => Kind::ENDS_AT_IMPORT,
        _ => Kind::IMPORT_FAILED,
    };
    let what = format!("{} {}: {}", entry.code, entry.sentence, failed.reason);
    let package = match failed.code {
        Code::PACKAGE_MISSING => package_of(&failed.reason, &subject.folder),
        _ => None,
    };
    let remedy = package.and_then(|package| installing(subject, package));
    report
        .add(kind, what)
        .mend(remedy.unwrap_or_else(|| entry.remedy.to_owned()))
        .detail(last(&failed.detail));
}

/// The package to install for `No module named 'flask.views'`; none for a module of the application's own.
fn package_of<'a>(reason: &'a str, folder: &Path) -> Option<&'a str> {
    let name = reason.split('\'').nth(1)?;
    let name = name.split('.').next().unwrap_or(name);
    // A path in the exception's text is no module.
    if name.is_empty()
        || !name
            .chars()
            .all(|char| char.is_alphanumeric() || char == '_')
    {
        return None;
    }
    if folder.join(name).exists() || folder.join(format!("{name}.py")).exists() {
        return None;
    }
    let other = PACKAGES.iter().find(|(module, _)| *module == name);
    Some(other.map_or(name, |(_, package)| package))
}

/// The last lines of a traceback tell most; those that only point at the one above are left out.
pub fn last(lines: &[String]) -> Vec<String> {
    let points = |line: &String| line.chars().all(|char| " ^~".contains(char));
    let lines = lines.iter().rev().filter(|line| !points(line));
    let mut last: Vec<_> = lines.take(LINES).cloned().collect();
    last.reverse();
    last
}

/// A request that was ended.
pub fn never_ends(subject: &Subject, answer: &Answer, request: &str, report: &mut Report) {
    let stack = answer.failure.iter().flat_map(|failed| &failed.detail);
    let is_ours = |line: &str| {
        ["\"checking.py\"", "\"<string>\""]
            .iter()
            .any(|own| line.contains(own))
    };
    let stack = stack.filter(|line| line.contains("File \"") && !is_ours(line));
    let limit = subject.plan.limit.as_secs_f64();
    let hit = report.add(
        Kind::NEVER_ENDS,
        format!("{request} was ended after {limit} s"),
    );
    hit.at(request).detail(stack.take(LINES));
}

fn observed(subject: &Subject, told: &Value, imports: &[Import], report: &mut Report) {
    let texts = |name: &str| {
        let list = told[name].as_array().cloned().unwrap_or_default();
        list.into_iter()
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    for (stream, kind) in [("stdout", Kind::PRINTS), ("stderr", Kind::WRITES_TO_STDERR)] {
        let printed = told["printed"].as_array().into_iter().flatten();
        let lines: Vec<_> = printed
            .filter(|printed| printed["stream"] == stream)
            .map(|printed| {
                let part = |name: &str| printed[name].as_str().unwrap_or_default();
                (part("place"), part("text"))
            })
            .collect();
        if let Some((place, text)) = lines.first() {
            let what = format!("{place}: {text:?}");
            report.add(kind, what).at(place);
        }
    }
    let objections = texts("objections");
    if !objections.is_empty() {
        let what = objections.join("; ");
        report.add(Kind::CANNOT_BE_WARMED, what);
    }
    let children = texts("children");
    if !children.is_empty() {
        let what = children.join(", ");
        report.add(Kind::STARTS_PROCESSES, what);
    }
    let seconds = told["seconds"].as_f64().unwrap_or_default();
    report.fact("import_ms", (seconds * 1000.0).round() as u64);
    let tree = tree(imports);
    if seconds > SLOW {
        let command = format!("wsgi-cgi warm start {}", quoted(&subject.application));
        report
            .add(Kind::SLOW_IMPORT, format!("it took {seconds:.1} s"))
            .mend_path(subject.judged(&subject.folder), command)
            .detail(tree);
    } else {
        for line in tree {
            report.note(line);
        }
    }
}

/// The most expensive imports, each below the one that needs it. Python tells them in the order in which they
/// end: read from the last, each stands before what it imports.
fn tree(imports: &[Import]) -> Vec<String> {
    let mut costs: Vec<_> = imports.iter().map(|import| import.own).collect();
    costs.sort_unstable_by(|a, b| b.cmp(a));
    let least = costs.get(SHOWN - 1).copied().unwrap_or(0);
    let mut lines = Vec::new();
    let mut above: Vec<usize> = Vec::new();
    for import in imports.iter().rev() {
        above.retain(|depth| *depth < import.depth);
        if import.own < least || lines.len() == SHOWN {
            continue;
        }
        let milliseconds = |micros: u64| micros as f64 / 1000.0;
        lines.push(format!(
            "{:>8.1} {:>8.1}  {}{}",
            milliseconds(import.own),
            milliseconds(import.cumulative),
            "  ".repeat(above.len()),
            import.name
        ));
        above.push(import.depth);
    }
    if !lines.is_empty() {
        lines.insert(
            0,
            "ms alone   in all  the most expensive imports".to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_a_module_is_what_pip_calls_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.py"), "").unwrap();
        let package = |module: &str| {
            let reason = format!("ModuleNotFoundError: No module named '{module}'");
            package_of(&reason, folder.path()).map(str::to_owned)
        };
        assert_eq!(package("flask.views").as_deref(), Some("flask"));
        assert_eq!(package("yaml").as_deref(), Some("PyYAML"));
        assert_eq!(package("own.part"), None);
        for name in ["--index-url=http://x", "git+https://x/y", "/etc/x", ""] {
            assert_eq!(package(name), None, "{name}");
        }
    }

    #[test]
    fn the_tree_shows_who_needs_what() {
        let import = |name: &str, depth, own, cumulative| Import {
            own,
            cumulative,
            name: name.to_owned(),
            depth,
        };
        let mut imports = vec![
            import("deep", 2, 9000, 9000),
            import("middle", 1, 5, 9005),
            import("top", 0, 5000, 14005),
        ];
        imports.extend((0..20).map(|_| import("small", 0, 100, 100)));
        let lines = tree(&imports);
        assert_eq!(lines.len(), 1 + SHOWN);
        let last = &lines[lines.len() - 1];
        assert!(last.ends_with("small"), "{last}");
        let imports: Vec<_> = imports.into_iter().take(3).collect();
        let lines = tree(&imports);
        assert_eq!(lines[1], "     5.0     14.0  top");
        assert_eq!(lines[3], "     9.0      9.0      deep");
    }
}
