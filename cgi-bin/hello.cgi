#!/usr/bin/env wsgi-cgi
"""The application is in the script itself."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Hello, world!\n"]
