//! The wheel: `pip install wsgi-cgi`, from a file.

use std::fs;
use std::process::Command;

use super::{assert_works, built, files_in, house, shown};
use crate::support::run::Run;
use crate::support::{output, python};

const WHERE: &str = "import sys\n\
    def application(environ, start_response):\n    \
    start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
    return [f'{sys.prefix} {sys.version_info[1]}'.encode()]\n";

#[test]
fn every_interpreters_virtualenv_runs_what_pip_installed_there() {
    let wheel = &built().wheel;
    let name = wheel.file_name().unwrap().to_str().unwrap();
    assert!(name.contains("-py3-none-manylinux_2_28_"), "{name}");
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("where.py");
    fs::write(&application, WHERE).unwrap();
    for (number, base) in python::all().iter().enumerate() {
        let environment = folder.path().join(number.to_string());
        let interpreter = python::virtualenv(base, &environment);
        let before = files_in(&environment);
        let pip = |words: &[&str]| {
            let mut pip = Command::new(house().join("target/tools/python/bin/pip"));
            pip.arg("--python")
                .arg(&interpreter)
                .args(["--disable-pip-version-check", "--quiet"]);
            output(pip.args(words));
        };
        pip(&[
            "install",
            "--no-index",
            "--no-compile",
            wheel.to_str().unwrap(),
        ]);
        let program = environment.join("bin/wsgi-cgi");
        assert_works(&program);
        let run = Run::with_arguments(&[&application]).without("WSGI_CGI_PYTHON");
        let done = run.program(&program).done();
        let minor = Command::new(base)
            .args(["-c", "import sys; print(sys.version_info[1])"])
            .output();
        let minor = String::from_utf8(minor.unwrap().stdout).unwrap();
        done.assert_body(format!("{} {}", environment.display(), minor.trim()));
        assert!(shown(&environment.join("share/man/man1/wsgi-cgi.1.gz")).contains("--warm-idle"));
        pip(&["uninstall", "--yes", "wsgi-cgi"]);
        assert_eq!(files_in(&environment), before, "{}", base.display());
    }
}
