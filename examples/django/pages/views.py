import hashlib
import time

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from .models import Greeting


def index(request):
    return render(request, "pages/index.html")


def hello(request, name):
    return HttpResponse(format_html("<p>Hello, {}!</p>", name))


@require_POST
def greet(request):
    greeting = Greeting.objects.create(name=request.POST["name"])
    return HttpResponseRedirect(reverse("hello", args=[greeting.name]), status=303)


def search(request):
    return HttpResponse(format_html("<p>You searched for: {}</p>", request.GET.get("q", "")))


@require_POST
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest()})


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def count(request):
    def numbers():
        for number in range(1, 4):
            yield f"{number}\n"
            time.sleep(0.1)

    return StreamingHttpResponse(numbers(), content_type="text/plain")


def fail(request):
    raise RuntimeError("this page fails on purpose")
