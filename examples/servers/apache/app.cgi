#!/usr/local/bin/wsgi-cgi --python=/srv/site/.venv /srv/site/app.py
