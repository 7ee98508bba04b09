"""Runs an application by the CGI handler of Python's own library: FOLDER, FILE or MODULE, and the name in it."""

import importlib
import importlib.util
import sys
from wsgiref.handlers import CGIHandler

folder, source, name, *search = sys.argv[1:]
sys.path[0:0] = [*search, folder]
if source.endswith("/") or "/" in source:
    from importlib.machinery import SourceFileLoader

    loader = SourceFileLoader("wsgi_application", source)
    spec = importlib.util.spec_from_file_location("wsgi_application", source, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    loader.exec_module(module)
else:
    module = importlib.import_module(source)


def find():
    if name:
        found = module
        for part in name.removesuffix("()").split("."):
            found = getattr(found, part)
        return found() if name.endswith("()") else found
    for known in ("application", "app"):
        if hasattr(module, known):
            return getattr(module, known)
    for factory in ("create_app", "make_app"):
        if hasattr(module, factory):
            return getattr(module, factory)()
    sys.exit("name the application behind a colon: wsgiref needs to be told")


found = find()
CGIHandler().run(found if callable(found) else found.wsgifunc())
