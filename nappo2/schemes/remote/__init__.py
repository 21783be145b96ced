"""Workers as Ray actors. The only package that imports ray."""

from nappo2.schemes.remote import tokens  # noqa: F401, before ray is imported

# isort: split

from nappo2.schemes.remote.backend import on_ray
from nappo2.schemes.remote.nodes import actors_of

__all__ = ["actors_of", "on_ray"]
