//! The core of the engine on every CPython of the machine, with a shared libpython and without.

use crate::support::python;
use crate::support::run::Run;

#[test]
fn every_interpreter_passes_wsgirefs_validator() {
    let body = "first\nsecond\n";
    let cases = [
        ("plain", "GET", "", "GET "),
        ("plain", "POST", body, "POST first\nsecond\n"),
        ("plain", "HEAD", "", ""),
        ("streamed", "POST", body, "written 1 line, second\n"),
        ("iterated", "POST", body, body),
        ("empty", "GET", "", ""),
        ("nothing", "GET", "", ""),
    ];
    for program in python::all() {
        for (name, method, body, expected) in cases {
            let run = Run::of(&format!("checked.py:{name}")).variable("WSGI_CGI_PYTHON", program);
            let run = if method == "POST" {
                run.post(body)
            } else {
                run.request(method, "/")
            };
            let done = run.done();
            assert_eq!(
                done.err,
                "",
                "{} {name} {method}\n{done}",
                program.display()
            );
            done.assert_body(expected).assert_exit(0);
        }
    }
}

#[test]
fn every_interpreter_is_the_one_that_was_named() {
    for program in python::all() {
        let done = Run::of("requests.py:version")
            .variable("WSGI_CGI_PYTHON", program)
            .done();
        let text = done.response().text();
        let version = program
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches("python");
        assert_eq!(text.lines().next(), Some(version), "\n{done}");
        done.assert_quiet();
    }
}

#[test]
fn every_interpreter_finds_its_virtualenv_beside_the_application() {
    for program in python::all() {
        let folder = tempfile::tempdir().unwrap();
        let own = python::virtualenv(program, &folder.path().join(".venv"));
        let name = program.file_name().unwrap().to_str().unwrap();
        let packages = folder
            .path()
            .join(".venv/lib")
            .join(name)
            .join("site-packages");
        std::fs::write(packages.join("only_here.py"), "answer = b'found'\n").unwrap();
        std::fs::create_dir(folder.path().join("linked")).unwrap();
        std::fs::write(folder.path().join("linked/by_pth.py"), "").unwrap();
        let pth = format!(
            "# a comment\n{}\nimport builtins; builtins.ran = True\n",
            folder.path().join("linked").display()
        );
        std::fs::write(packages.join("some.pth"), pth).unwrap();
        let text = "import sys, only_here, by_pth\n\
                    def app(e, s):\n    s('200 OK', [])\n    \
                    return [only_here.answer, repr((ran, sys.prefix, sys.executable, exit.__class__.__name__)).encode()]\n";
        std::fs::write(folder.path().join("app.py"), text).unwrap();

        let run = Run::with_arguments(&[folder.path().join("app.py")]).without("WSGI_CGI_PYTHON");
        let prefix = folder.path().join(".venv");
        let expected = format!(
            "found(True, '{}', '{}', 'Quitter')",
            prefix.display(),
            own.display()
        );
        run.done().assert_body(&expected).assert_quiet();
        run.option("--site")
            .done()
            .assert_body(&expected)
            .assert_quiet();
    }
}

/// Python's own `site` runs when nothing of the handover is inheritable any more, and 1 is stderr.
#[test]
fn what_sitecustomize_starts_has_no_descriptor_of_ours() {
    for program in python::all() {
        let folder = tempfile::tempdir().unwrap();
        python::virtualenv(program, &folder.path().join(".venv"));
        let name = program.file_name().unwrap().to_str().unwrap();
        let packages = folder
            .path()
            .join(".venv/lib")
            .join(name)
            .join("site-packages");
        // `ls` has one more, of the folder.
        std::fs::write(
            packages.join("only.pth"),
            "import os; os.system('ls /proc/self/fd > found; echo printed')\n",
        )
        .unwrap();
        let text = "def app(e, s):\n    s('200 OK', [])\n    return [open('found', 'rb').read()]\n";
        std::fs::write(folder.path().join("app.py"), text).unwrap();
        let done = Run::with_arguments(&[folder.path().join("app.py")])
            .without("WSGI_CGI_PYTHON")
            .directory(folder.path())
            .option("--site")
            .done();
        done.assert_body("0\n1\n2\n3\n").assert_exit(0);
    }
}

/// SELinux and others may forbid it.
#[test]
fn where_memory_may_not_be_executed_the_engine_goes_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("forbid.so");
    let text = "#define _GNU_SOURCE\n\
                #include <dlfcn.h>\n\
                #include <string.h>\n\
                void *dlopen(const char *name, int flags) {\n\
                    void *(*real)(const char *, int) = dlsym(RTLD_NEXT, \"dlopen\");\n\
                    return real(strstr(name, \"/proc/\") ? \"/forbidden\" : name, flags);\n\
                }\n";
    python::compile(text, &["-shared".as_ref(), "-fPIC".as_ref()], &library);
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    Run::of("checked.py:plain")
        .variable("LD_PRELOAD", &library)
        .variable("TMPDIR", &files)
        .done()
        .assert_body("GET ")
        .assert_quiet();
    let left = std::fs::read_dir(&files).unwrap().flatten();
    let left = left.filter(|entry| entry.path().extension().is_some());
    assert_eq!(left.count(), 0);
}

/// Whatever the loader would do, it would do at each request: DESIGN section 2, goal 2.
#[test]
fn the_front_loads_no_library() {
    let done = Run::by_hand(&["--version"])
        .variable("LD_DEBUG", "files")
        .done();
    assert_eq!(done.err, "", "\n{done}");
}
