"""Training schemes: where the line from rollouts to params is cut."""

from nappo2.schemes._workers import workers
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.merging import merge
from nappo2.schemes.reduction import all_reduce
from nappo2.schemes.seven import (
    TAKES,
    asynchronous_collection,
    asynchronous_collection_and_gradients,
    asynchronous_collection_synchronous_gradients,
    asynchronous_gradients,
    central,
    decentralised_update,
    scheme,
    synchronous_gradients,
)
from nappo2.stages.compatibility import SCHEMES


def on_ray(*args, **kwargs) -> Backend:
    """Workers as Ray actors: see ``nappo2.schemes.remote.on_ray``, which this imports only now."""
    from nappo2.schemes.remote import on_ray

    return on_ray(*args, **kwargs)


__all__ = [
    "SCHEMES",
    "TAKES",
    "Backend",
    "all_reduce",
    "asynchronous_collection",
    "asynchronous_collection_and_gradients",
    "asynchronous_collection_synchronous_gradients",
    "asynchronous_gradients",
    "central",
    "decentralised_update",
    "merge",
    "on_ray",
    "scheme",
    "serial",
    "synchronous_gradients",
    "workers",
]
