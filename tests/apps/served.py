"""The application behind the real web servers: the path says what it does.

Files named in the query are signs between it and the test: it waits for one, or makes one.
"""

import atexit
import hashlib
import json
import os
import time

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def wait_for(sign):
    deadline = time.monotonic() + 60
    while not os.path.exists(sign):
        assert time.monotonic() < deadline, "nobody gave the sign"
        time.sleep(0.005)


def make(sign):
    with open(sign, "w"):
        pass


def application(environ, start_response):
    action = environ["PATH_INFO"].strip("/")
    return globals().get("do_" + action, tell)(environ, start_response)


def tell(environ, start_response):
    strings = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(strings).encode()]


def do_digest(environ, start_response):
    digest = hashlib.sha256()
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
    start_response("200 OK", TEXT)
    return [digest.hexdigest().encode()]


def do_whole(environ, start_response):
    start_response("200 OK", TEXT)
    return [environ["wsgi.input"].read()]


def do_echo(environ, start_response):
    start_response("200 OK", TEXT)
    while block := environ["wsgi.input"].read(16384):
        yield block


def do_unread(environ, start_response):
    start_response("401 Unauthorized", TEXT + [("WWW-Authenticate", "Basic")])
    return [b"who are you?"]


def do_unread_stream(environ, start_response):
    """Its end is the end of the connection to the server: a reset there loses it."""
    yield from do_unread(environ, start_response)


def do_redirect(environ, start_response):
    start_response("302 Found", TEXT + [("Location", "/elsewhere?x=1")])
    return [b"over there"]


def do_cookies(environ, start_response):
    start_response("200 OK", TEXT + [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")])
    return [b"cookies"]


def do_unchanged(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"v1"')])
    return []


def do_pieces(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    wait_for(environ["QUERY_STRING"])
    yield b"second"


def do_fail(environ, start_response):
    raise RuntimeError("a secret reason")


class ForEver:
    def __init__(self, sign):
        self.sign = sign

    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 8192

    def close(self):
        make(self.sign)


def do_forever(environ, start_response):
    start_response("200 OK", TEXT)
    return ForEver(environ["QUERY_STRING"])


def do_late(environ, start_response):
    sign = environ["QUERY_STRING"]

    def late():
        wait_for(sign)
        make(sign + ".done")

    atexit.register(late)
    start_response("200 OK", TEXT)
    return [b"done"]


def do_parent(environ, start_response):
    """The process that the server knows."""
    start_response("200 OK", TEXT)
    # Without a length, the response ends when the server sees its end.
    yield str(known_process()).encode()


def known_process():
    """The process that the server has started: the parent, or whoever else has the response, if that is a zygote."""
    parent = os.getppid()
    with open(f"/proc/{parent}/cmdline") as file:
        if "_wsgi_cgi.zygote" not in file.read():
            return parent
    own = {link("self", number) for number in os.listdir("/proc/self/fd")}
    own = {name for name in own if name.startswith(("pipe:", "socket:"))}
    for process in filter(str.isdigit, os.listdir("/proc")):
        if int(process) not in (parent, os.getpid()) and link(process, 1) in own:
            return int(process)


def link(process, number):
    try:
        return os.readlink(f"/proc/{process}/fd/{number}")
    except OSError:
        return ""


def do_hang(environ, start_response):
    with open(environ["QUERY_STRING"] + ".new", "w") as file:
        file.write(f"{known_process()} {os.getpid()}")
    os.rename(environ["QUERY_STRING"] + ".new", environ["QUERY_STRING"])
    time.sleep(300)
