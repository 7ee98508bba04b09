"""Answers with the environ, a line for each key."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    lines = (f"{name} = {value!r}\n" for name, value in sorted(environ.items()))
    return ["".join(lines).encode("utf-8", "backslashreplace")]
