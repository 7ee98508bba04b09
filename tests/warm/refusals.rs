//! What must not be forked is not, and is named.

use super::{Site, is_warm, telling};

#[test]
fn threads_sockets_and_databases_are_named_with_their_line() {
    let application = telling("'cold'");
    for (made, named) in [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='ticker', daemon=True).start()",
            vec!["'ticker'", "app.py, line 2"],
        ),
        (
            "import socket\nkept = socket.socket()",
            vec!["a socket is open", "app.py, line 2"],
        ),
        (
            "import sqlite3\nkept = sqlite3.connect('data.db')\nkept.execute('create table if not exists t (x)')",
            vec!["data.db", "app.py, line 2"],
        ),
        (
            "import helper",
            vec!["a socket is open", "helper.py, line 1"],
        ),
        ("import os\nkept = os.pipe()", vec!["pipe:"]),
    ] {
        let site = Site::with(&format!("{made}\n{application}"));
        site.write("helper.py", "import socket; kept = socket.socket()\n");
        let starts = site.command(&["warm", "start", "app.py"]).done();
        starts.assert_exit(1);
        for text in named {
            starts.assert_told(text);
        }
        let done = site.get();
        assert!(!is_warm(&done));
        assert_eq!(done.response().text(), "cold");
    }
}

#[test]
fn an_import_that_fails_runs_cold_and_is_told() {
    let site = Site::with("import no_such_package\n");
    let done = site.command(&["warm", "start", "app.py"]).done();
    done.assert_exit(1)
        .assert_told("WC031")
        .assert_told("no_such_package");
    site.get().assert_status("500 Internal Server Error");
    // It is not tried again at each request, and status says why.
    assert!(site.status().contains("no_such_package"));
    let again = site.get();
    again
        .assert_told("for the next request: ")
        .assert_told("no_such_package");
    // As soon as it is mended, it can be.
    site.write("app.py", &telling("'mended'"));
    site.start();
    assert_eq!(site.warm(), "mended");
}

#[test]
fn a_log_that_is_appended_to_is_no_obstacle() {
    let site = Site::with(&format!(
        "import logging\nlogging.basicConfig(filename='app.log')\n{}",
        telling("'warm'")
    ));
    site.start();
    assert_eq!(site.warm(), "warm");
}
