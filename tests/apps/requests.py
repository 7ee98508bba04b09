"""Applications that tell what they were given."""

import io
import os
import sys

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def tell(start_response, *lines):
    start_response("200 OK", TEXT)
    return ["".join(f"{line}\n" for line in lines).encode()]


def environ_types(environ, start_response):
    assert type(environ) is dict
    for name, value in environ.items():
        if "." not in name:
            assert type(name) is str and type(value) is str, name
            assert all(ord(char) < 256 for char in value), name
    flags = ("version", "url_scheme", "multithread", "multiprocess", "run_once")
    return tell(start_response, *(f"{flag}: {environ['wsgi.' + flag]!r}" for flag in flags))


def variables(environ, start_response):
    """The variables named in the query, from the environ and from os.environ."""
    names = environ["QUERY_STRING"].split(",")
    return tell(start_response, *(f"{n}={environ.get(n)!a} {os.environ.get(n)!a}" for n in names))


def proxies(environ, start_response):
    found = [n for n in [*environ, *os.environ] if n.lower() == "http_proxy"]
    return tell(start_response, found)


def whole(environ, start_response):
    start_response("200 OK", TEXT)
    return [environ["wsgi.input"].read()]


def methods(environ, start_response):
    """Each method of wsgi.input beside the same one of io.BytesIO over the same bytes."""
    size = int(environ["CONTENT_LENGTH"])
    mine, other = environ["wsgi.input"], None
    steps = [
        ("read", (5,)),
        ("read", (0,)),
        ("readline", ()),
        ("readline", (3,)),
        ("readline", (-1,)),
        ("readline", (None,)),
        ("readlines", (4,)),
        ("__next__", ()),
        ("readlines", ()),
        ("read", ()),
        ("read", (10,)),
        ("readline", ()),
        ("readlines", (0,)),
    ]
    other = io.BytesIO(BODY)
    assert len(BODY) == size
    lines = []
    for name, arguments in steps:
        got, wanted = getattr(mine, name)(*arguments), getattr(other, name)(*arguments)
        lines.append(f"{name}{arguments}: {'same' if got == wanted else (got, wanted)}")
    return tell(start_response, *lines)


BODY = b"first line\nsecond\n\nfourth line is longer\nfive\nsix\nseven\neight\nlast"


def wrapped(environ, start_response):
    """What io's own classes make of wsgi.input."""
    kind = environ["QUERY_STRING"]
    body = environ["wsgi.input"]
    if kind == "text":
        lines = list(io.TextIOWrapper(body, encoding="utf-8"))
    elif kind == "buffered":
        lines = list(io.BufferedReader(body))
    else:
        buffer = bytearray(4)
        lines = [body.readinto(buffer), buffer]
    return tell(start_response, *map(repr, lines))


def terminated(environ, start_response):
    body = environ["wsgi.input"].read()
    return tell(start_response, environ.get("wsgi.input_terminated"), len(body))


def process(environ, start_response):
    """What this process is made of."""
    return tell(
        start_response,
        f"stdin: {os.path.realpath('/proc/self/fd/0')}",
        f"stdout is stderr: {os.path.sameopenfile(1, 2)}",
        f"argv: {sys.argv}",
        f"main: {sys.modules['__main__'].__dict__.get('process')}",
        f"own name: {__name__} {sys.modules[__name__].process is process}",
        f"first on the path: {sys.path[0]}",
        f"utf-8: {sys.flags.utf8_mode} {sys.getfilesystemencoding()}",
        f"executable: {sys.executable}",
        f"prefix: {sys.prefix}",
        f"cwd: {os.getcwd()}",
    )


def version(environ, start_response):
    return tell(start_response, "%d.%d" % sys.version_info[:2], sys.executable)


def descriptors(environ, start_response):
    """Open descriptors that lead to a pipe or socket, but for 1 and 2."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        inheritable = os.get_inheritable(int(name))
        if int(name) > 2 and inheritable:
            found.append(target)
    return tell(start_response, found)
