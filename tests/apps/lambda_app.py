"""What an event's request finds, as JSON; and, by the path, one bad manner each."""

import atexit
import json
import os
import signal
import time

IMPORTED = [1]
CALLS = []

if "AT_EXIT" in os.environ:
    atexit.register(lambda: open(os.environ["AT_EXIT"], "w").close())


def sleeps():
    time.sleep(100)


def streams(environ, start_response):
    cookies = [("Set-Cookie", "c=1"), ("Set-Cookie", "d=2")]
    start_response("203 Non-Authoritative Information", [("Content-Type", "text/plain"), ("X-A", "1"), *cookies])
    yield b"first "
    go = environ["QUERY_STRING"]
    open(os.path.join(os.path.dirname(go), "first"), "w").close()
    while not os.path.exists(go):
        time.sleep(0.01)
    yield b"second"


def application(environ, start_response):
    CALLS.append(1)
    path = environ["PATH_INFO"].rpartition("/")[2]
    if path == "raise":
        raise RuntimeError("on purpose")
    if path == "exit":
        os._exit(3)
    if path == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "orphan":
        if os.fork() == 0:
            os.setsid()
            while not os.path.exists(environ["QUERY_STRING"]):
                time.sleep(0.01)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSEGV)
    if path == "closes":
        os.closerange(3, 256)
        sleeps()
    if path == "sleep":
        sleeps()
    if path == "rehearse":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"rehearsed"]
    if path == "meet":
        own, other = environ["QUERY_STRING"].split("&")
        with open(own + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(own + ".new", own)
        while not os.path.exists(other):
            time.sleep(0.01)
    if path == "stream":
        return streams(environ, start_response)
    if path == "cut":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
        return [b"short"]
    if path == "large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [bytes(1 << 20)] * 7
    context = environ["apig_wsgi.context"]
    assert context is environ["serverless.context"] is environ["awsgi.context"]
    told = {
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "input": environ["wsgi.input"].read().decode(),
        "run_once": environ["wsgi.run_once"],
        "event": environ["apig_wsgi.full_event"]["rawPath"] == environ["serverless.event"]["rawPath"]
        and environ["awsgi.event"]["requestContext"] == environ["apig_wsgi.request_context"],
        "trace": os.environ.get("_X_AMZN_TRACE_ID", ""),
        "function_name": context.function_name,
        "expected_name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "left": context.get_remaining_time_in_millis(),
        "imported": len(IMPORTED),
        "calls": len(CALLS),
        "pid": os.getpid(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
