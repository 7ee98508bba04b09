"""A small site in Bottle. Try it: wsgi-cgi app.py"""

import hashlib
import os
import time
from pathlib import Path
from urllib.parse import quote

from bottle import Bottle, redirect, request, response, static_file, template

HERE = Path(__file__).parent
SECRET = os.environ.get("SECRET_KEY", "for trying it out only")

app = Bottle()

INDEX = """<!doctype html>
<title>Bottle</title>
<link rel="stylesheet" href="{{url('static', name='style.css')}}">
<h1>Hello from Bottle</h1>
<ul>
  <li><a href="{{url('hello', name=quote('Zoë'))}}">Hello, Zoë</a>
  <li><a href="{{url('search', q='crème brûlée')}}">A search</a>
  <li><a href="{{url('visits')}}">How often you came</a>
  <li><a href="{{url('count')}}">A response in pieces</a>
  <li><a href="{{url('fail')}}">An error</a>
</ul>
"""


@app.get("/")
def index():
    return template(INDEX, url=app.get_url, quote=quote)


@app.get("/hello/<name>", name="hello")
def hello(name):
    return template("<p>Hello, {{name}}!</p>", name=name)


@app.post("/hello")
def greet():
    redirect(app.get_url("hello", name=quote(request.forms.name)))


@app.get("/search", name="search")
def search():
    return template("<p>You searched for: {{q}}</p>", q=request.query.q)


@app.post("/upload")
def upload():
    file = request.files.file
    data = file.file.read()
    return {
        "name": file.raw_filename,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@app.get("/visits", name="visits")
def visits():
    count = int(request.get_cookie("visits", default="0", secret=SECRET)) + 1
    response.set_cookie(
        "visits", str(count), secret=SECRET, path=request.script_name, httponly=True
    )
    return {"visits": count}


@app.get("/count", name="count")
def count():
    response.content_type = "text/plain"
    for number in range(1, 4):
        yield f"{number}\n"
        time.sleep(0.1)


@app.get("/static/<name:path>", name="static")
def static(name):
    return static_file(name, root=HERE / "static")


@app.get("/fail", name="fail")
def fail():
    raise RuntimeError("this page fails on purpose")
