"""What is compared: interpreters, virtualenvs, applications, and a static C program."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
BUILT = HOUSE / "target/bench"


def interpreters():
    """A virtualenv with Flask and Django of the system's Python, and of the newest one of pyenv."""
    found = [("system", Path("/usr/bin/python3"))]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    shared = sorted(versions.glob("3.1?.*/bin/python3.1?"))
    found += [(f"shared libpython {path.name[6:]}", path) for path in shared if path.name == "python3.11"][:1]
    return [(name, virtualenv(name, path)) for name, path in found]


def virtualenv(name, python):
    folder = BUILT / name.replace(" ", "-")
    wanted = "".join((HOUSE / "examples" / app / "requirements.txt").read_text() for app in ("flask", "django"))
    stamp = folder / "made-from"
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        (folder / "wanted").write_text(wanted)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", folder / "wanted"], check=True)
        stamp.write_text(wanted)
    return folder / "bin/python"


def applications(python):
    """Name, folder, module, attribute, and the ratio that is wanted at least."""
    for name in ("hello", "flask", "django"):
        copy = BUILT / "applications" / name
        if not copy.exists():
            ignored = shutil.ignore_patterns(".venv", "__pycache__", "db.sqlite3", "sessions")
            shutil.copytree(HOUSE / "examples" / name, copy, ignore=ignored)
    django = BUILT / "applications/django"
    if not (django / "db.sqlite3").exists():
        subprocess.run([python, "manage.py", "migrate", "--verbosity", "0"], cwd=django, check=True)
    yield "hello", BUILT / "applications/hello", "app", "application", 2.7
    yield "Flask", BUILT / "applications/flask", "app", "app", 1.45
    yield "Django", django, "mysite.wsgi", "application", 1.4


@functools.cache
def static_program():
    return c_program("static")


@functools.cache
def c_program(name):
    BUILT.mkdir(parents=True, exist_ok=True)
    program = BUILT / name
    source = HOUSE / f"bench/{name}.c"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O2", "-static", "-o", program, source], check=True)
    return program
