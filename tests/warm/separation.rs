//! Nothing of one request is seen by another, and no two deployments share a zygote.

use std::collections::HashSet;
use std::os::unix::process::CommandExt;

use super::{Site, by_worker, is_warm, telling, until};

/// Tells what it finds, then changes all of it.
const CHANGES_EVERYTHING: &str = "
import gc, os, random, signal, sys, tempfile
seen = []
opened = []
def application(environ, start_response):
    mask = os.umask(0)
    found = [
        seen, opened, os.environ.get('LEFT'), os.getcwd(), oct(mask), signal.getsignal(signal.SIGUSR1).name,
        sys.path.count('left'), gc.isenabled(), len(os.listdir('/proc/self/fd')), environ.get('left'),
    ]
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield str(found).encode()
    seen.append(1)
    opened.append(open('/dev/null'))
    os.environ['LEFT'] = 'left'
    environ['left'] = 'left'
    os.chdir('/')
    signal.signal(signal.SIGUSR1, lambda *_: None)
    sys.path.append('left')
    gc.disable()
";

#[test]
fn nothing_is_left_for_the_next_request() {
    let site = Site::with(CHANGES_EVERYTHING);
    site.start();
    let first = site.warm();
    assert!(first.starts_with("[[], [], None, "), "{first}");
    for _ in 0..5 {
        assert_eq!(site.warm(), first);
    }
}

#[test]
fn a_worker_has_its_clients_surroundings() {
    let site = Site::with(&telling(
        "[os.getcwd(), oct(os.umask(0)), __import__('resource').getrlimit(7)[0], os.environ.get('DEPLOYED'), \
         environ['QUERY_STRING'], os.environ.get('HTTP_X'), __import__('resource').getrlimit(0)[0]]",
    ));
    let request = site
        .request()
        .variable("DEPLOYED", "by hand")
        .variable("HTTP_X", "x")
        .variable("QUERY_STRING", "q=1")
        .option("--max-cpu=7");
    site.start_for(&request);
    let command = request.command();
    let shell = format!(
        "umask 027; ulimit -n 123; exec {}",
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let mut through_shell = std::process::Command::new("/bin/sh");
    through_shell
        .args(["-c", &shell])
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(site.folder.path());
    let output = through_shell.arg0("sh").output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(!err.contains("runs cold"), "{err}");
    let folder = site.folder.path().display();
    let expected = format!("['{folder}', '0o27', 123, 'by hand', 'q=1', 'x', 7]");
    assert!(out.ends_with(&expected), "{out}\n{expected}");
}

#[test]
fn what_is_random_differs() {
    let site = Site::with(&telling(
        "[__import__('random').random(), __import__('uuid').uuid4(), __import__('secrets').token_hex(8), os.getpid()]",
    )
    .replace("import os", "import random, secrets, uuid, os"));
    site.start();
    let answers: HashSet<String> = (0..20).map(|_| site.warm()).collect();
    assert_eq!(answers.len(), 20);
    let parts = |index: usize| -> HashSet<&str> {
        answers
            .iter()
            .map(|answer| answer.split(", ").nth(index).unwrap())
            .collect()
    };
    for index in 0..4 {
        assert_eq!(parts(index).len(), 20, "{answers:?}");
    }
}

#[test]
fn deployments_do_not_share_a_zygote() {
    let site = Site::with(&telling("[VALUE, sys.argv[0], application.__name__]"));
    let text = std::fs::read_to_string(site.path("app.py")).unwrap();
    site.write(
        "app.py",
        &format!("import os\nVALUE = os.environ.get('SETTING'), os.environ.get('HTTP_HOST')\n{text}other = application\n"),
    );
    for (number, setting) in ["a", "b"].into_iter().enumerate() {
        let request = site.request().variable("SETTING", setting);
        site.start_for(&request);
        assert_eq!(site.zygotes().len(), number + 1);
        for host in ["one", "two"] {
            let done = by_worker(&request.clone().variable("HTTP_HOST", host));
            // The import saw the deployment, and no request.
            let expected = format!("[('{setting}', None), ");
            assert!(done.response().text().starts_with(&expected), "{done}");
        }
    }
    // Another user's identity, by another group; another place; another name.
    let elsewhere = site.request().directory(std::path::Path::new("/"));
    assert!(!is_warm(&elsewhere.done()));
    let other = site.request().option("--path=/tmp");
    assert!(!is_warm(&other.done()));
}

/// What the import has registered may send what a request has left: it runs for each, as it does cold.
#[test]
fn exit_handlers_of_the_import_run_for_each_request() {
    let site = Site::with(&format!(
        "import atexit, os\natexit.register(lambda: open('ended-' + str(os.getpid()), 'w').close())\n{}",
        telling("os.getpid()")
    ));
    site.start();
    for _ in 0..3 {
        let pid = site.warm();
        until("the handler", || {
            site.path(&format!("ended-{pid}")).exists()
        });
    }
}

/// A folder that the import makes and the end of the process removes: it is there as long as the zygote is.
#[test]
fn what_the_import_made_is_not_removed_by_the_first_request() {
    let site = Site::with(&format!(
        "import atexit, shutil, tempfile, weakref\nfolder = tempfile.mkdtemp(dir='.')\natexit.register(shutil.rmtree, folder)\n\
         other = tempfile.TemporaryDirectory(dir='.')\n{}",
        telling(
            "[os.path.isdir(folder), os.path.isdir(other.name), atexit.register(open('late-' + str(os.getpid()), 'w').close)][:2]"
        )
    ));
    site.start();
    let zygote = site.zygotes()[0];
    let folders = || {
        let entries = std::fs::read_dir(site.folder.path()).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp"))
            .count()
    };
    assert_eq!(folders(), 2);
    for _ in 0..3 {
        assert_eq!(site.warm(), "[True, True]");
    }
    assert_eq!(folders(), 2);
    site.command(&["warm", "stop"]).done();
    super::until_gone(zygote);
    assert_eq!(folders(), 0);
}

#[test]
fn numpy_and_pandas_can_be_warmed_and_their_generators_differ() {
    let site = Site::with(
        "import numpy, pandas\nfrom numpy import random as generator\ngenerator.seed(1)\n\
         def application(environ, start_response):\n    \
             start_response('200 OK', [])\n    \
             return [str(generator.random()).encode()]\n",
    );
    std::os::unix::fs::symlink(super::starting::virtualenv(), site.path(".venv")).unwrap();
    let request = site.request().without("WSGI_CGI_PYTHON");
    site.start_for(&request);
    let answers: HashSet<String> = (0..5)
        .map(|_| {
            let done = by_worker(&request);
            done.response().text()
        })
        .collect();
    assert_eq!(answers.len(), 5);
}
