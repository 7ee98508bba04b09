"""Applications with one good or bad manner each."""

import atexit
import ctypes
import os
import signal
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]


def hello(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"hello\n"]


def returns_str(environ, start_response):
    start_response("200 OK", TEXT)
    return "Hello World!"


def returns_none(environ, start_response):
    start_response("200 OK", TEXT)


def returns_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    return b"bytes"


def yields_str(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def prints(environ, start_response):
    print("printed")
    os.system("echo echoed")
    os.write(1, b"written\n")
    sys.stdout.flush()
    start_response("200 OK", TEXT)
    return [b"clean"]


def exits(environ, start_response):
    sys.exit("enough")


def exits_at_once(environ, start_response):
    os._exit(7)


def exits_at_once_in_the_middle(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    os._exit(7)


def crashes(environ, start_response):
    ctypes.string_at(0)


def raises(environ, start_response):
    raise ValueError("a secret reason")


def raises_in_the_middle(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    raise ValueError("a secret reason")


def never_starts(environ, start_response):
    return [b"body"]


def starts_late(environ, start_response):
    yield b""
    start_response("200 OK", TEXT)
    yield b"late"


def starts_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return []


def replaces_the_head(environ, start_response):
    try:
        raise KeyError("x")
    except KeyError:
        start_response("200 OK", TEXT)
        start_response("503 Busy", TEXT, sys.exc_info())
    return [b"replaced"]


def replaces_the_head_too_late(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"first")
    try:
        raise KeyError("too late")
    except KeyError:
        start_response("503 Busy", TEXT, sys.exc_info())
    return [b"never"]


def writes_and_returns(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"")
    return [b"then ", b"returned"]


def bad_status(environ, start_response):
    start_response(environ["QUERY_STRING"], [])
    return []


def splits_the_response(environ, start_response):
    start_response("200 OK", [("X-Good", "a"), ("X-Bad", "a\r\nSet-Cookie: stolen")])
    return []


def hops(environ, start_response):
    start_response("200 OK", [("Connection", "close")])
    return []


def headers_are_no_list(environ, start_response):
    start_response("200 OK", {"X": "y"})
    return []


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return [b"short"]


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"long", b"er"]


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return [b"not sent"]


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return [b"not sent"]


def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def several(environ, start_response):
    start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return iter([b"a", b"", b"b"])


class Closing:
    """Counts its close() calls, on stderr."""

    def __init__(self, blocks, error=None):
        self.blocks = iter(blocks)
        self.error = error

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        print("closed", file=sys.stderr)
        if self.error:
            raise self.error


def closes(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing([b"body"])


def closes_badly(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing([b"body"], RuntimeError("in close"))


def closes_after_an_error(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing([b"first", "no bytes"])


def writes_for_ever(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        while True:
            yield b"x" * 8192

    return Closing(blocks())


def sleeps(environ, start_response):
    time.sleep(300)


def closes_everything(environ, start_response):
    """As recipes for daemons do; then makes the file in the query."""
    os.closerange(3, 256)
    with open(environ["QUERY_STRING"], "w"):
        pass
    time.sleep(300)


def crashes_beside_a_grandchild(environ, start_response):
    """That one lives on, with every descriptor but the first three, until the file in the query is there."""
    if os.fork() == 0:
        os.setsid()
        os.closerange(0, 3)
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.01)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(300)


def sleeps_in_the_middle(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    time.sleep(300)


def has_a_child(environ, start_response):
    # A process of the application's own, which would outlive it.
    os.system("sleep 300 & echo $!")
    time.sleep(300)


def works_late(environ, start_response):
    """After the response, waits for the file in the query, then makes another beside it."""
    sign = environ["QUERY_STRING"]

    def late(name):
        while not os.path.exists(sign):
            time.sleep(0.01)
        with open(f"{sign}.{name}", "w"):
            pass

    atexit.register(late, "atexit")
    threading.Thread(target=late, args=("thread",)).start()
    start_response("200 OK", TEXT)
    return [b"done"]


def leaves_the_body(environ, start_response):
    start_response("401 Unauthorized", TEXT)
    return [b"no"]


def echoes(environ, start_response):
    start_response("200 OK", TEXT)
    while block := environ["wsgi.input"].read(16384):
        yield block


def answers_before_it_reads(environ, start_response):
    start_response("200 OK", TEXT)
    size = int(environ["CONTENT_LENGTH"])
    yield b"y" * size
    yield str(len(environ["wsgi.input"].read())).encode()


def complains(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("one line\nhalf ")
    errors.writelines(["a line\n", "\u20ac \udcff\n"])
    errors.flush()
    start_response("200 OK", TEXT)
    return [b"ok"]


def tidies_up(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        yield b"first"
        try:
            time.sleep(300)
        finally:
            print("tidied up", file=sys.stderr)

    return Closing(blocks())


def hangs_in_close(environ, start_response):
    """Every promised byte is out; close() makes the file in the query, and never comes back."""

    class Body(Closing):
        def close(self):
            with open(environ["QUERY_STRING"], "w"):
                pass
            time.sleep(300)

    start_response("200 OK", TEXT + [("Content-Length", "5")])
    return Body([b"whole"])
