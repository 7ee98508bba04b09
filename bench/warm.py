"""Warm mode beside a static C program, wsgiref's CGIHandler and a persistent server."""

import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import listener
import peers
import servers
from timing import REQUEST, milliseconds

HOUSE = Path(__file__).resolve().parent.parent
# At most so many times the C program's time, at least so many times faster than wsgiref.
WANTED = {"hello": ("2.5", "12"), "Flask": ("4", "50"), "Django": ("4.5", "60")}


def warm(program, rounds, seconds):
    python = peers.virtualenv("system", Path("/usr/bin/python3"))
    with tempfile.TemporaryDirectory(prefix="wsgi-cgi-bench-") as folder:
        program = Path(shutil.copy(program, folder))
        environment = {**REQUEST, "TMPDIR": folder}
        try:
            processes(program, python, environment, rounds)
            served(program, python, seconds)
            persistent(program, python, folder, seconds)
            memory(program, python, environment)
        finally:
            by_hand = {"PATH": REQUEST["PATH"], "TMPDIR": folder}
            subprocess.run([program, "warm", "stop"], env=by_hand, stdout=subprocess.DEVNULL)


def command(program, python, folder, module, *options):
    return [program, "--warm", *options, "--python", python, folder / f"{module.replace('.', '/')}.py"]


def start(words, environment):
    """The zygote that this command would use."""
    environment = {name: value for name, value in environment.items() if name != "GATEWAY_INTERFACE"}
    subprocess.run([words[0], "warm", "start", *words[1:]], env=environment, check=True, stdout=subprocess.DEVNULL)


def processes(program, python, environment, rounds):
    print("\n## Warm mode\nWhole process, exec to exit, milliseconds (median; and until the output ends).\n")
    print("| application | C program | wsgiref | warm | and rehearsed | times C (rehearsed) | times faster than wsgiref |")
    print("|---|---|---|---|---|---|---|")
    for name, folder, module, attribute, _ in peers.applications(python):
        rehearsed = command(program, python, folder, module, "--warm-rehearse=/")
        plain = command(program, python, folder, module)
        commands = {
            "c": [peers.static_program()],
            "wsgiref": [python, HOUSE / "bench/reference.py", folder, module, attribute],
            "warm": plain,
            "rehearsed": rehearsed,
        }
        for words in (plain, rehearsed):
            start(words, environment)
        times = {key: [] for key in commands}
        for number in range(rounds + 2):
            for key, words in commands.items():
                both = milliseconds(words, environment)
                if number > 1:
                    times[key].append(both)
        median, end = ({key: statistics.median(value[part] for value in values) for key, values in times.items()} for part in (0, 1))
        cells = " | ".join(f"{median[key]:.2f} ({end[key]:.2f})" for key in times)
        times_c = f"**{median['warm'] / median['c']:.2f}** ({median['rehearsed'] / median['c']:.2f})"
        most, least = WANTED[name]
        faster = f"**{median['wsgiref'] / median['warm']:.0f}** ({median['wsgiref'] / median['rehearsed']:.0f})"
        print(f"| {name} | {cells} | {times_c}, wanted at most {most} | {faster}, wanted {least} |", flush=True)


def served(program, python, seconds):
    """The same scripts by each server's CGI, keep-alive, four connections."""
    print(f"\nRequests per second, `wrk -t2 -c4`, 3 interleaved rounds of {seconds} s, medians.\n")
    print("| server | C program | hello | Flask | Flask, wsgiref |\n|---|---|---|---|---|")
    total = listener.Total()
    for name in ("lighttpd", "apache-cgid", "apache-cgi"):
        with servers.server(name, program, peers.static_program()) as (port, root):
            applications = {label: values for label, *values in peers.applications(python)}
            scripts = root / "cgi-bin"
            for label in ("hello", "Flask"):
                folder, module, attribute, _ = applications[label]
                # No shell between the server and us: the pragma names the application's own interpreter.
                text = f"#!{program} --warm\n# wsgi-cgi: warm-rehearse=/ python={python} path={folder}\nfrom {module} import {attribute} as application\n"
                servers.write(scripts / f"warm-{label}.cgi", text)
                values = {"python": python, "folder": str(folder), "module": module, "attribute": attribute}
                servers.write(scripts / f"wsgiref-{label}.cgi", listener.WSGIREF.format(**values))
            program.parent.chmod(0o755)
            names = ["static-hello", "warm-hello", "warm-Flask", "wsgiref-Flask"]
            addresses = [f"http://127.0.0.1:{port}/cgi-bin/{script}.cgi" for script in names]
            for address in addresses:
                for _ in range(3):
                    subprocess.run(["curl", "-sf", "-o", "/dev/null", address], check=True)
                    time.sleep(0.7)
            rounds = [[listener.rate(address, seconds, total) for address in addresses] for _ in range(3)]
            cells = " | ".join(f"{statistics.median(column):.0f}" for column in zip(*rounds))
            print(f"| {name} | {cells} |", flush=True)


def persistent(program, python, folder, seconds):
    """`serve --warm` beside gunicorn with two workers, the same applications."""
    print(f"\n`serve --warm` beside gunicorn with 2 workers, `wrk -t2 -c4`, 3 interleaved rounds of {seconds} s, medians.\n")
    print("| application | gunicorn | serve --warm | part | wanted |\n|---|---|---|---|---|")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "gunicorn"], check=True)
    total = listener.Total()
    for name, place, module, attribute, _ in peers.applications(python):
        if name == "Django":
            continue
        words = ["--warm", "--warm-rehearse=/", "--python", python, place / f"{module}.py"]
        with gunicorn(python, place, f"{module}:{attribute}") as theirs, listener.serve(program, *words) as (ours, _):
            for _ in range(3):
                subprocess.run(["curl", "-sf", "-o", "/dev/null", f"{ours}/"], check=True)
                time.sleep(0.7)
            rounds = [[listener.rate(f"{address}/", seconds, total) for address in (theirs, ours)] for _ in range(3)]
            gunicorns, warms = (statistics.median(column) for column in zip(*rounds))
            wanted = {"hello": 1800, "Flask": 600}[name]
            print(f"| {name} | {gunicorns:.0f} | {warms:.0f} | {warms / gunicorns:.2f} | {wanted} |", flush=True)


@contextlib.contextmanager
def gunicorn(python, folder, application):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [python.parent / "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", application]
    process = subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        servers.wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


ALONE = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")))
"""


def memory(program, python, environment):
    """Each zygote with its spares, beside the same application imported by Python alone."""
    print("\nProportional memory (PSS), MB.\n\n| application | imported alone | zygote and spares | wanted at most |\n|---|---|---|---|")
    by_hand = {name: environment[name] for name in ("PATH", "TMPDIR")}
    text = subprocess.check_output([program, "warm", "status"], env=by_hand, text=True)
    for name, folder, module, *_ in peers.applications(python):
        file = re.escape(str(folder / f"{module.replace('.', '/')}.py"))
        alone = int(subprocess.check_output([python, "-c", ALONE, folder, module])) / 1024
        # Those that other processes and servers were measured with are there as well.
        for found in re.finditer(rf"^{file}\n(?:  .*\n)*?  waiting +(\d+).*\n  memory +([\d.]+) MB", text, re.M):
            spares, together = int(found[1]), float(found[2])
            print(f"| {name} | {alone:.1f} | {together:.1f} with {spares} | {1.3 * alone + 2 * spares:.1f} |", flush=True)
