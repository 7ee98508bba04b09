#!/bin/sh
# Starts an application that is kept elsewhere. Change this line; blanks in the path do no harm.
APP="/srv/flask/app.py"

# A web server may give no PATH at all. It may also give arguments, which are the visitor's
# (?a+b is "a" and "b"): never pass on "$@".
PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
export PATH

exec wsgi-cgi "$APP"
