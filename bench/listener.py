"""The listener beside Lighttpd's mod_cgi, with the same scripts: requests per second, p99, memory."""

import concurrent.futures
import contextlib
import http.client
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import peers

LIGHTTPD = """server.document-root = "{scripts}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-connections = 256
server.max-keep-alive-requests = 1000000
server.modules = ( "mod_cgi" )
cgi.assign = ( "" => "" )
"""
WSGIREF = """#!{python}
import sys
sys.path.insert(0, {folder!r})
from {module} import {attribute} as application
from wsgiref.handlers import CGIHandler
CGIHandler().run(application)
"""
BARE = "#!{python} -IS\nprint('Status: 200 OK\\nContent-Type: text/plain\\nContent-Length: 6\\n\\nhello')\n"
# Neither has a variable of ours, nor one that the person at the terminal has set.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/bin"}
MEBIBYTES = 1024


def listener(program, rounds, seconds, requests):
    with tempfile.TemporaryDirectory(prefix="wsgi-cgi-bench-") as folder:
        scripts = Path(folder) / "scripts"
        scripts.mkdir()
        shutil.copy(peers.static_program(), scripts / "static")
        # A build in the meantime does not change what is measured.
        program = shutil.copy(program, folder)
        total = Total()
        speed(program, scripts, rounds, seconds, total)
        latency(program, scripts, rounds, seconds, total)
        memory(program, scripts, requests, total)
    print(f"\n{total.requests:,} requests of wrk: {total.refused} answers other than 2xx or 3xx, "
          f"{total.broken} socket errors.")


class Total:
    """What wrk has seen so far. Anything wrong ends the benchmark: its figures would be of something else."""

    def __init__(self):
        self.requests = self.refused = self.broken = 0

    def add(self, address, text):
        self.requests += int(re.search(r"(\d+) requests in", text)[1])
        self.refused += sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
        for line in re.findall(r"Socket errors: (.*)", text):
            self.broken += sum(int(number) for number in re.findall(r"\d+", line))
        if self.refused or self.broken:
            raise SystemExit(f"{address}: {self.refused} answers other than 2xx or 3xx, "
                             f"{self.broken} socket errors:\n{text}")


def speed(program, scripts, rounds, seconds, total):
    print("\n## The listener")
    print(f"`wrk -t2 -c4`, {rounds} interleaved rounds of {seconds} s, median requests per second.\n")
    print("| script | Lighttpd mod_cgi | wsgi-cgi serve | ratio (each round) | wanted |\n|---|---|---|---|---|")

    def compare(name, theirs, ours, wanted):
        figures = [(rate(theirs, seconds, total), rate(ours, seconds, total)) for _ in range(rounds)]
        print(f"| {name} | {cells(figures, 0)} | {wanted} |", flush=True)

    with lighttpd(scripts) as theirs, serve(program, scripts) as (ours, _):
        same(f"{theirs}/static", f"{ours}/static")
        compare("static C", f"{theirs}/static", f"{ours}/static", 1.3)
    for name, python in peers.interpreters():
        _, folder, module, attribute, _ = next(peers.applications(python))
        values = {"python": python, "folder": str(folder), "module": module, "attribute": attribute}
        script(scripts / "wsgiref", WSGIREF.format(**values))
        script(scripts / "bare", BARE.format(**values))
        hello = ["--python", python, folder / f"{module}.py"]
        with lighttpd(scripts) as theirs, serve(program, *hello) as (ours, _):
            same(f"{theirs}/wsgiref", f"{ours}/")
            compare(f"hello, {name}", f"{theirs}/wsgiref", f"{ours}/", 2.5)
        # What an interpreter alone leaves to be won: no WSGI, no site, the same listener.
        with lighttpd(scripts) as theirs, serve(program, scripts) as (ours, _):
            label = "the same, and `python -I -S -c print(…)` as the script of ours"
            compare(label, f"{theirs}/wsgiref", f"{ours}/bare", "")


def latency(program, scripts, rounds, seconds, total):
    print(f"\nLatency of the static C program, `wrk -t2 -c8`, {rounds} interleaved rounds of {seconds} s, "
          "p99 in milliseconds.\n")
    print("| Lighttpd mod_cgi | wsgi-cgi serve | ratio (each round) | wanted |\n|---|---|---|---|")
    with lighttpd(scripts) as theirs, serve(program, scripts) as (ours, _):
        addresses = (f"{theirs}/static", f"{ours}/static")
        figures = [[tail(address, seconds, total) for address in addresses] for _ in range(rounds)]
    print(f"| {cells(figures, 1)} | at most 1 |", flush=True)


def cells(figures, digits):
    """Both medians, their ratio, and the ratio of each round."""
    theirs, ours = (statistics.median(column) for column in zip(*figures))
    each = ", ".join(f"{our / their:.2f}" for their, our in figures)
    return f"{theirs:.{digits}f} | {ours:.{digits}f} | **{ours / theirs:.2f}** ({each})"


def memory(program, scripts, requests, total):
    print("\nMemory of a fresh listener process, MiB, static C program, 4 connections.\n")
    print("| requests | VmRSS | VmHWM | wanted |\n|---|---|---|---|")
    with serve(program, scripts) as (address, pid):
        counted(urllib.parse.urlsplit(f"{address}/static"), 1000)
        first = row(1000, pid, "below 10")
        done, deadline = 1000, time.monotonic() + 600
        while done < requests:
            if time.monotonic() > deadline:
                raise SystemExit(f"only {done:,} of {requests:,} requests in ten minutes")
            before = total.requests
            wrk(f"{address}/static", 2, 4, total)
            done += total.requests - before
        last = row(done, pid, "below 10, flat")
        # A child that has just ended is a zombie until its parent has looked.
        time.sleep(1)
        print(f"\nGrowth {last - first:+.2f} MiB. Zombies among the listener's children: {zombies(pid)} (wanted: 0).")


def counted(address, requests, connections=4):
    """So many requests, exactly; wrk counts seconds."""

    def some(number):
        with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=30)) as connection:
            for _ in range(number):
                connection.request("GET", address.path)
                response = connection.getresponse()
                answer = response.status, response.read()
                if answer != (200, b"hello\n"):
                    raise SystemExit(f"{address.geturl()}: {answer}")

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        list(pool.map(some, [requests // connections] * connections))


def row(requests, pid, wanted):
    status = Path(f"/proc/{pid}/status").read_text()
    now, peak = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) / MEBIBYTES for name in ("VmRSS", "VmHWM"))
    print(f"| {requests:,} | {now:.2f} | {peak:.2f} | {wanted} |", flush=True)
    return now


def zombies(pid):
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before it may contain anything.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            found += (state, parent) == ("Z", str(pid))
    return found


def same(theirs, ours):
    """Both answer the same: else one is fast because it does something else."""
    got = []
    for address in map(urllib.parse.urlsplit, (theirs, ours)):
        with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=30)) as connection:
            connection.request("GET", address.path)
            response = connection.getresponse()
            got.append((response.status, response.headers["Content-Type"], response.read()))
    if got[0] != got[1] or got[0][0] != 200 or not got[0][2]:
        raise SystemExit(f"not the same 200 with a body from {theirs} and {ours}: {got}")


def rate(address, seconds, total):
    return float(re.search(r"Requests/sec:\s+([\d.]+)", wrk(address, seconds, 4, total))[1])


def tail(address, seconds, total):
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", wrk(address, seconds, 8, total)).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(address, seconds, connections, total):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    total.add(address, done.stdout)
    return done.stdout


@contextlib.contextmanager
def lighttpd(scripts):
    with tempfile.TemporaryDirectory(prefix="wsgi-cgi-bench-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        configuration = Path(folder) / "lighttpd.conf"
        configuration.write_text(LIGHTTPD.format(scripts=scripts, port=port))
        with running(["lighttpd", "-D", "-f", configuration]) as (process, log):
            wait_for(process, log, lambda: answers(port))
            yield f"http://127.0.0.1:{port}"


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def serve(program, *arguments):
    with running([program, "serve", "--bind=127.0.0.1:0", *arguments]) as (process, log):
        found = wait_for(process, log, lambda: re.search(r"http://[\d.:]+", told(log)))
        yield found[0], process.pid


@contextlib.contextmanager
def running(command):
    """A server, its stderr in a file: ended whatever happens."""
    # Appended to: the server and we share the position in it.
    with tempfile.TemporaryFile("a+") as log:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process, log
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=20)


def wait_for(process, log, ready):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if found := ready():
            return found
        time.sleep(0.01)
    raise SystemExit(f"{process.args[0]} does not listen: {told(log)}")


def told(log):
    log.seek(0)
    return log.read()


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
