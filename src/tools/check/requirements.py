"""Compares what an application asks for with what this interpreter has: FOLDER, and FILE or nothing; JSON on stdout."""

import importlib.metadata as metadata
import json
import os
import re
import sys

folder, file = sys.argv[1:]
found = []
result = {"version": sys.version.split()[0], "found": found, "lacks": None, "sources": []}


def library(name):
    for prefix in ("", "pip._vendor."):
        try:
            return __import__(prefix + name, fromlist=["x"])
        except ImportError:
            pass


requirements, specifiers = library("packaging.requirements"), library("packaging.specifiers")
toml = library("tomllib") or library("tomli")
python = ".".join(map(str, sys.version_info[:3]))


def tell(kind, what, place, package=""):
    entry = {"kind": kind, "what": what, "place": place, "package": package}
    if entry not in found:
        found.append(entry)


def needs(text, place):
    """One requirement, as PEP 508 has it."""
    try:
        wanted = requirements.Requirement(text)
    except requirements.InvalidRequirement:
        return
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return tell("missing", f"{wanted.name} is not installed", place, text)
    if version and not wanted.specifier.contains(version, prereleases=True):
        tell("version", f"{wanted.name} is {version}, and not {wanted.specifier}", place, text)


def python_is(text, what, place):
    try:
        fits = specifiers.SpecifierSet(text or "").contains(python, prereleases=True)
    except specifiers.InvalidSpecifier:
        return
    if not fits:
        tell("python", f"{what} asks for Python {text}, and this is {python}", place, text)


def lines(path, seen=()):
    """A requirements file's requirements; options that name no package are left out."""
    with open(path, encoding="utf-8", errors="replace") as text:
        for line in text.read().replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*$", "", line).strip()
            nested = re.match(r"(?:-r|--requirement)[\s=]+(\S+)", line)
            if nested:
                other = os.path.join(os.path.dirname(path), nested[1])
                if os.path.isfile(other) and other not in seen:
                    yield from lines(other, (*seen, path))
            elif line and not line.startswith("-"):
                yield re.split(r"\s--", line)[0], path


def project(path):
    with open(path, "rb") as text:
        data = toml.load(text).get("project", {})
    python_is(data.get("requires-python"), "the project", path)
    for line in data.get("dependencies", ()):
        needs(line, path)


def script(path):
    """A script's own block (PEP 723): comments between `# /// script` and `# ///`."""
    block = None
    with open(path, encoding="utf-8", errors="replace") as text:
        for line in text.read().splitlines():
            if block is None:
                block = [] if line == "# /// script" else None
            elif line == "# ///":
                break
            elif line == "#" or line.startswith("# "):
                block.append(line[2:])
            else:
                return False
        else:
            return False
    if toml is None:
        result["lacks"] = "tomli"
        return True
    data = toml.loads("\n".join(block))
    python_is(data.get("requires-python"), "the script", path)
    for line in data.get("dependencies", ()):
        needs(line, path)
    return True


def of(name):
    path = os.path.join(folder, name)
    if os.path.isfile(path):
        result["sources"].append(path)
        return path


listed, described = of("requirements.txt"), of("pyproject.toml")
if requirements is None or specifiers is None:
    result["lacks"] = "packaging" if listed or described else None
else:
    if listed:
        try:
            for text, place in lines(listed):
                needs(text, place)
        except OSError as error:
            tell("unreadable", str(error), listed)
    if described and toml is None:
        result["lacks"] = "tomli"
    elif described:
        try:
            project(described)
        except (OSError, ValueError) as error:
            tell("unreadable", str(error), described)
    if os.access(file, os.R_OK):
        try:
            if script(file):
                result["sources"].append(file)
        except (OSError, ValueError) as error:
            tell("unreadable", str(error), file)
    for distribution in metadata.distributions():
        name = distribution.metadata.get("Name")
        if name:
            python_is(distribution.metadata.get("Requires-Python"), name, str(distribution.locate_file("")))
print(json.dumps(result))
