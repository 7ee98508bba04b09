"""A small site in Flask. Try it: wsgi-cgi app.py"""

import hashlib
import os
import time

from flask import Flask, redirect, render_template, request, session, url_for
from markupsafe import escape

app = Flask(__name__)
# Every request is a process of its own, so the key must be the same in each: never a random one.
app.secret_key = os.environ.get("SECRET_KEY", "for trying it out only")


@app.get("/")
def index():
    return render_template("index.html")


@app.get("/hello/<name>")
def hello(name):
    return f"<p>Hello, {escape(name)}!</p>"


@app.post("/hello")
def greet():
    return redirect(url_for("hello", name=request.form["name"]), 303)


@app.get("/search")
def search():
    return f"<p>You searched for: {escape(request.args.get('q', ''))}</p>"


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return {"name": file.filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@app.get("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@app.get("/count")
def count():
    def numbers():
        for number in range(1, 4):
            yield f"{number}\n"
            time.sleep(0.1)

    return numbers(), {"Content-Type": "text/plain"}


@app.get("/fail")
def fail():
    raise RuntimeError("this page fails on purpose")
