"""AWS Lambda: the time of an adapter for one event, and of its init, beside awslambdaric with apig-wsgi.

The runtime API's place is taken by a socket of this process, which gives the same event at once and answers 202:
what is measured is the time from the event's last byte to the result's, on loopback.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import peers

EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/",
    "rawQueryString": "a=1&b=2",
    "cookies": ["session=1"],
    "headers": {
        "host": "abc.lambda-url.eu-central-1.on.aws",
        "accept": "text/html,application/xhtml+xml",
        "accept-encoding": "gzip, deflate, br",
        "user-agent": "Mozilla/5.0",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    },
    "requestContext": {
        "accountId": "anonymous",
        "apiId": "abc",
        "domainName": "abc.lambda-url.eu-central-1.on.aws",
        "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
        "requestId": "7a1f",
        "routeKey": "$default",
        "stage": "$default",
        "time": "21/Nov/2026:12:00:00 +0000",
        "timeEpoch": 1795262400000,
    },
    "isBase64Encoded": False,
}

HANDLER = """
import sys
sys.path.insert(0, {folder!r})
from apig_wsgi import make_lambda_handler
from {module} import {attribute} as application
handler = make_lambda_handler(application)
"""


class Api:
    """One connection after another, one request after another: what a runtime does."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connection = None
        self.buffer = b""
        self.sent = None

    def read(self):
        """The next request's first line; its body is thrown away."""
        while True:
            if self.connection is None:
                self.connection, _ = self.listener.accept()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.buffer = b""
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                length = int(length[0].split(b":")[1]) if length else 0
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return head.split(b"\r\n")[0].decode(), rest[:length]
            piece = self.connection.recv(65536)
            if not piece:
                self.connection = None
                continue
            self.buffer += piece

    def answer(self, status, fields, body=b""):
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        self.connection.sendall(head + body)

    def give(self, event, number):
        """Gives an event to who has asked for one; the time until the result is here, in milliseconds."""
        fields = {
            "Lambda-Runtime-Aws-Request-Id": f"request-{number}",
            "Lambda-Runtime-Deadline-Ms": int(time.time() * 1000) + 30_000,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:1:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            "Content-Type": "application/json",
        }
        # Before the event leaves: the runtime may take this process's place at once.
        began = time.perf_counter_ns()
        self.answer("200 OK", fields, event)
        line, body = self.read()
        elapsed = (time.perf_counter_ns() - began) / 1e6
        assert line.startswith("POST ") and "/response " in line, (line, body)
        result = json.loads(body)
        assert result["statusCode"] == 200, result
        self.answer("202 Accepted", {"Content-Type": "application/json"}, b'{"status":"OK"}')
        line, _ = self.read()
        assert line.startswith("GET "), line
        return elapsed


def runtimes(program, python, application, folder, module, attribute):
    copy = peers.BUILT / "program-lambda"
    shutil.copy(program, copy)
    path = folder / f"{module.replace('.', '/')}.py"
    own = [copy, "lambda", "--python", python]
    handler = peers.BUILT / "handlers" / application
    handler.mkdir(parents=True, exist_ok=True)
    text = HANDLER.format(folder=str(folder), module=module, attribute=attribute)
    (handler / "entry.py").write_text(text)
    return {
        "a C program": ([peers.c_program("runtime")], folder),
        "a fork per event": ([*own, path], folder),
        "the same, `--warm-rehearse=/`": ([*own, "--warm-rehearse=/", path], folder),
        "`--same-process`": ([*own, "--same-process", path], folder),
        "awslambdaric": ([python, "-m", "awslambdaric", "entry.handler"], handler),
    }


def start(command, folder):
    """A runtime that has asked for its first event, and how long that took, in milliseconds."""
    api = Api()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(folder),
        "PYTHONPATH": str(folder),
    }
    began = time.perf_counter_ns()
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    line, _ = api.read()
    elapsed = (time.perf_counter_ns() - began) / 1e6
    assert line.startswith("GET "), line
    return process, api, elapsed


def stop(process):
    process.kill()
    process.wait()


def install(python):
    """The peer, in the virtualenv that holds the frameworks."""
    probe = subprocess.run([python, "-c", "import awslambdaric, apig_wsgi"], stderr=subprocess.DEVNULL)
    if probe.returncode:
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "awslambdaric", "apig-wsgi"], check=True)


def measure(program, rounds):
    name, python = peers.interpreters()[0]
    install(python)
    event = json.dumps(EVENT).encode()
    print("\n## AWS Lambda\nMilliseconds, medians (fastest and slowest tenth); for an event from its last byte to the "
          "result's.\n")
    print("| application | runtime | init: start to first `next` | an event |\n|---|---|---|---|")
    for application, folder, module, attribute, _ in peers.applications(python):
        if application == "Django":
            continue
        found = runtimes(program, python, application, folder, module, attribute)
        inits = {key: [] for key in found}
        events = {key: [] for key in found}
        running = {}
        for number in range(max(rounds // 2, 3)):
            for key, (command, place) in found.items():
                process, api, elapsed = start(command, place)
                # The first fills the caches.
                if number:
                    inits[key].append(elapsed)
                if key in running:
                    stop(process)
                else:
                    running[key] = (process, api)
        for block in range(rounds):
            for key, (_, api) in running.items():
                # What the one before has left to do, it does now: spares are forked after an event.
                time.sleep(0.05)
                for number in range(12):
                    elapsed = api.give(event, number)
                    if block and number > 1:
                        events[key].append(elapsed)
                    time.sleep(0.002)
        for process, _ in running.values():
            stop(process)
        for key in found:
            print(f"| {application} | {key} | {spread(inits[key])} | {spread(events[key], 3)} |", flush=True)
        floor = statistics.median(events["a C program"])
        own = [statistics.median(events[key]) - floor for key in ("a fork per event", "`--same-process`", "awslambdaric")]
        print(f"| | **more than the C program** | | {own[0]:.3f} (fork), {own[1]:.3f} (same process), {own[2]:.3f} |")
        ratio = statistics.median(inits["awslambdaric"]) / statistics.median(inits["a fork per event"])
        same = statistics.median(events["awslambdaric"]) / statistics.median(events["`--same-process`"])
        print(f"| | **ratio to awslambdaric** | **{ratio:.2f}** | **{same:.2f}** (same process) |", flush=True)
    print("\nWanted: init of Flask 1.4 times faster; of an event of hello, what is more than the C program takes below "
          "1.5 ms with a fork and below 0.2 ms in the same process, and there no more than awslambdaric.")


def spread(times, digits=1):
    ordered = sorted(times)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f"{statistics.median(times):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
