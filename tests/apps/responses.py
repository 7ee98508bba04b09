"""Answers in as many bytes as the query says, or with the response that it names."""

HTML = ("Content-Type", "text/html; charset=utf-8")
KINDS = {
    "png": ([("Content-Type", "image/png")], b"\x89PNG"),
    "gzip": ([HTML, ("Content-Encoding", "gzip")], b"\x1f\x8b\x08\x00"),
    "svg": ([("Content-Type", "image/svg+xml")], b"<svg/>"),
    "json": ([("Content-Type", "application/json")], b'{"a":1}'),
    "latin": ([("Content-Type", "text/plain; charset=ISO-8859-1")], b"\xe9"),
    "notutf8": ([HTML], b"\xff"),
    "utf8": ([HTML], "hé".encode()),
    "untyped": ([("X-A", "1")], b"x"),
}


def application(environ, start_response):
    query = environ["QUERY_STRING"].rstrip("=")
    if query == "cookies":
        cookies = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")]
        start_response("201 Created", [HTML, *cookies, ("X-Many", "one"), ("X-Many", "two")])
        return [b"made"]
    headers, body = KINDS.get(query) or ([HTML], b"x" * int(query))
    start_response("200 OK", headers)
    return [body]
