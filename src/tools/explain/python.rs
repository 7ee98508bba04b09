//! What Python and its frameworks say when an application meets a web server for the first time.

use super::topic::{Topic, topic};

pub const TOPICS: &[Topic] = &[
    topic(
        "No module named 'encodings'",
        &[
            "no module named 'encodings'",
            "init_fs_encoding",
            "could not find platform independent libraries",
            "invalid python interpreter",
        ],
        "the interpreter does not find its own library",
        "The virtualenv points to a Python that was removed or upgraded, PYTHONHOME is set, or the library's folder is closed to the web server's user.",
        "make the virtualenv anew: python3 -m venv --clear .venv; unset PYTHONHOME",
    ),
    topic(
        "No module named 'cgi'",
        &["no module named 'cgi'", "no module named 'cgitb'"],
        "the module cgi is no longer part of Python",
        "Python 3.13 left cgi and cgitb out.",
        "`pip install legacy-cgi` brings them back; `pip install multipart` reads forms; wsgi-cgi --debug shows tracebacks as cgitb did",
    ),
    topic(
        "No module named 'distutils'",
        &[
            "no module named 'distutils'",
            "no module named 'imp'",
            "no module named 'asyncore'",
        ],
        "a package uses a module that newer Pythons left out",
        "Python 3.12 left distutils, imp, asyncore and others out.",
        "upgrade the package that imports it; setuptools brings distutils back",
    ),
    topic(
        "ModuleNotFoundError",
        &[
            "modulenotfounderror",
            "no module named",
            "importerror: no module named",
        ],
        "a package is missing for the interpreter that runs",
        "It is installed in a virtualenv, for another Python, or for your own user, and the web server runs another interpreter or as another user.",
        "wsgi-cgi -v tells which interpreter was chosen, and why; install the package with that one: /path/.venv/bin/python -m pip install NAME; or name the right one by --python",
    ),
    topic(
        "cannot import name",
        &["importerror: cannot import name"],
        "a module is there, but not what is imported from it",
        "A package has another version than the code expects, two modules import each other, or a file of yours has the name of a package (flask.py, site.py).",
        "rename such a file; install the versions of your requirements.txt",
    ),
    topic(
        "undefined symbol",
        &["undefined symbol: py", "was compiled with incompatible"],
        "a C extension was built for another Python",
        "Folders of packages were copied from another machine, or PYTHONPATH mixes two versions.",
        "install the package anew with the interpreter that runs",
    ),
    topic(
        "SyntaxError",
        &["syntaxerror:", "indentationerror:", "taberror:"],
        "Python cannot read the file",
        "A typing error, or syntax that is newer than the interpreter the web server uses.",
        "compile it with that interpreter: /path/python -m py_compile FILE",
    ),
    topic(
        "UnicodeEncodeError: 'ascii'",
        &["unicodeencodeerror: 'ascii'", "unicodedecodeerror: 'ascii'"],
        "text that is not ASCII was written or read without naming an encoding",
        "Web servers start scripts with the locale C, in which some Pythons take ASCII for files and output.",
        "name the encoding: open(name, encoding=\"utf-8\"); wsgi-cgi turns Python's UTF-8 mode on",
    ),
    topic(
        "attempt to write a readonly database",
        &[
            "attempt to write a readonly database",
            "unable to open database file",
        ],
        "SQLite cannot write to the database or its folder",
        "SQLite needs to write to the file and to its folder, for the journal. Both belong to you, and the script runs as the web server's user. A relative path counts from the script's folder.",
        "use an absolute path; give file and folder to the web server's group with g+w, outside the document root",
    ),
    topic(
        "database is locked",
        &["database is locked"],
        "another process writes to the SQLite database",
        "Several requests run at once, and one of them keeps a transaction open.",
        "commit early; set a timeout (sqlite3.connect(…, timeout=20)) and WAL mode",
    ),
    topic(
        "Invalid HTTP_HOST header",
        &["invalid http_host header", "disallowedhost"],
        "Django does not know the host name of the address",
        "ALLOWED_HOSTS does not list the name that the visitor typed.",
        "add the name to ALLOWED_HOSTS in settings.py",
    ),
    topic(
        "ImproperlyConfigured",
        &["improperlyconfigured", "settings are not configured"],
        "Django does not find its settings, or one of them is missing",
        "DJANGO_SETTINGS_MODULE or a secret is set in your shell, and not under the web server.",
        "set it in wsgi.py (os.environ.setdefault), by SetEnv, or read it from a file",
    ),
    topic(
        "KeyError: 'HOME'",
        &[
            "keyerror: 'home'",
            "runtimeerror: could not determine home directory",
        ],
        "the application asks for a variable that a web server does not set",
        "HOME, USER and LANG belong to a login. Scripts get request variables, and little else.",
        "use a path of the application instead, or SetEnv in the server's configuration",
    ),
    topic(
        "TypeError: takes 0 positional arguments but 2 were given",
        &[
            "takes 0 positional arguments but 2 were given",
            "takes 1 positional argument but 2 were given",
        ],
        "what was named is a factory, not an application",
        "A server calls application(environ, start_response). A factory takes no arguments, and makes the application.",
        "name it with brackets: app.py:create_app()",
    ),
    topic(
        "Segmentation fault",
        &["segmentation fault", "fatal python error"],
        "a C extension crashed",
        "An extension was built for another version, or has a fault. The lines behind it show where Python was.",
        "upgrade the package of the innermost line",
    ),
];
