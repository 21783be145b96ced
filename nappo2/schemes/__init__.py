"""Training schemes: where the line from rollouts to params is cut."""

from nappo2.schemes._workers import workers
from nappo2.schemes.backend import Backend, serial
from nappo2.schemes.grammar import Word, all_words, parse
from nappo2.schemes.merging import merge
from nappo2.schemes.named import (
    asynchronous_collection,
    asynchronous_collection_and_gradients,
    asynchronous_collection_synchronous_gradients,
    asynchronous_gradients,
    central,
    decentralised_update,
    synchronous_collection,
    synchronous_gradients,
)
from nappo2.schemes.papers import PAPERS, Paper
from nappo2.schemes.reduction import all_reduce, all_updates
from nappo2.schemes.timing import read_timing, record_timing, replay_timing
from nappo2.schemes.words import TAKES, scheme
from nappo2.stages.compatibility import SCHEMES


def on_ray(*args, **kwargs) -> Backend:
    """Workers as Ray actors: see ``nappo2.schemes.remote.on_ray``, which this imports only now."""
    from nappo2.schemes.remote import on_ray

    return on_ray(*args, **kwargs)


__all__ = [
    "PAPERS",
    "SCHEMES",
    "TAKES",
    "Backend",
    "Paper",
    "Word",
    "all_reduce",
    "all_updates",
    "all_words",
    "asynchronous_collection",
    "asynchronous_collection_and_gradients",
    "asynchronous_collection_synchronous_gradients",
    "asynchronous_gradients",
    "central",
    "decentralised_update",
    "merge",
    "on_ray",
    "parse",
    "read_timing",
    "record_timing",
    "replay_timing",
    "scheme",
    "serial",
    "synchronous_collection",
    "synchronous_gradients",
    "workers",
]
