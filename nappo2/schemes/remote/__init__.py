"""Workers as Ray actors. The only package that imports ray."""

import os
import sys

if "ray" not in sys.modules:  # which reads this once, when it is imported
    os.environ.setdefault("RAY_AUTH_MODE", "token")

from nappo2.schemes.remote.backend import on_ray
from nappo2.schemes.remote.places import actors_of

__all__ = ["actors_of", "on_ray"]
