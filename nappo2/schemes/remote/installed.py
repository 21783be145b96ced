"""What the nodes of a cluster have installed, compared with what this process has.

Ray itself compares its own version and Python's when a node or a driver joins. A pipeline travels as a
pickle of this package, torch and tensordict, and equal numbers need equal versions: so each node is
asked once, before a worker begins there. One that has others, or none, is left out.
"""

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from time import monotonic
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nappo2.machine.stop import SLICE_SECONDS, check_interrupt
from nappo2.schemes.remote.joining import is_own, is_worker
from nappo2.schemes.remote.nodes import name_of

PACKAGES = ("nappo2", "torch", "tensordict")
ANSWER_SECONDS = 60.0  # in which a node has begun a process that answers

Versions = Mapping[str, str | None]
"""Versions by name, Python's among them; None of what is not installed."""


def versions(packages: tuple[str, ...] = PACKAGES) -> Versions:
    """The versions that this process has, without such endings as "+cpu"; sent to nodes by its code."""
    import platform
    from importlib import metadata

    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a node may not have this module


def misfits(runtime_env: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The nodes that have other versions than this process: a sentence by Ray's name of each.

    Args:
        runtime_env: of the workers, which may bring packages.

    Returns:
        The sentences; a warning says each.
    """
    there = {x["NodeID"]: name_of(x) for x in ray.nodes() if x["Alive"]}
    if is_own() or is_worker():  # which have the same Python, or were asked before
        there.pop(ray.get_runtime_context().get_node_id(), None)
    job, environment = ray.get_runtime_context().get_job_id(), json.dumps(dict(runtime_env or {}))
    asked = {node: answer_of(node, environment, job) for node in there}
    wait_for([*asked.values()])
    required = versions()
    pairs = ((node, misfit(there[node], said(ref), required)) for node, ref in asked.items())
    sentences = {node: sentence for node, sentence in pairs if sentence}
    for sentence in sentences.values():
        warnings.warn(sentence, stacklevel=2)
    return sentences


@cache
def answer_of(node: str, runtime_env: str, job: str) -> ray.ObjectRef:
    """The answer of a node, which is asked once by each job.

    Args:
        node: Ray's name of it.
        runtime_env: of the process there, in JSON.
        job: that asks, as answers end with their job.

    Returns:
        The pending answer.
    """
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    options = {"num_cpus": 0, "scheduling_strategy": there, "max_retries": 0}
    return ray.remote(versions).options(**options, runtime_env=json.loads(runtime_env)).remote()


def wait_for(answers: Sequence[ray.ObjectRef]) -> None:
    """Waits until all nodes have answered, or their time is over."""
    end, left = monotonic() + ANSWER_SECONDS, list(answers)
    while left and monotonic() < end:
        check_interrupt()
        _, left = ray.wait(left, num_returns=len(left), timeout=SLICE_SECONDS)


def said(answer: ray.ObjectRef) -> Versions | str:
    """What a node has, or why it did not say so."""
    try:
        return ray.get(answer, timeout=0)
    except GetTimeoutError:
        return f"it did not say within {ANSWER_SECONDS:g} s what it has installed"
    except RayError as error:
        return f"no process begins there: {error}"


def misfit(node: str, there: Versions | str, required: Versions) -> str | None:
    """Compares what a node has with what is required.

    Args:
        node: its name.
        there: what it has, or why it did not say so.
        required: what this process has.

    Returns:
        The sentence about a node that is left out; None if it has what is required.
    """
    if isinstance(there, str):
        return f"no worker begins on the node {node}: {there}"
    others = [name for name, version in required.items() if there.get(name) != version]
    if not others:
        return None
    found, wanted = ({name: x.get(name) for name in others} for x in (there, required))
    return (
        f"no worker begins on the node {node}: it has {in_words(found)}, and this process has "
        f"{in_words(wanted)}"
    )


def in_words(found: Versions) -> str:
    """Such as "torch 2.13.0 and no tensordict"."""
    return " and ".join(f"{name} {x}" if x else f"no {name}" for name, x in found.items())
