from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("hello", views.greet, name="greet"),
    path("hello/<name>", views.hello, name="hello"),
    path("search", views.search, name="search"),
    path("upload", views.upload, name="upload"),
    path("visits", views.visits, name="visits"),
    path("count", views.count, name="count"),
    path("fail", views.fail, name="fail"),
]
