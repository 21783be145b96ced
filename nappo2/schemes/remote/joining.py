"""Joins a Ray that runs: at which address, whether anybody listens there, and what Ray says otherwise."""

import os
import re
import socket
from collections.abc import Callable
from typing import Any

import ray
from ray._private import services
from ray.exceptions import AuthenticationError

from nappo2.schemes.remote.tokens import use_token

CONNECT_SECONDS = 5.0  # in which an address takes a connection
AS_NODE = (
    "a driver is a process on a node: `ray start --address=HEAD:6379 --num-cpus=0` makes this machine one "
    "without workers, and address='auto' joins there"
)
LEAVE = "ray.shutdown() leaves the first, when no Learner needs it any more"
VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")


class NotJoined(ConnectionError, ValueError):
    """Raised where an address leads to no Ray that this process can use."""


def chosen_address(given: str | None) -> str:
    """The address of Ray: the given one, else ``RAY_ADDRESS``, else "local" for a Ray of one's own."""
    return given or os.environ.get("RAY_ADDRESS") or "local"


def join(address: str, logs: bool, runtime_env: dict[str, Any] | None = None) -> None:
    """Joins the Ray at an address.

    Args:
        address: "auto" or HOST:PORT.
        logs: whether to show what workers print.
        runtime_env: of the job, as in Ray; folders in it are uploaded.

    Raises:
        NotJoined: if nobody listens there, or it is of other versions.
    """
    place = located(address)
    check_listens(place)
    options = {"runtime_env": runtime_env, "log_to_driver": logs, "logging_level": "ERROR"}
    try:
        with_token_or_without(lambda: ray.init(address=place, **options))
    except (RuntimeError, ConnectionError, ValueError, AuthenticationError) as error:
        raise NotJoined(refusal(place, str(error))) from error


def with_token_or_without(connect: Callable[[], Any]) -> None:
    """Connects; without a token where this process has none, and nobody has chosen to want one."""
    use_token(True)
    try:
        connect()
    except AuthenticationError:  # there is no token that could be sent
        if not use_token(False):
            raise
        connect()


def located(address: str) -> str:
    """HOST:PORT of an address.

    Raises:
        NotJoined: if it is no address, or "auto" and no Ray runs here.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or services.find_bootstrap_address(None) or "auto"
    if address == "auto":
        raise NotJoined(
            "this machine is a node of no Ray, and RAY_ADDRESS is not set: `ray start` makes it one; "
            "without an address nappo2 starts a Ray of its own"
        )
    if address.startswith("ray://"):
        raise NotJoined(f"{address} is of Ray's client, which cannot wait for workers; {AS_NODE}")
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise NotJoined(f"an address of Ray is auto, local or HOST:PORT, not {address!r}")
    return address


def check_listens(place: str) -> None:
    """Refuses an address at which nobody listens; Ray itself would try for a minute.

    Raises:
        NotJoined: says why.
    """
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise NotJoined(
            f"no Ray listens at {place} ({error.strerror or error}); `ray start --head --port={port}` "
            "starts one there, and `ray status` says whether it runs"
        ) from error


def refusal(place: str, reason: str) -> str:
    """A sentence for what Ray says when it cannot be joined."""
    pairs = VERSIONS.findall(reason)
    if len(pairs) == 2:
        (ray_there, python_there), (ray_here, python_here) = pairs
        return (
            f"the Ray at {place} is {ray_there} with Python {python_there}, and this process has Ray "
            f"{ray_here} with Python {python_here}: both have to be the same"
        )
    return (
        f"what listens at {place} cannot be joined: {reason.strip().rstrip('.')}; perhaps it is no Ray, or "
        "it wants another token than this process has (RAY_AUTH_TOKEN or ~/.ray/auth_token)"
    )


def check_same(address: str | None) -> None:
    """Refuses an address other than that of the Ray which this process uses already.

    Raises:
        NotJoined: names both; also if it is used by Ray's client.
    """
    if ray.util.client.ray.is_connected():
        raise NotJoined(f"this process uses Ray's client, which cannot wait for workers; {AS_NODE}")
    if address in (None, "auto") or is_worker():
        return
    if address == "local":
        if not is_own():
            raise NotJoined(
                f"this process has joined a Ray, and cannot use one of its own too; {LEAVE}"
            )
        return
    there, here = located(address), ray.get_runtime_context().gcs_address
    if services.canonicalize_bootstrap_address(there) != here:
        raise NotJoined(
            f"this process uses the Ray at {here}, and cannot join that at {there} too; {LEAVE}"
        )


def is_own() -> bool:
    """Tests whether this process started the Ray that it uses, so that nobody adds nodes to it."""
    node = ray._private.worker._global_node
    return node is not None and node.is_head()


def is_worker() -> bool:
    """Tests whether this process is one of Ray's workers."""
    return ray._private.worker.global_worker.mode == ray.WORKER_MODE
