//! Pyramid beyond the table: it leaves a failure to the server.

use super::browser::{Browser, get};
use super::site::Site;

#[test]
fn debug_shows_the_traceback_in_the_page() {
    let site = Site::copy_of("pyramid", "app.py").with_variable("WSGI_CGI_DEBUG", "1");
    let answer = Browser::at(&site).send(get("/fail"));
    answer
        .assert_status(500)
        .assert_says("this page fails on purpose");
    answer.assert_says("in fail");
}

/// `config.scan` finds the module in `sys.modules`, under its own name.
#[test]
fn main_can_be_named_as_a_factory() {
    let source = "\
import app

def create_app():
    return app.main({})
";
    let site = Site::copy_of("pyramid", "app.py").with_application("factory.py", source);
    Browser::at(&site)
        .send(get("/"))
        .assert_status(200)
        .assert_says("Hello from Pyramid");
}
