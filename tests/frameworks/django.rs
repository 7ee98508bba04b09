//! Django beyond the table: the database, the admin, the settings.

use std::fs;
use std::sync::OnceLock;
use std::thread;

use super::browser::{Answer, Browser, get, post_file, post_form};
use super::site::Site;

const PASSWORD: &str = "correct horse battery staple";

/// The example after `migrate` and `createsuperuser`.
pub fn migrated() -> Site {
    static DATABASE: OnceLock<Vec<u8>> = OnceLock::new();
    let database = DATABASE.get_or_init(|| {
        let site = Site::copy_of("django", ".");
        site.python(&["manage.py", "migrate", "--verbosity=0"], &[]);
        site.python(
            &[
                "manage.py",
                "createsuperuser",
                "--noinput",
                "--username=zoë",
                "--email=zoe@example.org",
            ],
            &[("DJANGO_SUPERUSER_PASSWORD", PASSWORD)],
        );
        fs::read(site.path("db.sqlite3")).unwrap()
    });
    let site = Site::copy_of("django", ".");
    fs::write(site.path("db.sqlite3"), database).unwrap();
    site
}

#[test]
fn the_admin_from_login_to_logout() {
    let site = migrated();
    let mut browser = Browser::at(&site);

    let answer = browser.send(get("/admin/"));
    answer.assert_status(302);
    assert_eq!(
        answer.field("Location"),
        "/mount/admin/login/?next=/mount/admin/"
    );

    let form = browser.send(get("/admin/login/").query("next=/mount/admin/"));
    form.assert_status(200).assert_says("Django administration");

    let answer = log_in(&mut browser, &form, "wrong");
    answer
        .assert_status(200)
        .assert_says("Please enter the correct username and password");
    assert_eq!(browser.cookie("sessionid"), None);

    let answer = log_in(&mut browser, &form, PASSWORD);
    answer.assert_status(302);
    assert_eq!(answer.field("Location"), "/mount/admin/");

    let index = browser.send(get("/admin/"));
    index.assert_status(200).assert_quiet();
    index
        .assert_says("Site administration")
        .assert_says("<strong>zoë</strong>");
    index.assert_says("/mount/admin/pages/greeting/");
    let style = index.text();
    let style = style
        .split("href=\"/mount")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let sheet = browser.send(get(style));
    sheet.assert_status(200).assert_quiet();
    assert!(
        sheet.field("Content-Type").starts_with("text/css"),
        "{sheet}"
    );

    let form = format!("csrfmiddlewaretoken={}", token(&index));
    browser
        .send(post_form("/admin/logout/", &form))
        .assert_status(200);
    browser.send(get("/admin/")).assert_status(302);
}

#[test]
fn what_a_form_saved_is_in_the_admin() {
    let site = migrated();
    let mut browser = Browser::at_the_forms_of(&site);
    browser
        .send(post_form("/hello", "name=%E6%9D%8E"))
        .assert_status(303);
    let form = browser.send(get("/admin/login/"));
    log_in(&mut browser, &form, PASSWORD).assert_status(302);
    let list = browser.send(get("/admin/pages/greeting/"));
    list.assert_status(200)
        .assert_says("李")
        .assert_says("1 greeting");
}

#[test]
fn a_form_without_its_token_is_refused() {
    let site = migrated();
    let answer = Browser::at(&site).send(post_form("/hello", "name=x"));
    answer.assert_status(403);
    answer.assert_told("CSRF cookie not set");
}

/// Django keeps what is larger than 2.5 MB in a temporary file.
#[test]
fn a_large_upload_leaves_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let site = migrated().with_variable("TMPDIR", folder.path().to_str().unwrap());
    let mut browser = Browser::at_the_forms_of(&site);
    let answer = browser.send(post_file("/upload", "film.mp4", &vec![b'x'; 5_000_000]));
    answer
        .assert_status(200)
        .assert_quiet()
        .assert_says("5000000");
    // A zygote's own folder stays as long as it does.
    let left = fs::read_dir(folder.path()).unwrap().flatten();
    assert_eq!(left.filter(|entry| !entry.path().is_dir()).count(), 0);
}

/// Each request is a process of its own, and all of them write to one file.
#[test]
fn requests_at_once_all_save() {
    let site = migrated();
    let visitors = thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut browser = Browser::at_the_forms_of(&site);
                    browser.send(post_form("/hello", "name=x")).status()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(visitors, [303; 6]);
}

/// The project's folder, or the file that its WSGI application is in.
#[test]
fn every_way_to_name_the_project() {
    for application in [".", "mysite/wsgi.py"] {
        let mut site = migrated();
        site.application = application.to_owned();
        let answer = Browser::at(&site).send(get("/"));
        answer.assert_status(200).assert_says("Hello from Django");
    }
}

#[test]
fn a_public_name_wants_a_key_of_its_own() {
    let site = migrated().with_variable("DJANGO_ALLOWED_HOSTS", "www.example.org");
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(500);
    answer.assert_told("KeyError: 'DJANGO_SECRET_KEY'");
    assert!(!answer.text().contains("DJANGO_SECRET_KEY"), "{answer}");

    let site = site.with_variable("DJANGO_SECRET_KEY", "k".repeat(50));
    let mut browser = Browser::at(&site);
    browser
        .send(get("/").field("HTTP_HOST", "www.example.org"))
        .assert_status(200);
    browser
        .send(get("/").field("HTTP_HOST", "evil.example"))
        .assert_status(400);
}

#[test]
fn debug_shows_the_technical_page_here() {
    let site = migrated().with_variable("DJANGO_DEBUG", "1");
    let answer = Browser::at(&site).send(get("/fail"));
    answer
        .assert_status(500)
        .assert_says("this page fails on purpose")
        .assert_says("Traceback");
    assert!(!answer.text().contains("django-insecure"), "{answer}");
}

fn log_in(browser: &mut Browser<'_>, form: &Answer, password: &str) -> Answer {
    let fields = format!(
        "csrfmiddlewaretoken={}&username=zo%C3%AB&password={}&next=/mount/admin/",
        token(form),
        password.replace(' ', "+")
    );
    browser.send(post_form("/admin/login/", &fields))
}

/// The hidden field of the page's form.
fn token(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once("name=\"csrfmiddlewaretoken\" value=\"")
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}
