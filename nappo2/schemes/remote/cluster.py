"""Ray itself: starts it where it does not run, finds room for actors, and ends it with the process."""

import atexit
import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import ray
from ray._private import ray_constants

from nappo2.checks import explained
from nappo2.machine.stop import check_interrupt
from nappo2.pipeline import Pipeline
from nappo2.schemes.backend import UNBOUNDED
from nappo2.schemes.remote.watchdog import watched

ROOM = 256  # CPUs that are declared, as a Ray that somebody uses cannot grow
WITHOUT_PROCESS = ("DEPENDENCIES_UNREADY", "PENDING_CREATION")
PLACE_SECONDS = 20.0  # in which an actor finds a place, or it is said what is missing


@explained
def actors_of(pipeline: Pipeline, num: int) -> int:
    """Number of actors of ``num`` workers of a pipeline, with the workers of its inner cuts."""
    total = times = num
    for stage in reversed(pipeline.stages):
        if stage.cut is not None and stage.cut.remote:
            times *= stage.cut.num_workers
            total += times
    return total


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


def find_place(needs: dict[str, float], num_actors: int, logs: bool = False) -> None:
    """Starts Ray on this machine, unless it runs, and waits until it has room for the actors.

    Args:
        needs: resources of each actor, such as ``{"CPU": 1}``.
        num_actors: number of actors.
        logs: whether to show what workers print, if Ray is started here.

    Raises:
        RuntimeError: after 20 s, with what is needed and what there is.
    """
    all_needs = {name: x * num_actors for name, x in needs.items() if x}
    if not ray.is_initialized():
        start_ray(num_actors, all_needs.get("CPU", 0), logs)
    end = monotonic() + PLACE_SECONDS
    while True:
        whole, free = ray.cluster_resources(), ray.available_resources()
        if all(free.get(name, 0) >= x for name, x in all_needs.items()):
            return
        check_interrupt()
        if monotonic() > end:
            there = ", ".join(f"{free.get(k, 0):g} of {whole.get(k, 0):g} {k}" for k in all_needs)
            wanted = ", ".join(f"{x:g} {name}" for name, x in all_needs.items())
            raise RuntimeError(
                f"{num_actors} workers find no place: they need {wanted}, and {there} are free; the "
                "workers of a Learner that is no longer needed go with learner.close()"
            )
        sleep(0.05)


def has_process(actor: Any) -> bool:
    """Whether Ray has started an actor, which may have ended since."""
    return ray._private.state.actors(actor._actor_id.hex()).get("State") not in WITHOUT_PROCESS


def num_fitting(needs: dict[str, float], resources: dict[str, float]) -> int:
    """For how many actors with such needs, as ``{"CPU": 1}``, there are resources."""
    counts = [math.floor(resources.get(name, 0) / x + 1e-6) for name, x in needs.items() if x]
    return min(counts, default=UNBOUNDED)


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
        f"{there} are free, and {os.getloadavg()[0]:.0f} processes share {os.cpu_count()} cores"
    )


def start_ray(num_actors: int, num_cpus: float, logs: bool) -> None:
    """Starts Ray on the loopback, quietly, with token authentication and room for more actors.

    Args:
        num_actors: number of actors, for a warning if there are fewer cores.
        num_cpus: what they need in all; at least 256 are declared.
        logs: whether to show what workers print.
    """
    cores = os.cpu_count() or 1
    if num_actors > cores:
        warnings.warn(
            f"{num_actors} workers share {cores} cores: they take turns, and are no faster for their number",
            stacklevel=7,
        )
    with watched(), loopback():
        ray.init(
            address="local",  # and no other that may run on this machine
            num_cpus=max(ROOM, math.ceil(num_cpus)),
            include_dashboard=False,
            log_to_driver=logs,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
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
