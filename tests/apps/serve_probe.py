"""What a listener gives to its application: one path for each question."""

import json
import os
import signal
import sys
import time


def application(environ, start_response):
    calls = os.environ.get("CALLS")
    if calls:
        with open(calls, "a") as file:
            file.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}\n")
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    return globals().get("answer_" + name, answer_environ)(environ, start_response)


def plain(start_response, body, status="200 OK", *fields):
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields]
    start_response(status, fields)
    return [body]


def answer_environ(environ, start_response):
    known = {name: value for name, value in environ.items() if isinstance(value, str)}
    known["os.environ"] = {name.decode(): value.decode("latin-1") for name, value in os.environb.items()}
    known["cwd"] = os.getcwd()
    return plain(start_response, json.dumps(known).encode())


def answer_echo(environ, start_response):
    return plain(start_response, environ["wsgi.input"].read())


def answer_length(environ, start_response):
    count = 0
    while piece := environ["wsgi.input"].read(65536):
        count += len(piece)
    told = environ.get("CONTENT_LENGTH", "none")
    coding = environ.get("HTTP_TRANSFER_ENCODING", "none")
    return plain(start_response, f"{told} {count} {coding}".encode())


def answer_stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for number in range(3):
        yield f"piece {number}\n".encode()
        if number == 0:
            wait_for(environ)


def answer_wait(environ, start_response):
    """Says by a file that it runs, and waits until another one is there."""
    begin(environ)
    wait_for(environ)
    return plain(start_response, b"waited")


def answer_late(environ, start_response):
    """Runs until it is told to end, and says so."""
    try:
        begin(environ)
        time.sleep(60)
    finally:
        with open(path(environ, "ended"), "w"):
            pass


def answer_hang(environ, start_response):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(environ)
    time.sleep(60)


def answer_big(environ, start_response):
    length = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Length", str(length))])
    for _ in range(length >> 16):
        yield bytes(1 << 16)


def answer_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return [b"short"]


def answer_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"long body"]


def answer_dies(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"some"
    os._exit(3)


def answer_bare(environ, start_response):
    status = {"204": "204 No Content", "304": "304 Not Modified"}[environ["QUERY_STRING"]]
    start_response(status, [("X-Bare", "yes")])
    return []


def answer_moved(environ, start_response):
    return plain(start_response, b"moved", "302 Found", ("Location", "/environ"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))


def answer_greedy(environ, start_response):
    return plain(start_response, bytes(1 << 30))


def answer_busy(environ, start_response):
    while True:
        pass


def answer_says(environ, start_response):
    print("said to stdout")
    print("said to stderr", file=sys.stderr)
    environ["wsgi.errors"].write("said to wsgi.errors\n")
    return plain(start_response, b"said")


def path(environ, name):
    return os.path.join(environ["QUERY_STRING"], name)


def begin(environ):
    if environ["QUERY_STRING"]:
        with open(path(environ, f"begun-{os.getpid()}"), "w"):
            pass


def wait_for(environ, limit=30):
    end = time.monotonic() + limit
    while environ["QUERY_STRING"] and not os.path.exists(path(environ, "go")):
        if time.monotonic() > end:
            raise TimeoutError("nobody let it go on")
        time.sleep(0.002)
