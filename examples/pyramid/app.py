"""A small site in Pyramid. Try it: wsgi-cgi app.py"""

import hashlib
import os
import time
from html import escape
from pathlib import Path

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory
from pyramid.view import view_config

STATIC = str(Path(__file__).resolve().parent / "static")


@view_config(route_name="index")
def index(request):
    return Response(f"""<!doctype html>
<title>Pyramid</title>
<link rel="stylesheet" href="{request.static_path(STATIC + "/style.css")}">
<h1>Hello from Pyramid</h1>
<ul>
  <li><a href="{request.route_path("hello", name="Zoë")}">Hello, Zoë</a>
  <li><a href="{request.route_path("search", _query={"q": "crème brûlée"})}">A search</a>
  <li><a href="{request.route_path("visits")}">How often you came</a>
  <li><a href="{request.route_path("count")}">A response in pieces</a>
  <li><a href="{request.route_path("fail")}">An error</a>
</ul>
""")


@view_config(route_name="hello")
def hello(request):
    return Response(f"<p>Hello, {escape(request.matchdict['name'])}!</p>")


@view_config(route_name="greet", request_method="POST")
def greet(request):
    return HTTPSeeOther(request.route_url("hello", name=request.POST["name"]))


@view_config(route_name="search")
def search(request):
    return Response(f"<p>You searched for: {escape(request.GET.get('q', ''))}</p>")


@view_config(route_name="upload", request_method="POST", renderer="json")
def upload(request):
    field = request.POST["file"]
    data = field.file.read()
    return {"name": field.filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@view_config(route_name="visits", renderer="json")
def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


@view_config(route_name="count")
def count(request):
    def numbers():
        for number in range(1, 4):
            yield f"{number}\n".encode()
            time.sleep(0.1)

    return Response(app_iter=numbers(), content_type="text/plain")


@view_config(route_name="fail")
def fail(request):
    raise RuntimeError("this page fails on purpose")


def main(global_config, **settings):
    secret = os.environ.get("SECRET_KEY", "for trying it out only")
    with Configurator(
        settings=settings, session_factory=SignedCookieSessionFactory(secret)
    ) as config:
        config.add_route("index", "/")
        config.add_route("hello", "/hello/{name}")
        config.add_route("greet", "/hello")
        for name in ["search", "upload", "visits", "count", "fail"]:
            config.add_route(name, f"/{name}")
        config.add_static_view("static", STATIC)
        config.scan(__name__)
        return config.make_wsgi_app()


application = main({})
