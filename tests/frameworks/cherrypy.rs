//! CherryPy beyond the table: several applications in one tree.

use super::browser::{Browser, MOUNT, get};
use super::site::Site;

#[test]
fn each_application_of_the_tree_answers() {
    let site = Site::copy_of("cherrypy", "tree.py").with_variable("PREFIX", MOUNT);
    let mut browser = Browser::at(&site);
    browser
        .send(get("/"))
        .assert_status(200)
        .assert_says("Hello from CherryPy");
    browser
        .send(get("/status/"))
        .assert_status(200)
        .assert_says(r#"{"status": "well"}"#);
}

/// The documentation's way for one that does not know where it is mounted.
#[test]
fn without_the_final_slash_it_redirects_below_the_mount() {
    let site = Site::copy_of("cherrypy", "app.py");
    let answer = Browser::at(&site).send(get(""));
    answer.assert_status(301);
    assert_eq!(answer.field("Location"), "http://localhost/mount/");
}

/// A tree as many write it, at the end of a file: no name, and a start that must not happen.
#[test]
fn a_tree_under_another_name_is_found() {
    let source = "\
import cherrypy

class Root:
    @cherrypy.expose
    def index(self):
        return 'from the tree'

cherrypy.config.update({'environment': 'embedded'})
cherrypy.tree.mount(Root(), '/mount')
wsgi = cherrypy.tree

if __name__ == '__main__':
    cherrypy.engine.start()
    cherrypy.engine.block()
";
    let site = Site::copy_of("cherrypy", "app.py").with_application("named.py", source);
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(200).assert_quiet();
    assert_eq!(answer.text(), "from the tree");
}

/// CherryPy prints its access log to standard output unless told otherwise.
#[test]
fn the_screen_log_goes_to_the_log() {
    let source = "\
import cherrypy

class Root:
    @cherrypy.expose
    def index(self):
        return 'plain'

app = cherrypy.Application(Root(), None)
";
    let site = Site::copy_of("cherrypy", "app.py").with_application("noisy.py", source);
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(200);
    assert_eq!(answer.text(), "plain");
    answer.assert_told("GET /mount/ HTTP/1.1");
}
