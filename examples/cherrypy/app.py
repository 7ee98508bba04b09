"""A small site in CherryPy: a tree of objects. Try it: wsgi-cgi app.py"""

import hashlib
import time
from html import escape
from pathlib import Path
from urllib.parse import quote

import cherrypy
from cherrypy.lib.sessions import FileSession

HERE = Path(__file__).resolve().parent
SESSIONS = HERE / "sessions"


class Site:
    @cherrypy.expose
    def index(self):
        return f"""<!doctype html>
<title>CherryPy</title>
<link rel="stylesheet" href="{cherrypy.url("/static/style.css")}">
<h1>Hello from CherryPy</h1>
<ul>
  <li><a href="{cherrypy.url("/hello/" + quote("Zoë"))}">Hello, Zoë</a>
  <li><a href="{cherrypy.url("/search", qs={"q": "crème brûlée"})}">A search</a>
  <li><a href="{cherrypy.url("/visits")}">How often you came</a>
  <li><a href="{cherrypy.url("/count")}">A response in pieces</a>
  <li><a href="{cherrypy.url("/fail")}">An error</a>
</ul>
"""

    @cherrypy.expose
    def hello(self, name):
        if cherrypy.request.method == "POST":
            raise cherrypy.HTTPRedirect(cherrypy.url("/hello/" + quote(name)), 303)
        return f"<p>Hello, {escape(name)}!</p>"

    @cherrypy.expose
    def search(self, q=""):
        return f"<p>You searched for: {escape(q)}</p>"

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    @cherrypy.tools.json_out()
    def upload(self, file):
        data = file.file.read()
        digest = hashlib.sha256(data).hexdigest()
        return {"name": file.filename, "size": len(data), "sha256": digest}

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def visits(self):
        cherrypy.session["visits"] = cherrypy.session.get("visits", 0) + 1
        return {"visits": cherrypy.session["visits"]}

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def count(self):
        def numbers():
            for number in range(1, 4):
                yield f"{number}\n"
                time.sleep(0.1)

        cherrypy.response.headers["Content-Type"] = "text/plain"
        return numbers()

    @cherrypy.expose
    def fail(self):
        raise RuntimeError("this page fails on purpose")


# CherryPy's defaults are for its own server: they show tracebacks to visitors, log to a screen
# and keep sessions in memory, which ends with the request here.
cherrypy.config.update({"environment": "embedded"})
SESSIONS.mkdir(mode=0o700, exist_ok=True)
CONFIG = {
    "/": {
        "log.wsgi": True,
        "tools.sessions.on": True,
        "tools.sessions.storage_class": FileSession,
        "tools.sessions.storage_path": str(SESSIONS),
        "tools.sessions.clean_freq": 0,
    },
    "/static": {
        "tools.sessions.on": False,
        "tools.staticdir.on": True,
        "tools.staticdir.dir": str(HERE / "static"),
    },
}

# None: the script's name comes from the server with each request.
application = cherrypy.Application(Site(), script_name=None, config=CONFIG)
