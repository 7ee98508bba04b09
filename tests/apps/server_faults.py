"""Misbehaving behind the real web servers: the path says how. Files named in the query are signs to the test."""

import atexit
import ctypes
import os
import subprocess
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]


def make(sign, text=""):
    with open(sign + ".new", "w") as file:
        file.write(text)
    os.rename(sign + ".new", sign)


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def returns_str(environ, start_response):
    start_response("200 OK", TEXT)
    return "Hello World!"


def prints(environ, start_response):
    print("Content-Type: text/evil\n\nprinted")
    sys.stdout.flush()
    os.system("echo echoed; cat")
    os.write(1, b"written\n")
    start_response("200 OK", TEXT)
    return [b"clean"]


def exits(environ, start_response):
    sys.exit("enough")


def exits_at_once(environ, start_response):
    os._exit(7)


def crashes(environ, start_response):
    ctypes.string_at(0)


def sleeps(environ, start_response):
    time.sleep(300)


def is_cut(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "100")])
    return [b"0123456789"]


def reads(environ, start_response):
    make(environ["QUERY_STRING"], str(os.getpid()))
    size = 0
    while block := environ["wsgi.input"].read(65536):
        size += len(block)
    start_response("200 OK", TEXT)
    return [str(size).encode()]


class Known:
    """A body of known length that takes a moment to end, as each of Flask's or Django's does."""

    def __init__(self, sign, seconds):
        self.sign = sign
        self.seconds = seconds
        self.blocks = iter([b"%010d" % os.getpid()])

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        time.sleep(self.seconds)
        make(self.sign + ".closed")


def has_length(environ, start_response, seconds=0):
    sign = environ["QUERY_STRING"]
    atexit.register(make, sign + ".late")
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return Known(sign, seconds)


def closes_slowly(environ, start_response):
    return has_length(environ, start_response, seconds=3)


def works_late(environ, start_response):
    sign = environ["QUERY_STRING"]

    def late():
        time.sleep(2.5)
        sys.stderr.write("late words\n")

    def later():
        time.sleep(2.5)
        make(sign)

    # A thread first, then an exit handler: five seconds together.
    atexit.register(later)
    threading.Thread(target=late).start()
    start_response("200 OK", TEXT)
    return [str(os.getpid()).encode()]


def leaves_a_program(environ, start_response):
    """As `os.system("... > /dev/null 2>&1 &")` does: every other descriptor is inherited."""
    null = subprocess.DEVNULL
    child = subprocess.Popen(
        ["/bin/sleep", "60"], stdin=null, stdout=null, stderr=null, close_fds=False
    )
    start_response("200 OK", TEXT)
    return [str(child.pid).encode()]
