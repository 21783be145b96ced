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
from contextlib import contextmanager

STORE = 80_000_000  # bytes of shared memory, Ray's least


class Nodes:
    """The nodes of a cluster, the head first.

    Attributes:
        address: of the head.
        processes: of each node, by the name that it was given.
    """

    def __init__(self, folder: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.folder, self.processes = folder, {}

    def add(
        self, name: str, num_cpus: int = 0, env: dict | None = None, **resources: float
    ) -> None:
        """Begins a node, and waits until it says that it runs."""
        head = ["--head", f"--port={self.address.partition(':')[2]}", f"--temp-dir={self.folder}"]
        where = [f"--address={self.address}"] if self.processes else head
        where += ["--node-ip-address=127.0.0.1", f"--node-name={name}"]
        what = [f"--num-cpus={num_cpus}", f"--resources={json.dumps(resources)}"]
        quiet = [f"--object-store-memory={STORE}", "--include-dashboard=false", "--block"]
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *what, *quiet],
            env=os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"} | (env or {}),
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


@contextmanager
def cluster() -> Iterator[Nodes]:
    """A cluster without nodes; those that are added end with it, the head last."""
    folder = tempfile.mkdtemp(prefix="n2-", dir="/tmp")  # short, for the names of sockets
    nodes = Nodes(folder)
    try:
        yield nodes
    finally:
        for name in reversed(list(nodes.processes)):
            nodes.remove(name)
        shutil.rmtree(folder, ignore_errors=True)
