from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("", include("pages.urls")),
    path("admin/", admin.site.urls),
    # A web server does this faster, from STATIC_ROOT after `manage.py collectstatic`.
    path("static/<path:path>", serve, {"insecure": True}),
]
