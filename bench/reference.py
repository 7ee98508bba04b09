"""The peer: the same application under wsgiref's CGIHandler, as people deploy it by hand today."""

import importlib
import sys
from wsgiref.handlers import CGIHandler

folder, module, name = sys.argv[1:]
sys.path.insert(0, folder)
CGIHandler().run(getattr(importlib.import_module(module), name))
