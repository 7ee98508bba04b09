"""Applications inside wsgiref's validator, which asserts what PEP 3333 demands of both sides."""

import warnings
from wsgiref.validate import validator

warnings.simplefilter("error")
TEXT = [("Content-Type", "text/plain")]


def plain(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", TEXT)
    return [environ["REQUEST_METHOD"].encode() + b" " + body]


def streamed(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].flush()
    lines = environ["wsgi.input"].readlines(1)
    yield b"%d line, " % len(lines)
    yield environ["wsgi.input"].readline(100)


def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def iterated(environ, start_response):
    lines = [line for line in environ["wsgi.input"]]
    start_response("200 OK", TEXT)
    return lines


def nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


plain, streamed, empty, iterated, nothing = map(validator, (plain, streamed, empty, iterated, nothing))
