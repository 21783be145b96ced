"""Nodes of a Ray cluster on this machine, each begun by ``ray start`` as people begin them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled

STORE = 80_000_000  # bytes of shared memory, Ray's least


class Nodes:
    """The nodes of a cluster, the head first.

    Attributes:
        address: of the head.
        environ: variables by which Ray finds what it has written down of this cluster.
        processes: of each node, by the name that it was given.
    """

    def __init__(self, folder: str):
        port, client = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.folder, self.processes = folder, {}
        self.head = ["--head", f"--port={port}", f"--ray-client-server-port={client}"]
        self.head += ["--include-dashboard=false"]
        self.environ = {"RAY_TMPDIR": folder}

    def add(
        self, name: str, num_cpus: int = 0, env: dict | None = None, **resources: float
    ) -> None:
        """Begins a node, and waits until it says that it runs."""
        where = [f"--address={self.address}"] if self.processes else self.head
        where = [*where, "--node-ip-address=127.0.0.1", f"--node-name={name}"]
        what = [f"--num-cpus={num_cpus}", f"--resources={json.dumps(resources)}"]
        quiet = [f"--object-store-memory={STORE}", "--block"]
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *what, *quiet],
            env=os.environ | self.environ | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        for line in self.processes[name].stdout:
            said += line
            if "--block" in line:
                return
        raise AssertionError(f"the node {name} did not begin: {said}")

    def remove(self, name: str) -> None:
        """Ends a node, with all that runs there."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.communicate()


def free_ports(num: int) -> list[int]:
    """Ports at which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(num)]
        return [x.getsockname()[1] for x in sockets]


@contextmanager
def cluster() -> Iterator[Nodes]:
    """A cluster without nodes; those that are added end with it, the head last."""
    ensure_token_if_auth_enabled()
    folder = tempfile.mkdtemp(prefix="n2-", dir="/tmp")  # short, for the names of sockets
    nodes = Nodes(folder)
    try:
        yield nodes
    finally:
        for name in reversed(list(nodes.processes)):
            nodes.remove(name)
        shutil.rmtree(folder, ignore_errors=True)
