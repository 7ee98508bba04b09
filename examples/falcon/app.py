"""A small site in Falcon. Try it: wsgi-cgi app.py"""

import hashlib
import time
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

import falcon

HERE = Path(__file__).resolve().parent


class Index:
    def on_get(self, req, resp):
        base = req.root_path  # where the server mounted us
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"""<!doctype html>
<title>Falcon</title>
<link rel="stylesheet" href="{base}/static/style.css">
<h1>Hello from Falcon</h1>
<ul>
  <li><a href="{base}/hello/{quote("Zoë")}">Hello, Zoë</a>
  <li><a href="{base}/search?{urlencode({"q": "crème brûlée"})}">A search</a>
  <li><a href="{base}/visits">How often you came</a>
  <li><a href="{base}/count">A response in pieces</a>
  <li><a href="{base}/fail">An error</a>
</ul>
"""

    on_head = on_get


class Hello:
    def on_get_name(self, req, resp, name):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"<p>Hello, {escape(name)}!</p>"

    def on_post(self, req, resp):
        name = req.get_media()["name"]
        raise falcon.HTTPSeeOther(f"{req.prefix}/hello/{quote(name)}")


class Search:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"<p>You searched for: {escape(req.get_param('q', default=''))}</p>"


class Upload:
    def on_post(self, req, resp):
        for part in req.get_media():
            if part.name == "file":
                data = part.stream.read()
                digest = hashlib.sha256(data).hexdigest()
                resp.media = {"name": part.filename, "size": len(data), "sha256": digest}


class Visits:
    def on_get(self, req, resp):
        visits = int(req.cookies.get("visits", 0)) + 1
        resp.set_cookie("visits", str(visits), secure=req.scheme == "https")
        resp.media = {"visits": visits}


class Count:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = self.numbers()

    def numbers(self):
        for number in range(1, 4):
            yield f"{number}\n".encode()
            time.sleep(0.1)


class Fail:
    def on_get(self, req, resp):
        raise RuntimeError("this page fails on purpose")


app = falcon.App()
app.add_route("/", Index())
app.add_route("/hello", Hello())
app.add_route("/hello/{name}", Hello(), suffix="name")
app.add_route("/search", Search())
app.add_route("/upload", Upload())
app.add_route("/visits", Visits())
app.add_route("/count", Count())
app.add_route("/fail", Fail())
app.add_static_route("/static", HERE / "static")
