//! web.py beyond the table: its application object is not callable.

use super::browser::{Browser, get};
use super::site::Site;

const SOURCE: &str = "\
import web

urls = ('/', 'Index')
app = web.application(urls, globals())

class Index:
    def GET(self):
        print('to the log')
        return 'plain ' + web.ctx.home

if __name__ == '__main__':
    app.run()
";

#[test]
fn an_application_object_is_taken_as_it_is() {
    let site = Site::copy_of("webpy", "app.py").with_application("plain.py", SOURCE);
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(200);
    assert_eq!(answer.text(), "plain http://localhost/mount");
    assert_eq!(answer.log(), "to the log\n");
}

/// web.py looks at the server's name, and reads the path from REQUEST_URI under Lighttpd.
#[test]
fn the_path_is_right_under_lighttpd() {
    let site = Site::copy_of("webpy", "app.py").with_variable("SERVER_SOFTWARE", "lighttpd/1.4.69");
    let request = get("/hello/Zoë").field("REQUEST_URI", "/mount/hello/Zo%C3%AB");
    let answer = Browser::at(&site).send(request);
    answer.assert_status(200).assert_says("Hello, Zoë!");
}
