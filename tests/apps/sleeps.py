"""Sleeps for as many seconds as the query says."""

import time


def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"slept"]
