//! Whatever an application was made of: the next request shows its change.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use super::{Site, by_worker, is_warm, telling};
use crate::support::python;

/// What is done to a site, and its name.
type Change = (&'static str, fn(&Site));

/// Tells a value that stands in four places: its own text, a module, a settings file, a folder behind a link.
const APPLICATION: &str = "
import json, os, pathlib
import helper
from package import part
here = pathlib.Path(__file__).parent
settings = json.loads((here / 'settings.json').read_text())
try:
    env = open(here / '.env').read()
except FileNotFoundError:
    env = 'none'
try:
    import local_settings
    local = local_settings.VALUE
except ImportError:
    local = 'none'
current = open(here / 'current' / 'data').read()
OWN = 'old'
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    text = ' '.join([OWN, helper.VALUE, part.VALUE, settings['value'], env, local, current])
    return [text.encode()]
";

fn site() -> Site {
    let site = Site::with(APPLICATION);
    for folder in ["package", "one", "two"] {
        fs::create_dir(site.path(folder)).unwrap();
    }
    for (name, text) in [
        ("helper.py", "VALUE = 'old'\n"),
        ("package/__init__.py", ""),
        ("package/part.py", "VALUE = 'old'\n"),
        ("settings.json", "{\"value\": \"old\"}"),
        ("one/data", "old"),
        ("two/data", "new"),
    ] {
        site.write(name, text);
    }
    symlink("one", site.path("current")).unwrap();
    site
}

/// Writes a file again, with a text of the same length and a time of long ago.
fn backdate(site: &Site, name: &str) {
    let text = fs::read_to_string(site.path(name)).unwrap();
    site.write(name, &text.replace("old", "new"));
    let file = File::options().append(true).open(site.path(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(86_400 * 365))
        .unwrap();
}

#[test]
fn every_change_shows_at_the_next_request() {
    let changes: [Change; 10] = [
        ("the application", |site| {
            site.write("app.py", &APPLICATION.replace("'old'", "'new'"));
        }),
        ("the application, backdated", |site| {
            backdate(site, "app.py")
        }),
        ("a module", |site| {
            site.write("helper.py", "VALUE = 'new'\n")
        }),
        ("a module, backdated", |site| backdate(site, "helper.py")),
        ("a package, replaced as a whole", |site| {
            fs::create_dir(site.path("fresh")).unwrap();
            site.write("fresh/__init__.py", "");
            site.write("fresh/part.py", "VALUE = 'new'\n");
            fs::rename(site.path("package"), site.path("package.old")).unwrap();
            fs::rename(site.path("fresh"), site.path("package")).unwrap();
        }),
        ("settings", |site| {
            site.write("settings.json", "{\"value\": \"new\"}")
        }),
        ("settings, replaced", |site| {
            site.write("settings.new", "{\"value\": \"new\"}");
            fs::rename(site.path("settings.new"), site.path("settings.json")).unwrap();
        }),
        (".env that was not there", |site| site.write(".env", "new")),
        ("a module that was not there", |site| {
            site.write("local_settings.py", "VALUE = 'new'\n");
        }),
        ("a link to a release", |site| {
            symlink("two", site.path("next")).unwrap();
            fs::rename(site.path("next"), site.path("current")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let site = site();
        site.start();
        let before = site.warm();
        assert_eq!(before, "old old old old none none old", "{what}");
        change(&site);
        let after = site.get();
        assert!(after.response().text().contains("new"), "{what}: {after}");
        // And what is imported then is warm again, as soon as it can be.
        site.start();
        assert!(site.warm().contains("new"), "{what}");
    }
}

#[test]
fn a_hundred_edits_never_show_an_old_answer() {
    let text = |number: usize| telling(&format!("'{number:03}'"));
    let site = Site::with(&text(0));
    let mut warm = 0;
    for number in 1..=100 {
        site.write("app.py", &text(number));
        for _ in 0..3 {
            let done = site.get();
            assert_eq!(done.response().text(), format!("{number:03}"), "{done}");
            warm += usize::from(is_warm(&done));
        }
        // Now and then a zygote has the time to come up before the next edit.
        if number % 10 == 0 {
            site.start();
            assert_eq!(site.warm(), format!("{number:03}"));
        }
    }
    eprintln!("{warm} of 300 were warm");
}

#[test]
fn what_an_application_writes_beside_itself_is_no_change() {
    let site = Site::with(&telling(
        "[open('app.log', 'a').write('x'), open('db.sqlite3-journal', 'w').close(), os.remove('db.sqlite3-journal')]",
    ));
    site.start();
    let zygotes = site.zygotes();
    for _ in 0..5 {
        site.warm();
    }
    assert_eq!(site.zygotes(), zygotes);
}

#[test]
fn another_virtualenv_is_another_application() {
    let site = Site::with(&telling("only_here.VALUE").replace("import os", "import only_here, os"));
    let make = |name: &str, value: &str| {
        let interpreter = python::virtualenv(&python::default(), &site.path(name));
        let library = interpreter.ancestors().nth(2).unwrap().join("lib");
        let version = fs::read_dir(library).unwrap().flatten().next().unwrap();
        let module = version.path().join("site-packages/only_here.py");
        fs::write(module, format!("VALUE = '{value}'\n")).unwrap();
    };
    make(".venv", "first");
    let request = site.request().without("WSGI_CGI_PYTHON");
    site.start_for(&request);
    let done = by_worker(&request);
    assert_eq!(done.response().text(), "first");
    fs::rename(site.path(".venv"), site.path("gone")).unwrap();
    make(".venv", "other");
    assert_eq!(request.done().response().text(), "other");
}
