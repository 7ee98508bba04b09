"""Several CherryPy applications in one tree. Try it: wsgi-cgi tree.py

The tree compares whole paths, so where the server mounts it below the root, the tree has to know:
PREFIX=/cgi-bin/site.cgi in its environment.
"""

import os

import cherrypy

from app import CONFIG, Site


class Status:
    @cherrypy.expose
    @cherrypy.tools.json_out()
    def index(self):
        return {"status": "well"}


PREFIX = os.environ.get("PREFIX", "")

cherrypy.tree.mount(Site(), PREFIX, CONFIG)
cherrypy.tree.mount(Status(), PREFIX + "/status")

application = cherrypy.tree
