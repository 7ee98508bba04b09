"""The application inside the stack, in WebOb."""

import hashlib
import time
from html import escape
from urllib.parse import quote, urlencode

from webob import Response
from webob.dec import wsgify
from webob.exc import HTTPNotFound, HTTPSeeOther


def index(request):
    base = request.script_name
    return f"""<!doctype html>
<title>Middleware</title>
<h1>Hello from a stack of middleware</h1>
<ul>
  <li><a href="{base}/hello/{quote("Zoë")}">Hello, Zoë</a>
  <li><a href="{base}/search?{urlencode({"q": "crème brûlée"})}">A search</a>
  <li><a href="{base}/visits">How often you came</a>
  <li><a href="{base}/count">A response in pieces</a>
  <li><a href="{base}/fail">An error</a>
</ul>
"""


def hello(request):
    if request.method == "POST":
        raise HTTPSeeOther(
            location=f"{request.application_url}/hello/{quote(request.POST['name'])}"
        )
    name = request.path_info.rpartition("/")[2]
    return f"<p>Hello, {escape(name)}!</p>"


def search(request):
    return f"<p>You searched for: {escape(request.GET.get('q', ''))}</p>"


def upload(request):
    field = request.POST["file"]
    data = field.file.read()
    digest = hashlib.sha256(data).hexdigest()
    return Response(json_body={"name": field.filename, "size": len(data), "sha256": digest})


def visits(request):
    session = request.environ["beaker.session"]
    session["visits"] = session.get("visits", 0) + 1
    return Response(json_body={"visits": session["visits"]})


def count(request):
    def numbers():
        for number in range(1, 4):
            yield f"{number}\n".encode()
            time.sleep(0.1)

    return Response(app_iter=numbers(), content_type="text/plain")


def fail(request):
    raise RuntimeError("this page fails on purpose")


PAGES = {
    None: index,
    "": index,
    "hello": hello,
    "search": search,
    "upload": upload,
    "visits": visits,
    "count": count,
    "fail": fail,
}


@wsgify
def pages(request):
    page = PAGES.get(request.path_info_peek())
    return page(request) if page else HTTPNotFound()


def factory(global_config, **settings):
    """What `paste.app_factory` calls."""
    return pages
