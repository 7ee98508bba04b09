"""An application assembled by PasteDeploy. Try it: wsgi-cgi app.py"""

import os
from pathlib import Path

from paste.deploy import loadapp

secret_key = os.environ.get("SECRET_KEY", "for trying it out only")
ini = Path(__file__).resolve().with_name("app.ini")

application = loadapp(f"config:{ini}", global_conf={"secret_key": secret_key})
