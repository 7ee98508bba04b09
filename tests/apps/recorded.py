"""Requests that fail in a way which depends on their body."""

import hashlib
import json
import os
import time
from urllib.parse import parse_qs

TEXT = [("Content-Type", "text/plain")]


def upload(environ, start_response):
    body = environ["wsgi.input"].read()
    raise ValueError("%s of %d bytes at %r" % (hashlib.md5(body).hexdigest(), len(body), environ["PATH_INFO"]))


def quotes(environ, start_response):
    """Its message repeats what a visitor has typed."""
    raise ValueError(environ["wsgi.input"].read())


def answers(environ, start_response):
    environ["wsgi.errors"].write("Traceback of the framework\n")
    start_response("503 Out of Tea", TEXT)
    return [b"none left"]


def is_well(environ, start_response):
    start_response("404 Not Found", TEXT)
    return [b"nothing here"]


def is_cut(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "9")])
    return [b"four"]


def sleeps(environ, start_response):
    environ["wsgi.input"].read()
    time.sleep(60)


def ends(environ, start_response):
    environ["wsgi.input"].read()
    os._exit(7)


def place(environ, start_response):
    names = "SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "REQUEST_METHOD", "SERVER_NAME"
    raise ValueError(tuple(map(environ.get, names)))


def parses(environ, start_response):
    """Its message has parts of what a visitor has typed, in Python's way of writing."""
    read = json.loads if "json" in environ["CONTENT_TYPE"] else lambda text: parse_qs(text.decode())
    body = environ["wsgi.input"].read()
    values = read(body), parse_qs(environ["QUERY_STRING"]), environ["HTTP_AUTHORIZATION"]
    raise ValueError("%r, %r" % (values, repr(values)))
