"""Sends the requests that standard input lists as JSON, each on a connection of its own, and writes a line of JSON of
each reply: raw enough to see what a library of HTTP hides."""

import json
import socket
import sys
import time
from urllib.parse import urlsplit

plan = json.load(sys.stdin)
deadline = time.monotonic() + plan["seconds"]
LIMIT = 1 << 20


class Lost(Exception):
    """No reply: a kind, and a text."""


def connect(base):
    port = base.port or (443 if base.scheme == "https" else 80)
    patience = max(0.1, min(plan["patience"], deadline - time.monotonic()))
    try:
        connection = socket.create_connection((base.hostname, port), timeout=patience)
    except socket.gaierror as error:
        raise Lost("name", error.strerror)
    except OSError as error:
        raise Lost("connection", error.strerror or str(error))
    if base.scheme == "https":
        import ssl

        context = ssl.create_default_context()
        if plan["insecure"]:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(connection, server_hostname=base.hostname)
        except ssl.SSLCertVerificationError as error:
            raise Lost("certificate", error.verify_message)
        except OSError as error:
            raise Lost("tls", str(error))
    return connection


def send(connection, base, asked):
    lines = ["%s %s HTTP/1.1" % (asked["method"], (base.path.rstrip("/") + asked["path"] or "/"))]
    lines += ["Host: " + base.netloc.rpartition("@")[2], "User-Agent: wsgi-cgi-self-test", "Connection: close"]
    lines += ["%s: %s" % (name, value) for name, value in asked["fields"]]
    body = b"x" * asked["body"]
    if asked["is_chunked"]:
        lines.append("Transfer-Encoding: chunked")
        half = len(body) // 2
        pieces = [body[:half], body[half:], b""]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    elif body:
        lines.append("Content-Length: %d" % len(body))
    try:
        connection.sendall("\r\n".join(lines + ["", ""]).encode() + body)
    except OSError:
        # Refused before all of it was sent: the reply says why.
        pass


def read(connection, asked):
    """All that comes, to the end of the connection, and why it ended."""
    data = b""
    is_told = False
    while len(data) < LIMIT:
        if time.monotonic() >= deadline:
            return data, "timeout"
        try:
            piece = connection.recv(65536)
        except socket.timeout:
            return data, "timeout"
        except OSError:
            return data, "reset"
        if not piece:
            return data, "end"
        data += piece
        if asked["tells"] and not is_told and b"first" in data:
            is_told = True
            with open(plan["token_file"], "a") as file:
                file.write("seen\n")
    return data, "end"


def decoded(data):
    """A chunked body, and whether its last chunk is there."""
    body = b""
    while True:
        line, found, rest = data.partition(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return body, False
        if not found or size == 0:
            return body, bool(found)
        body += rest[:size]
        if len(rest) < size + 2:
            return body, False
        data = rest[size + 2 :]


def understood(data, end, asked):
    head, found, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if not found or not words[0].startswith("HTTP/") or len(words) < 2 or not words[1].isdigit():
        kind = {"end": "empty", "reset": "reset", "timeout": "timeout"}[end]
        raise Lost("http" if data else kind, head[:100].decode("latin-1"))
    fields = [line.split(":", 1) for line in lines[1:] if ":" in line]
    fields = [(name.strip().lower(), value.strip()) for name, value in fields]
    values = dict(fields)
    length = values.get("content-length", "")
    is_whole = end == "end"
    if asked["method"] == "HEAD":
        body = b""
    elif "chunked" in values.get("transfer-encoding", "").lower():
        body, is_whole = decoded(body)
    elif length.isdigit():
        is_whole = len(body) >= int(length)
        body = body[: int(length)]
    return {
        "status": int(words[1]),
        "fields": fields,
        "body": body.decode("utf-8", "replace"),
        "is_whole": is_whole,
    }


def exchange(base, asked):
    if time.monotonic() >= deadline:
        raise Lost("late", "")
    connection = connect(base)
    try:
        send(connection, base, asked)
        return understood(*read(connection, asked), asked)
    finally:
        connection.close()


def elsewhere(base, reply, asked):
    """Where a redirect of the same host leads, if that is the same question at another address."""
    target = dict(reply["fields"]).get("location", "")
    tail = asked["path"]
    if not 301 <= reply["status"] <= 308 or not target.endswith(tail):
        return None
    found = urlsplit(target[: -len(tail)])
    is_known = found.scheme in ("http", "https") and found.hostname == base.hostname
    is_worse = base.scheme == "https" and found.scheme == "http"
    return found if is_known and not is_worse else None


def tell(asked, is_first=False):
    """Writes what came back; gives whether it is an answer of the self-test."""
    global base
    told = {"name": asked["name"]}
    try:
        reply = exchange(base, asked)
        better = elsewhere(base, reply, asked) if is_first else None
        if better:
            base = better
            told["moved"] = base.geturl()
            reply = exchange(base, asked)
        told["reply"] = reply
    except Lost as lost:
        told["lost"] = lost.args
    print(json.dumps(told), flush=True)
    return "wsgi_cgi_self_test" in told.get("reply", {}).get("body", "")


base = urlsplit(plan["url"])
first, *others = plan["questions"]
if tell(first, is_first=True):
    for asked in others:
        tell(asked)
else:
    # What is there instead.
    tell(dict(first, name="address itself", path=""))
