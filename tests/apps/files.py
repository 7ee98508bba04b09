"""Applications that answer with a file, and one that streams."""

import atexit
import gzip
import io
import os
import sys
import tempfile

KIND = [("Content-Type", "application/octet-stream")]

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def opened(environ, start_response):
    """The file in the query, from its fourth byte on; tells where its descriptor stands at the end."""
    file = open(environ["QUERY_STRING"], "rb")
    file.read(3)
    copy = os.dup(file.fileno())
    start_response("200 OK", KIND)

    atexit.register(lambda: print("at", os.lseek(copy, 0, os.SEEK_CUR), file=sys.stderr))
    return environ["wsgi.file_wrapper"](file)

def limited(environ, start_response):
    start_response("200 OK", KIND + [("Content-Length", "4")])
    return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))

def in_memory(environ, start_response):
    start_response("200 OK", KIND)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"from memory"), 4)

def temporary(environ, start_response):
    file = tempfile.NamedTemporaryFile()
    file.write(b"temporary")
    file.seek(0)
    start_response("200 OK", KIND)
    return environ["wsgi.file_wrapper"](file)

def compressed(environ, start_response):
    """Has a descriptor, but not for the bytes that its read() gives."""
    path = environ["QUERY_STRING"]
    with gzip.open(path, "wb") as file:
        file.write(b"unpacked")
    start_response("200 OK", KIND)
    return environ["wsgi.file_wrapper"](gzip.open(path))

def closes(environ, start_response):
    class File:
        def __init__(self):
            self.blocks = [b"a", b"b", b""]

        def read(self, size):
            return self.blocks.pop(0)

        def close(self):
            print("closed", file=sys.stderr)

    start_response("200 OK", KIND)
    return environ["wsgi.file_wrapper"](File())

@atexit.register
def tell_peak():
    print("peak", peak(), file=sys.stderr)


def hello(environ, start_response):
    start_response("200 OK", KIND)
    return [b"hello"]

def uploaded(environ, start_response):
    size = 0
    while block := environ["wsgi.input"].read(65536):
        size += len(block)
    start_response("200 OK", KIND)
    return [str(size).encode()]

def iterated(environ, start_response):
    start_response("200 OK", KIND)
    block = bytes(65536)
    for _ in range(int(environ["QUERY_STRING"]) // len(block)):
        yield block

def wrapped(environ, start_response):
    file = tempfile.TemporaryFile()
    file.truncate(int(environ["QUERY_STRING"]))
    start_response("200 OK", KIND)
    return environ["wsgi.file_wrapper"](file)
