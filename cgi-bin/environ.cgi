#!/usr/bin/env wsgi-cgi
"""Shows what an application sees behind this web server: for finding out why one does not work.

It tells much about the server, so it answers only the visitors named here. Call it once: it
refuses, and says which address to add. Delete the file when you are done.
"""

import os
import re
import sys
from html import escape
from wsgiref.util import application_uri, request_uri

VISITORS = {"put your address here"}

SECRET_NAME = re.compile(
    r"AUTH(?!_TYPE)|COOKIE|PASS|PW$|SECRET|TOKEN|KEY|CREDENTIAL|SESSION|SIGNATURE|DSN", re.I
)
SECRET_FIELD = re.compile(
    r"([^=&;?\s]*(?:pass|secret|token|key|code|auth|sig|session)[^=&;?\s]*)=[^&;\s]+", re.I
)
USER_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")

STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
table { width: 100%; border-collapse: collapse; margin-bottom: 2rem; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
th { width: 18rem; font-weight: 600; } td { font-family: monospace; overflow-wrap: anywhere; }
.hidden { color: #a60; } caption { font-size: 1.3rem; text-align: left; padding: .5rem 0; }
"""


def application(environ, start_response):
    visitor = environ.get("REMOTE_ADDR", "")
    if visitor in VISITORS:
        return answer(start_response, "200 OK", report(environ))
    return answer(start_response, "403 Forbidden", refusal(visitor))


def refusal(visitor):
    return (
        f"<p>This page is not for <code>{escape(visitor) or 'unknown'}</code>. "
        "If that is you, and not a proxy, add it to VISITORS in environ.cgi."
    )


def report(environ):
    return "".join(
        [
            "<h1>What an application sees here</h1>",
            table("The request", request_facts(environ)),
            table("Python", python_facts()),
            table("The environ", sorted(environ.items())),
        ]
    )


def request_facts(environ):
    yield "The application's address", application_uri(environ)
    yield "This page's address", request_uri(environ)
    yield "SCRIPT_NAME, the part before", environ["SCRIPT_NAME"] or "(empty: the root)"
    yield "PATH_INFO, the part after", environ["PATH_INFO"] or "(empty)"
    yield "Login header", "arrived" if "HTTP_AUTHORIZATION" in environ else "none (see CGIPassAuth)"
    yield "Body", f"{environ.get('CONTENT_LENGTH') or 0} bytes announced"


def python_facts():
    yield "Version", sys.version
    yield "Interpreter", sys.executable
    yield "Environment", sys.prefix + ("" if sys.prefix == sys.base_prefix else "  (a virtualenv)")
    yield "sys.path", "\n".join(sys.path)
    yield "Working directory", os.getcwd()
    yield "User and group", f"{os.geteuid()} and {os.getegid()}"
    yield "File names are", sys.getfilesystemencoding()


def table(caption, rows):
    cells = "".join(f"<tr><th>{escape(name)}<td>{shown(name, value)}" for name, value in rows)
    return f"<table><caption>{escape(caption)}</caption>{cells}</table>"


def shown(name, value):
    if not isinstance(value, str):
        return escape(repr(value))
    if SECRET_NAME.search(name):
        return f'<span class="hidden">{len(value)} characters, hidden</span>'
    value = SECRET_FIELD.sub(r"\1=…", USER_IN_URL.sub("…@", readable(value)))
    return escape(value).replace("\n", "<br>")


def readable(value):
    """WSGI's strings hold bytes, one in each character."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def answer(start_response, status, content):
    page = f'<!doctype html><meta charset="utf-8"><title>environ</title><style>{STYLE}</style>{content}'
    start_response(
        status,
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
            ("Cache-Control", "no-store"),
            ("X-Robots-Tag", "noindex"),
        ],
    )
    return [page.encode("utf-8", "backslashreplace")]
