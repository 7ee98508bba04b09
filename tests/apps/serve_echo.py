"""Leaves a line in the file that CALLS names, and answers with one: METHOD TARGET LENGTH BODY."""

import os


def application(environ, start_response):
    with open(os.environ["CALLS"], "a", encoding="latin-1") as calls:
        calls.write("{REMOTE_PORT} {REQUEST_METHOD} {REQUEST_URI}\n".format_map(environ))
    query = "?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else ""
    target = environ["SCRIPT_NAME"] + environ["PATH_INFO"] + query
    line = f"{environ['REQUEST_METHOD']} {target} {environ.get('CONTENT_LENGTH') or '-'} "
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [line.encode("latin-1") + body]
