"""The listener beside Lighttpd's mod_cgi, with the same scripts: requests per second, p99, memory."""

import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import peers

HOUSE = Path(__file__).resolve().parent.parent
LIGHTTPD = """server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
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


def listener(program, rounds, seconds, requests):
    print("\n## The listener")
    print(f"`wrk -t2 -c4`, {rounds} interleaved rounds of {seconds} s, median requests per second.\n")
    print("| script | Lighttpd mod_cgi | wsgi-cgi serve | ratio (each round) | wanted |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="wsgi-cgi-bench-") as folder:
        root = Path(folder)
        shutil.copy(peers.static_program(), root / "static")
        with lighttpd(root) as theirs, serve(program, [root]) as (ours, pid):
            compare("static C", f"{theirs}/static", f"{ours}/static", rounds, seconds, 1.3)
            p99 = [tail(f"{address}/static", seconds) for address in (theirs, ours) for _ in range(rounds)]
            sizes, zombies = memory(f"{ours}/static", pid, requests)
        for name, python in peers.interpreters():
            application = next(peers.applications(python))
            _, app_folder, module, attribute, _ = application
            script(root / "wsgiref", WSGIREF.format(python=python, folder=str(app_folder), module=module, attribute=attribute))
            script(root / "bare", BARE.format(python=python))
            command = ["--python", python, app_folder / f"{module}.py"]
            with lighttpd(root) as theirs, serve(program, command) as (ours, _), serve(program, [root]) as (bare, _):
                compare(f"hello, {name}", f"{theirs}/wsgiref", f"{ours}/", rounds, seconds, 2.5)
                label = "the same, and `python -I -S -c print(…)` as the script of ours"
                compare(label, f"{theirs}/wsgiref", f"{bare}/bare", rounds, seconds, "")
    half = len(p99) // 2
    theirs, ours = statistics.median(p99[:half]), statistics.median(p99[half:])
    print(f"\np99 of the static C program with 8 connections, median: Lighttpd {theirs:.1f} ms, wsgi-cgi {ours:.1f} ms.")
    print(f"\nMemory of the listener, MiB: {sizes}. Zombies at the end: {zombies}.")


def compare(name, theirs, ours, rounds, seconds, wanted):
    figures = [(rate(theirs, seconds), rate(ours, seconds)) for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*figures)]
    each = ", ".join(f"{our / their:.2f}" for their, our in figures)
    ratio = medians[1] / medians[0]
    print(f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} | **{ratio:.2f}** ({each}) | {wanted} |", flush=True)


def rate(address, seconds):
    return float(re.search(r"Requests/sec:\s+([\d.]+)", wrk(address, seconds, 4))[1])


def tail(address, seconds):
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", wrk(address, seconds, 8)).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(address, seconds, connections):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency", address]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    for trouble in ("Non-2xx", "Socket errors"):
        if trouble in text:
            raise SystemExit(f"{address}:\n{text}")
    return text


def memory(address, pid, requests):
    sizes = []
    for wanted in (requests // 100, requests):
        done = 0
        while done < wanted:
            done += int(re.search(r"(\d+) requests in", wrk(address, 2, 4))[1])
        status = Path(f"/proc/{pid}/status").read_text()
        size = {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "VmHWM")}
        sizes.append(f"{size['VmRSS']:.1f} (peak {size['VmHWM']:.1f}) after another {done:,} requests")
    children = subprocess.run(["ps", "-o", "stat=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return "; ".join(sizes), sum(line.startswith("Z") for line in children.splitlines())


@contextlib.contextmanager
def lighttpd(root):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = root / "lighttpd.conf"
    configuration.write_text(LIGHTTPD.format(root=root, port=port))
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin"}
    process = subprocess.Popen(["lighttpd", "-D", "-f", configuration], env=environment, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < end, "lighttpd does not listen"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextlib.contextmanager
def serve(program, arguments):
    with tempfile.TemporaryFile("w+") as log:
        command = [program, "serve", "--debug=false", "--bind=127.0.0.1:0", *arguments]
        process = subprocess.Popen(command, stderr=log)
        try:
            end = time.monotonic() + 20
            address = None
            while not address:
                assert process.poll() is None and time.monotonic() < end, "the listener does not listen"
                time.sleep(0.01)
                log.seek(0)
                address = re.search(r"http://[\d.:]+", log.read())
            yield address[0], process.pid
        finally:
            process.terminate()
            process.wait(timeout=20)


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
