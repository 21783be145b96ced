"""Ray itself: starts it or joins one that runs, says which actors have no process, and ends it."""

import atexit
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants

from nappo2.schemes.remote.joining import check_same, chosen_address, join
from nappo2.schemes.remote.modules import of_job, own_modules
from nappo2.schemes.remote.nodes import Needs
from nappo2.schemes.remote.tokens import use_token
from nappo2.schemes.remote.watchdog import watched

ROOM = 256  # CPUs that are declared, as a Ray that somebody uses cannot grow
WITHOUT_PROCESS = ("DEPENDENCIES_UNREADY", "PENDING_CREATION")


@contextmanager
def loopback() -> Iterator[None]:
    """Lets Ray start on the loopback alone, within.

    On Linux it replaces 127.0.0.1 by the address at which others reach the machine, and listens at
    all, unless it is told that there will be no cluster; it reads that when it is imported.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def connect(
    address: str | None,
    each: Sequence[Needs],
    data: bytes,
    runtime_env: Mapping[str, Any] | None,
    logs: bool,
) -> None:
    """Starts or joins Ray, unless this process uses one already.

    Args:
        address: of Ray; None for that of ``RAY_ADDRESS``, or else a Ray of one's own.
        each: what each actor needs.
        data: the pickled pipeline, whose own modules travel to the nodes that are joined.
        runtime_env: of the job, as in Ray; folders in it are uploaded.
        logs: whether to show what workers print.
    """
    if ray.is_initialized():
        check_same(address)
    elif (place := chosen_address(address)) == "local":
        num_cpus = sum(needs.get("CPU", 0) for needs in each)
        start_ray(len(each), num_cpus, logs, of_job(runtime_env, []))
    else:
        join(place, logs, of_job(runtime_env, own_modules(data)))


def has_process(actor: Any) -> bool:
    """Whether Ray has started an actor, which may have ended since."""
    return ray._private.state.actors(actor._actor_id.hex()).get("State") not in WITHOUT_PROCESS


def without_process(actors: Sequence[Any]) -> str | None:
    """A sentence about the actors that Ray has not started yet, and free resources; None if it has all."""
    num = sum(not has_process(actor) for actor in actors)
    if not num:
        return None
    whole, free = ray.cluster_resources(), ray.available_resources()
    there = ", ".join(
        f"{free.get(name, 0):g} of {x:g} {name}"
        for name, x in whole.items()
        if name in ("CPU", "GPU")
    )
    return (
        f"{num} of {len(actors)} workers still wait for Ray to give them a place and a process: "
        f"{there or 'no CPUs'} are free, and {os.getloadavg()[0]:.0f} processes share {os.cpu_count()} cores"
    )


def start_ray(
    num_actors: int, num_cpus: float, logs: bool, runtime_env: dict[str, Any] | None = None
) -> None:
    """Starts Ray on the loopback, quietly, with token authentication and room for more actors.

    Args:
        num_actors: number of actors, for a warning if there are fewer cores.
        num_cpus: what they need in all; at least 256 are declared.
        logs: whether to show what workers print.
        runtime_env: of the job, as in Ray; folders in it are uploaded.
    """
    cores = os.cpu_count() or 1
    if num_actors > cores:
        warnings.warn(
            f"{num_actors} workers share {cores} cores: they take turns, and are no faster for their number",
            stacklevel=7,
        )
    use_token(True)
    with watched(), loopback():
        ray.init(
            address="local",  # and no other that may run on this machine
            num_cpus=max(ROOM, math.ceil(num_cpus)),
            include_dashboard=False,
            log_to_driver=logs,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
            runtime_env=runtime_env,
        )
    atexit.register(end_ray)


def end_ray() -> None:
    """Ends Ray when this process ends, without the two seconds that Ray itself waits.

    Nothing depends on an orderly end of its daemons: their processes are killed, and workers with them.
    """
    if (node := ray._private.worker._global_node) is not None:
        kill = node.kill_all_processes
        node.kill_all_processes = lambda **options: kill(**options | {"allow_graceful": False})
    ray.shutdown()
