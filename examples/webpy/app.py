"""A small site in web.py. Try it: wsgi-cgi app.py"""

import hashlib
import json
import time
from pathlib import Path
from urllib.parse import quote

import web

HERE = Path(__file__).resolve().parent
SESSIONS = HERE / "sessions"

web.config.debug = False  # or visitors would see the source of every error

urls = (
    "/?", "Index",
    "/hello/(.+)", "Hello",
    "/hello", "Greet",
    "/search", "Search",
    "/upload", "Upload",
    "/visits", "Visits",
    "/count", "Count",
    "/static/style.css", "Style",
    "/fail", "Fail",
)  # fmt: skip

app = web.application(urls, globals())
SESSIONS.mkdir(mode=0o700, exist_ok=True)
session = web.session.Session(app, web.session.DiskStore(str(SESSIONS)), {"visits": 0})


class Index:
    def GET(self):
        web.header("Content-Type", "text/html; charset=utf-8")
        return f"""<!doctype html>
<title>web.py</title>
<link rel="stylesheet" href="{web.url("/static/style.css")}">
<h1>Hello from web.py</h1>
<ul>
  <li><a href="{web.url("/hello/" + quote("Zoë"))}">Hello, Zoë</a>
  <li><a href="{web.url("/search", q="crème brûlée")}">A search</a>
  <li><a href="{web.url("/visits")}">How often you came</a>
  <li><a href="{web.url("/count")}">A response in pieces</a>
  <li><a href="{web.url("/fail")}">An error</a>
</ul>
"""


class Hello:
    def GET(self, name):
        web.header("Content-Type", "text/html; charset=utf-8")
        return f"<p>Hello, {web.websafe(name)}!</p>"


class Greet:
    def POST(self):
        raise web.seeother("/hello/" + quote(web.input().name))


class Search:
    def GET(self):
        web.header("Content-Type", "text/html; charset=utf-8")
        return f"<p>You searched for: {web.websafe(web.input(q='').q)}</p>"


class Upload:
    def POST(self):
        file = web.input(file={}).file
        data = file.file.read()
        digest = hashlib.sha256(data).hexdigest()
        return answer(name=file.filename, size=len(data), sha256=digest)


class Visits:
    def GET(self):
        session.visits += 1
        return answer(visits=session.visits)


class Count:
    def GET(self):
        web.header("Content-Type", "text/plain")
        for number in range(1, 4):
            yield f"{number}\n"
            time.sleep(0.1)


class Style:
    def GET(self):
        web.header("Content-Type", "text/css")
        return (HERE / "static" / "style.css").read_bytes()


class Fail:
    def GET(self):
        raise RuntimeError("this page fails on purpose")


def answer(**fields):
    web.header("Content-Type", "application/json")
    return json.dumps(fields)


application = app.wsgifunc()
