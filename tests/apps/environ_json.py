"""Answers with the environ as JSON: what is text, and wsgi.input as the text that it holds."""

import json


def application(environ, start_response):
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    shown["wsgi.input"] = environ["wsgi.input"].read().decode("latin-1")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]
