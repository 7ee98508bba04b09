//! `wsgi-cgi check --as-cgi`: the web server's user and its bare environment.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::checked::{Folder, Found, GOOD, mode};
use crate::support::{PROGRAM, copy_program, output, until};

/// Debian's.
const USER: &str = "www-data";

/// It tells as whom it runs, with which variables, and where.
const TELLING: &str = "\
import os
wanted = open('wanted').read() if os.path.exists('wanted') else None
state = f'{os.getuid()} {os.getgroups()} {sorted(set(os.environ) & {\"HOME\", \"LANG\", \"PATH\", \"SECRET\"})}'
if state != wanted:
    raise RuntimeError(state)
";

/// A folder with a copy of the program where everybody reaches it: a checkout may lie in somebody's home.
fn folder(application: &str) -> Option<Folder> {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(|| {
        let folder = Folder::with(&[("app.py", &format!("{application}{GOOD}"))]);
        fs::create_dir(folder.path("bin")).unwrap();
        copy_program(PROGRAM.as_ref(), &folder.path("bin/wsgi-cgi"));
        mode(&folder.path("bin/wsgi-cgi"), 0o755);
        folder
    })
}

fn check(folder: &Folder, words: &[&str]) -> Found {
    let run = folder.run(&[words, &["app.py"]].concat());
    let run = run
        .variable("HOME", "/root")
        .variable("SECRET", "x")
        .variable("LANG", "C.UTF-8");
    Found::by(&run.program(folder.path("bin/wsgi-cgi")))
}

#[test]
fn a_request_runs_as_the_web_servers_user_in_its_environment() {
    let Some(folder) = folder(TELLING) else {
        return;
    };
    for (words, state) in [
        (&["--as-cgi"][..], "33 [33] ['PATH']"),
        (&["--as-cgi=lighttpd"], "33 [33] []"),
        (
            &["--as-cgi=lighttpd", "--user", "nobody"],
            "65534 [65534] []",
        ),
    ] {
        folder.write("wanted", state, 0o644);
        check(&folder, words).is(&[]).exits(0);
    }
    // As root's owner, suexec would run nothing.
    for name in ["", "app.py"] {
        chown(folder.path(name), Some(4321), Some(4321)).unwrap();
    }
    folder.write("wanted", "4321 [4321] ['PATH']", 0o644);
    mode(&folder.path("app.py"), 0o755);
    check(&folder, &["--as-cgi=suexec"]).is(&[]);
}

/// Its owner can rename root's file, put modules beside it, and choose what a link leads to.
#[test]
fn nothing_in_a_folder_of_somebody_else_runs_as_root() {
    let Some(folder) = folder(TELLING) else {
        return;
    };
    folder.write("wanted", "4321 [4321] ['LANG', 'PATH']", 0o644);
    chown(folder.path(""), Some(4321), Some(4321)).unwrap();
    check(&folder, &[]).is(&[]).fact("user", "4321");
    folder.write("wanted", "4321 [4321] ['PATH']", 0o644);
    // Suexec refuses such a script.
    check(&folder, &["--as-cgi=suexec"]).is(&["WC125", "WC126"]);
    folder.write("wanted", "4321 [4321] ['LANG', 'PATH']", 0o644);
    chown(folder.path(""), Some(0), Some(0)).unwrap();
    fs::rename(folder.path("app.py"), folder.path("other.py")).unwrap();
    symlink("other.py", folder.path("app.py")).unwrap();
    lchown(folder.path("app.py"), Some(4321), Some(4321)).unwrap();
    check(&folder, &[]).is(&[]).fact("user", "4321");
}

#[test]
fn what_the_web_servers_user_cannot_read_is_named() {
    let Some(folder) = folder("import lib.helper\n") else {
        return;
    };
    folder.write("lib/helper.py", "", 0o644);
    let name = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    check(&folder, &["--as-cgi"]).is(&[]).fact("user", USER);
    mode(&folder.path("lib/helper.py"), 0o600);
    check(&folder, &["--as-cgi"])
        .is(&["WC120", "WC150"])
        .tells(&name("lib/helper.py"));
    check(&folder, &["--as-cgi", "--no-run"]).mend();
    mode(&folder.path("lib"), 0o700);
    check(&folder, &["--as-cgi"])
        .is(&["WC120", "WC150"])
        .tells(&name("lib"));
    check(&folder, &["--as-cgi", "--no-run"]).mend();
    mode(&folder.path("app.py"), 0o600);
    check(&folder, &["--as-cgi"]).tells(&format!("chmod o+r {}", name("app.py")));
    mode(&folder.path("app.py"), 0o644);
    // A folder above it.
    mode(&folder.path(""), 0o700);
    let found = check(&folder, &["--as-cgi"]).is(&["WC120"]).exits(1);
    found.tells(&format!(
        "chmod o+rx {}",
        folder.path("").to_str().unwrap().trim_end_matches('/')
    ));
    // Its group may be the server's.
    chown(folder.path(""), None, Some(33)).unwrap();
    mode(&folder.path(""), 0o750);
    check(&folder, &["--as-cgi"]).is(&[]);
}

/// Of another user's: it is not to type into the terminal of who runs `check`, above all not into root's.
#[test]
fn what_is_checked_has_no_terminal() {
    let text = "\
import os
for number in range(3):
    if os.isatty(number):
        raise RuntimeError(f'{number} is a terminal')
try:
    os.open('/dev/tty', os.O_RDWR)
except OSError:
    pass
else:
    raise RuntimeError('there is a terminal')
";
    let folder = Folder::with(&[("app.py", &format!("{text}{GOOD}"))]);
    let program = folder.path("wsgi-cgi");
    copy_program(PROGRAM.as_ref(), &program);
    mode(&program, 0o755);
    let is_root = rustix::process::geteuid().is_root();
    for (words, is_possible) in [
        ("", true),
        ("--as-cgi", is_root),
        ("--user nobody", is_root),
    ] {
        if !is_possible {
            continue;
        }
        let command = format!("{} check {words} app.py", program.display());
        let done = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(folder.path(""))
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{words}: {text}");
        assert!(text.contains("without a finding"), "{words}: {text}");
    }
}

/// They are in no group of the terminal's that Ctrl-C reaches.
#[test]
fn the_end_of_check_ends_what_it_started() {
    let text = "\
import os, time
with open('new', 'w') as file:
    file.write(str(os.getpid()))
os.rename('new', 'pid')
time.sleep(600)
";
    let folder = Folder::with(&[("app.py", text)]);
    let mut check = Command::new(PROGRAM)
        .args(["check", "app.py"])
        .current_dir(folder.path(""))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the import to begin", || folder.path("pid").exists());
    let pid = fs::read_to_string(folder.path("pid")).unwrap();
    kill_process(Pid::from_child(&check), Signal::INT).unwrap();
    check.wait().unwrap();
    until("the application's process to end", || {
        // Without its name, it is a zombie that nobody has waited for.
        fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty())
    });
}

#[test]
fn as_root_nothing_of_another_owner_runs_as_root() {
    let Some(folder) = folder(TELLING) else {
        return;
    };
    // The interpreter, too, which is asked for its packages.
    let python = folder.path(".venv/bin/python");
    crate::support::python::virtualenv(&crate::support::python::default(), &folder.path(".venv"));
    fs::remove_file(&python).unwrap();
    let line =
        "#!/bin/sh\nid -u >> \"$(dirname \"$0\")/../../users\"\nexec /usr/bin/python3 \"$@\"\n";
    folder.write(".venv/bin/python", line, 0o755);
    folder.write("users", "", 0o666);
    folder.write("wanted", "4321 [4321] ['LANG', 'PATH']", 0o644);
    output(
        Command::new("chown")
            .args(["-hR", "4321:4321"])
            .arg(folder.path("")),
    );
    check(&folder, &["--no-run"]).fact("user", "4321");
    assert_eq!(fs::read_to_string(folder.path("users")).unwrap(), "");
    // The file that everybody can write to.
    check(&folder, &[]).is(&["WC121"]);
    let users = fs::read_to_string(folder.path("users")).unwrap();
    let is_owner = users.lines().all(|user| user == "4321");
    assert!(is_owner && users.lines().count() > 1, "{users}");
}

/// An owner may link to what is root's; root is not to open it to everybody.
#[test]
fn no_advice_follows_a_link_out_of_the_folder() {
    let Some(folder) = folder("") else {
        return;
    };
    let (secret, private) = (folder.path("secret"), folder.path("private"));
    folder.write("secret", "root:hash", 0o600);
    fs::create_dir(&private).unwrap();
    mode(&private, 0o700);
    folder.write("site/app.py", GOOD, 0o644);
    folder.write("site/own.py", "", 0o600);
    for (target, link) in [
        (&secret, "settings.py"),
        (&secret, "app2.py"),
        (&private, "templates.html"),
    ] {
        symlink(target, folder.path("site").join(link)).unwrap();
    }
    fs::create_dir(folder.path("site/package")).unwrap();
    symlink(&secret, folder.path("site/package/__init__.py")).unwrap();
    output(
        Command::new("chown")
            .args(["-hR", "4321:4321"])
            .arg(folder.path("site")),
    );
    for (words, application) in [
        (&["--as-cgi"][..], "site/app.py"),
        (&["--as-cgi", "--no-run"], "site/app.py"),
        (&["--as-cgi=suexec"], "site/app.py"),
        (&["--as-cgi"], "site/app2.py"),
        (&["--as-cgi"], "site/app2.py:app"),
        (&[], "site/app2.py"),
    ] {
        let run = folder.run(&[words, &[application]].concat());
        let found = Found::by(&run.program(folder.path("bin/wsgi-cgi")));
        for command in found.remedies() {
            // Some of it fails, for it is done as the link's owner.
            let done = Command::new("sh").args(["-c", command]).output();
            assert!(done.is_ok());
        }
        for path in [&secret, &private] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(
                mode & 0o077,
                0,
                "{words:?} {application}: {}",
                path.display()
            );
            // Nor changed, or copied to where the link was.
            assert_eq!(fs::read_to_string(&secret).unwrap(), "root:hash");
            assert!(folder.path("site/app2.py").is_symlink());
        }
    }
    // What is the owner's is done by the owner.
    let own = folder.path("site/own.py");
    assert_eq!(
        fs::metadata(&own).unwrap().permissions().mode() & 0o777,
        0o604
    );
    mode(&own, 0o600);
    let run = folder.run(&["--as-cgi", "--no-run", "site/app.py"]);
    Found::by(&run.program(folder.path("bin/wsgi-cgi")))
        .tells("setsid -w setpriv --reuid=4321 --regid=4321 --clear-groups chmod o+r ");
}

#[test]
fn an_exceptions_text_is_no_package() {
    for name in [
        "--index-url=http://127.0.0.1:1/",
        "git+https://127.0.0.1/x",
        "a;touch x",
    ] {
        let text =
            format!("raise ModuleNotFoundError(\"No module named '{name}'\", name={name:?})\n");
        let folder = Folder::with(&[("app.py", &text)]);
        let found = folder.check(&[]).is(&["WC150"]);
        let remedies = found.remedies();
        let installs = |remedy: &&str| remedy.contains("pip install");
        assert!(!remedies.iter().any(installs), "{remedies:?}");
    }
}

#[test]
fn a_program_in_somebodys_home_is_found() {
    let Some(folder) = folder("") else {
        return;
    };
    mode(&folder.path("bin"), 0o700);
    let found = check(&folder, &["--as-cgi"]).is(&["WC105"]).exits(1);
    found.tells("/usr/local/bin/wsgi-cgi");
}

#[test]
fn what_only_a_shell_has_is_told() {
    let Some(folder) = folder("import os\nos.environ['SECRET']\n") else {
        return;
    };
    check(&folder, &[]).is(&[]);
    check(&folder, &["--as-cgi"])
        .is(&["WC150", "WC151"])
        .tells("SECRET");
}

#[test]
fn a_wrapper_script_is_run_as_it_is() {
    let Some(folder) = folder("import os\nos.environ['SECRET']\nprint('hello')\n") else {
        return;
    };
    let wrapper = |line: &str| {
        let text = format!("#!/bin/sh\nexport SECRET=x\nexec {line} \"$PWD/app.py\"\n");
        folder.write("app.cgi", &text, 0o755);
    };
    let check = || Found::by(&folder.run(&["--as-cgi", "app.cgi"]));
    wrapper(folder.path("bin/wsgi-cgi").to_str().unwrap());
    check().is(&["WC152"]).tells("app.py, line 3");
    wrapper("/none/wsgi-cgi");
    check().is(&["WC150"]).tells("/none/wsgi-cgi: not found");
    mode(&folder.path("app.cgi"), 0o644);
    check().is(&["WC111", "WC150"]);
}

/// As `config` and `init` write it.
#[test]
fn a_line_that_names_another_application_is_run_as_it_is() {
    let Some(folder) = folder("print('hello')\n") else {
        return;
    };
    let (program, app) = (folder.path("bin/wsgi-cgi"), folder.path("app.py"));
    let line = format!("#!{} --timeout=20 {}\n", program.display(), app.display());
    folder.write("app.cgi", &line, 0o755);
    let found = Found::by(&folder.run(&["--as-cgi", "app.cgi"]));
    found.is(&["WC152"]).tells("app.py, line 1");
}

#[test]
fn another_interpreter_than_the_shells_is_told() {
    let folder = Folder::with(&[("app.py", GOOD)]);
    let other = folder.path("other");
    crate::support::python::virtualenv(&crate::support::python::default(), &other);
    let run = folder
        .run(&["--no-run", "app.py"])
        .variable("VIRTUAL_ENV", &other);
    Found::by(&run)
        .is(&["WC103"])
        .exits(0)
        .tells("# wsgi-cgi: python=");
    let run = folder
        .run(&["--no-run", "--as-cgi", "app.py"])
        .variable("VIRTUAL_ENV", &other);
    Found::by(&run)
        .is(&["WC103"])
        .exits(1)
        .fact("interpreter", "/usr/bin/python3");
}

#[test]
fn a_virtualenv_of_somebody_else_is_passed_over_and_told() {
    let Some(folder) = folder("") else {
        return;
    };
    let own = folder.path(".venv");
    crate::support::python::virtualenv(&crate::support::python::default(), &own);
    for name in ["", "pyvenv.cfg"] {
        chown(own.join(name), Some(4321), None).unwrap();
    }
    check(&folder, &["--no-run"])
        .is(&["WC104"])
        .tells("chown -R");
}

#[test]
fn nobody_but_root_can_be_somebody_else() {
    let Some(folder) = folder("") else {
        return;
    };
    let program = folder.path("bin/wsgi-cgi");
    let words = [
        "--reuid=4321",
        "--regid=4321",
        "--clear-groups",
        program.to_str().unwrap(),
    ];
    let run = folder
        .run(&[
            "--as-cgi=lighttpd",
            "--user",
            "nobody",
            "--timeout=20",
            "app.py",
        ])
        .before(&words)
        .program("setpriv");
    let found = Found::by(&run).is(&["WC106"]).exits(0);
    found.tells("sudo wsgi-cgi check --as-cgi=lighttpd --user=nobody --timeout=20 app.py");
}
