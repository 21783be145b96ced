"""The Ray actor: a worker in a process of its own.

Params and results travel as arrays (``transfer``), the pipeline as a pickle. ``all_reduce`` meets the other
workers in a process group of torch.distributed.
"""

import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import ray
import torch
from ray import cloudpickle
from torch import distributed

from nappo2.machine.memory import keep_freed_memory
from nappo2.machine.stop import Stop, stopped_by
from nappo2.schemes.backend import Parted, Worker
from nappo2.schemes.group import Group, enter
from nappo2.schemes.remote.modules import missing_module
from nappo2.schemes.transfer import pack, unpack


class Actor(Worker):
    """A worker in a process of its own, perhaps one of a group."""

    def __init__(self, arrivals: tuple[int, float] | None, device: str, seconds: float):
        torch.set_num_threads(1)
        keep_freed_memory()
        self.arrivals, self.seconds = arrivals, seconds
        self.device = device if torch.cuda.is_available() else "cpu"  # of this node
        self.calls, self.preempted, self.rounds, self.error = 0, None, 0, None  # call, share
        self.gathering, self.store = False, None

    def node(self) -> str:
        """Ray's name of the machine that this runs on."""
        return ray.get_runtime_context().get_node_id()

    def meet(self, nodes: Sequence[str]) -> tuple[str, int]:
        """Opens the store where a group on these nodes meets: ``(path, 0)`` or ``(host, port)``.

        On one machine it is a file in a folder that only this user can enter, and no socket.
        """
        if len(set(nodes)) == 1:
            session = ray._private.worker._global_node.get_session_dir_path()
            return str(Path(mkdtemp(prefix="nappo2-", dir=session)) / "store"), 0
        listening = socket.create_server((ray.util.get_node_ip_address(), 0))
        host, port = listening.getsockname()
        self.store = distributed.TCPStore(  # by itself it would listen at every address
            host,
            port,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=listening.detach(),
        )
        return host, port

    def join(self, place: tuple[str, int], rank: int, size: int) -> None:
        """Joins a process group, after leaving the one before.

        Args:
            place: the store, as ``meet`` gives it.
            rank: of this worker.
            size: of the group.

        Raises:
            Parted: if another worker was lost meanwhile.
        """
        if distributed.is_initialized():
            distributed.destroy_process_group()
        distributed.distributed_c10d._world.group_count = 0  # which counts groups that failed, too
        name, port = place
        listen_on_loopback(not port)
        try:
            distributed.init_process_group(
                group_backend(self.device, assigned_gpus()),
                store=distributed.TCPStore(name, port)
                if port
                else distributed.FileStore(name, size),
                rank=rank,
                world_size=size,
                timeout=timedelta(seconds=self.seconds),
            )
        except RuntimeError as error:
            raise Parted(f"another worker of the group was lost: {error}") from error
        self.rounds = 0

    def start(self, pipeline: bytes, params: Any, seed: int) -> None:
        """Begins a pickled pipeline.

        Args:
            pipeline: its pickle.
            params: packed.
            seed: of this worker.

        Raises:
            Exception: of the pipeline; later calls raise it again.
            MissingModule: if this node lacks a module that the pipeline needs.
        """
        try:
            super().start(cloudpickle.loads(pipeline), self._received(params), seed)
        except ModuleNotFoundError as error:
            self.error = missing_module(error)
            raise self.error from error
        except Exception as error:
            self.error = error  # later calls raise this, and not that there is no pipeline
            raise

    def step(self, params: Any, each_rollout: bool = False) -> Any:
        """Takes a step with packed params: ``(item, report)``, packed."""
        self._check()
        self.calls += 1
        if distributed.is_initialized():
            enter(Group(self._gather, distributed.get_world_size()))
        try:
            with stopped_by(self._stop()._replace(each_rollout=each_rollout)):
                return pack(super().step(self._received(params)))
        except BaseException:
            if distributed.is_initialized():
                distributed.destroy_process_group()  # or the others would wait for this one
            raise

    def ask(self, fn: bytes) -> Any:
        """Calls a pickled ``fn`` as ``Worker.ask`` does; its result is packed."""
        self._check()
        return pack(super().ask(cloudpickle.loads(fn)))

    @ray.method(concurrency_group="control")
    def preempt(self, call: int, share: float) -> None:
        """Lets a call stop collecting with a share of its rollout, from another thread; later calls go on."""
        self.preempted = (call, share)

    @ray.method(concurrency_group="control")
    def waits(self) -> bool:
        """Whether this worker waits for the others of its group, from another thread."""
        return self.gathering

    def _received(self, params: Any) -> Any:
        params = unpack(params)
        if self.device == "cpu":
            return params  # to(), which rebuilds the tree, would take longer than unpack
        return params.to(self.device)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _stop(self) -> Stop:
        call = self.calls

        def stops(share):
            return self.preempted is not None and (
                self.preempted[0] == call and share >= self.preempted[1]
            )

        if self.arrivals and distributed.is_initialized():
            return self._arrivals(stops)
        return Stop(stops, lambda: None)

    def _arrivals(self, preempted: Callable[[float], bool]) -> Stop:
        """In a group: stop when enough others are at the end of their rollouts."""
        store, (enough, least) = distributed.distributed_c10d._get_default_store(), self.arrivals

        def stops(share):
            enough_arrived = share >= least and store.check([f"enough-{self.rounds}"])
            return enough_arrived or preempted(share)

        def arrived():
            if store.add(f"arrived-{self.rounds}", 1) == enough:
                store.set(f"enough-{self.rounds}", "")
            self.rounds += 1

        return Stop(stops, arrived)

    def _gather(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What all workers of the group pass, in their order."""
        sent = x.contiguous() if distributed.get_backend() == "nccl" else x.cpu().contiguous()
        parts = [torch.empty_like(sent) for _ in range(distributed.get_world_size())]
        self.gathering = True
        try:
            distributed.all_gather(parts, sent)
        except RuntimeError as error:
            raise Parted(f"another worker of the group was lost: {error}") from error
        finally:
            self.gathering = False
        return [part.to(x.device) for part in parts]


RemoteActor = ray.remote(concurrency_groups={"control": 1})(Actor)


def assigned_gpus() -> float:
    """How many GPUs, or how much of one, this actor has."""
    return ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)


def group_backend(device: str, gpus: float) -> str:
    """NCCL where each worker has a GPU; it refuses those that share one, which gather on the CPU."""
    return "nccl" if device == "cuda" and gpus >= 1 else "gloo"


def listen_on_loopback(alone: bool) -> None:
    """Lets a group of one machine listen on the loopback, and not at the address of the host's name."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        if alone:
            os.environ.setdefault(variable, loopback)
        elif os.environ.get(variable) == loopback:
            del os.environ[variable]
