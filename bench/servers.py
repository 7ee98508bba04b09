"""The careful ending under real servers: does each answer arrive, and how soon is the next one served?"""

import contextlib
import http.client
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
MODULES = "/usr/lib/apache2/modules"

HELLO = """def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\\n"]
"""
UNREAD = """def application(environ, start_response):
    start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"no\\n"]
"""
WSGIREF = "from wsgiref.handlers import CGIHandler\nCGIHandler().run(application)\n"


def careful_ending(program, static, rounds):
    print("\n## The careful ending")
    print("Keep-alive GETs one after another, milliseconds; and answers to POSTs whose body was not read.\n")
    print("| server | script | mean | median | p95 | 401 to an unread body of 5 bytes |\n|---|---|---|---|---|---|")
    for name in ("apache-cgid", "apache-cgi", "lighttpd"):
        with server(name, program, static) as (port, _):
            for script in ("static", "wsgi-cgi", "wsgiref"):
                times = keep_alive(port, script, rounds)
                arrived = "" if script == "static" else f"{unread(port, script, rounds)} of {rounds}"
                p95 = sorted(times)[int(len(times) * 0.95)]
                figures = f"{statistics.mean(times):.1f} | {statistics.median(times):.1f} | {p95:.1f}"
                print(f"| {name} | {script} hello | {figures} | {arrived} |", flush=True)


def keep_alive(port, script, rounds):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for number in range(rounds + 3):
        start = time.perf_counter()
        connection.request("GET", f"/cgi-bin/{script}-hello.cgi")
        body = connection.getresponse().read()
        assert body == b"hello\n", body
        if number > 2:
            times.append((time.perf_counter() - start) * 1000)
    return times


def unread(port, script, rounds):
    arrived = 0
    for _ in range(rounds):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", f"/cgi-bin/{script}-unread.cgi", body=b"12345")
            response = connection.getresponse()
            arrived += (response.status, response.read()) == (401, b"no\n")
        except (OSError, http.client.HTTPException):
            pass
        connection.close()
    return arrived


@contextlib.contextmanager
def server(name, program, static):
    root = Path(tempfile.mkdtemp(prefix="wsgi-cgi-bench-"))
    try:
        root.chmod(0o755)
        for folder in ("cgi-bin", "htdocs", "bin", "uploads"):
            (root / folder).mkdir()
            (root / folder).chmod(0o777)
        ours = shutil.copy(program, root / "bin")
        shutil.copy(static, root / "cgi-bin/static-hello.cgi")
        for kind, text in (("hello", HELLO), ("unread", UNREAD)):
            write(root / f"cgi-bin/wsgi-cgi-{kind}.cgi", f"#!{ours}\n# wsgi-cgi: python=/usr/bin/python3\n{text}")
            write(root / f"cgi-bin/wsgiref-{kind}.cgi", f"#!/usr/bin/python3\n{text}{WSGIREF}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        for file in (f"{name}.conf", "apache-common.conf"):
            write(root / file, filled((HOUSE / "examples/servers" / file).read_text(), root, port))
        command = ["lighttpd", "-D", "-f"] if name == "lighttpd" else ["apache2", "-DFOREGROUND", "-f"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/bin"}
        with open(root / "stderr.log", "w") as log:
            # A group of its own: Apache signals all of its group when it ends.
            process = subprocess.Popen(
                [*command, root / f"{name}.conf"], env=environment, stdout=log, stderr=log, process_group=0
            )
        try:
            wait_for(port, process)
            yield port, root
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(root)


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)


def filled(text, root, port):
    values = {"ROOT": root, "PORT": port, "MODULES": MODULES, "USER": "www-data", "GROUP": "www-data"}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def wait_for(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise SystemExit(f"{process.args[0]} does not answer")
