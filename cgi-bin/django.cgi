#!/bin/sh
# Starts a Django project (the folder with manage.py) that is kept elsewhere. Change these two lines.
PROJECT="/srv/django"
HOSTS="www.example.org"

set -eu

# The key: one line in a file that only you and the web server's user can read.
#   python3 -c 'import secrets; print(secrets.token_urlsafe(50))' > /srv/django/secret_key
IFS= read -r DJANGO_SECRET_KEY < "$PROJECT/secret_key"
DJANGO_ALLOWED_HOSTS="$HOSTS"
export DJANGO_SECRET_KEY DJANGO_ALLOWED_HOSTS

# A web server may give no PATH at all. It may also give arguments, which are the visitor's
# (?a+b is "a" and "b"): never pass on "$@".
PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
export PATH

exec wsgi-cgi "$PROJECT"
