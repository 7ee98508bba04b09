//! The one table: every framework's example must pass every row.

use super::browser::MOUNT;
use super::django::migrated;
use super::site::Site;

/// What differs between the examples.
pub struct Framework {
    /// The folder in `examples/`.
    pub example: &'static str,
    /// What is typed as APP.
    pub application: &'static str,
    /// How Python code gets at the application.
    pub import: &'static str,
    /// The page's heading.
    pub heading: &'static str,
    /// Where the style sheet is, if the example serves one.
    pub style_sheet: Option<&'static str>,
    /// What a failed page leaves: 0 where the framework answers itself, 1 where we do.
    pub exit_of_failure: i32,
}

const PLAIN: Framework = Framework {
    example: "",
    application: "app.py",
    import: "from app import application",
    heading: "",
    style_sheet: Some("/static/style.css"),
    exit_of_failure: 0,
};

const FLASK: Framework = Framework {
    example: "flask",
    import: "from app import app as application",
    heading: "Hello from Flask",
    ..PLAIN
};
const DJANGO: Framework = Framework {
    example: "django",
    application: ".",
    import: "from mysite.wsgi import application",
    heading: "Hello from Django",
    style_sheet: Some("/static/pages/style.css"),
    ..PLAIN
};
const PYRAMID: Framework = Framework {
    example: "pyramid",
    heading: "Hello from Pyramid",
    exit_of_failure: 1,
    ..PLAIN
};
const BOTTLE: Framework = Framework {
    example: "bottle",
    import: "from app import app as application",
    heading: "Hello from Bottle",
    ..PLAIN
};
const FALCON: Framework = Framework {
    example: "falcon",
    import: "from app import app as application",
    heading: "Hello from Falcon",
    ..PLAIN
};
const CHERRYPY: Framework = Framework {
    example: "cherrypy",
    heading: "Hello from CherryPy",
    ..PLAIN
};
const CHERRYPY_TREE: Framework = Framework {
    application: "tree.py",
    import: "from tree import application",
    ..CHERRYPY
};
const WEBPY: Framework = Framework {
    example: "webpy",
    heading: "Hello from web.py",
    ..PLAIN
};
const MIDDLEWARE: Framework = Framework {
    example: "middleware",
    heading: "Hello from a stack of middleware",
    style_sheet: None,
    ..PLAIN
};

impl Framework {
    /// A fresh copy of the example.
    pub fn site(&self) -> Site {
        match self.example {
            "django" => migrated(),
            example => Site::copy_of(example, self.application).with_variable("PREFIX", MOUNT),
        }
    }

    /// The site, with a middleware that checks both of its sides.
    pub fn site_checked_by(&self, checker: &str) -> Site {
        let source = format!(
            "{}\n{checker}\napplication = checked(application)\n",
            self.import
        );
        self.site().with_application("checked.py", &source)
    }
}

/// One module for each framework, one test in it for each row.
macro_rules! frameworks {
    ($($module:ident = $framework:ident;)*) => {
        $(mod $module {
            use super::$framework as FRAMEWORK;
            every_row! {
                the_page_links_below_the_mount
                the_path_is_decoded
                the_query_is_decoded
                a_form_redirects_below_the_mount
                an_upload_arrives_whole
                a_session_lasts
                an_unknown_path_is_404
                a_failure_is_told_to_the_log_only
                pieces_are_sent_one_by_one
                a_file_is_sent_whole
                head_has_no_body
                wsgiref_has_no_complaint
                webtest_has_no_complaint
            }
        })*
    };
}

macro_rules! every_row {
    ($($row:ident)*) => {
        $(#[test]
        fn $row() {
            crate::frameworks::rows::$row(&FRAMEWORK);
        })*
    };
}

frameworks! {
    flask = FLASK;
    django = DJANGO;
    pyramid = PYRAMID;
    bottle = BOTTLE;
    falcon = FALCON;
    cherrypy = CHERRYPY;
    cherrypy_tree = CHERRYPY_TREE;
    webpy = WEBPY;
    middleware = MIDDLEWARE;
}
