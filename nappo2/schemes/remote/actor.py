"""A worker in a process of its own."""

import socket
from datetime import timedelta
from typing import Any

import ray
import torch
from ray import cloudpickle
from torch import distributed

from nappo2.heap import keep_freed_memory
from nappo2.schemes.backend import Parted, Worker
from nappo2.schemes.crew import Crew, enter
from nappo2.schemes.parcels import pack, unpack
from nappo2.stages.stop import Stop, stopped_by


class Actor(Worker):
    """A worker in a process of its own, perhaps one of a group."""

    def __init__(self, arrivals: tuple[int, float] | None, device: str, seconds: float):
        torch.set_num_threads(1)
        keep_freed_memory()
        self.arrivals, self.device, self.seconds = arrivals, device, seconds
        self.calls, self.asked, self.rounds, self.error = 0, None, 0, None

    def address(self) -> tuple[str, int]:
        with socket.socket() as free:
            free.bind(("", 0))
            return ray.util.get_node_ip_address(), free.getsockname()[1]

    def join(self, host: str, port: int, rank: int, size: int) -> None:
        """Makes this one of a process group, which is left first if it is in one already."""
        if distributed.is_initialized():
            distributed.destroy_process_group()
        distributed.init_process_group(
            "nccl" if self.device == "cuda" else "gloo",
            init_method=f"tcp://{host}:{port}",
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=self.seconds),
        )
        self.rounds = 0

    def start(self, pipeline: bytes, params: Any, seed: int) -> None:
        try:
            super().start(cloudpickle.loads(pipeline), self._received(params), seed)
        except Exception as error:
            self.error = error  # what it is asked next fails by this, and not by what it lacks
            raise

    def step(self, params: Any, each_rollout: bool = False) -> Any:
        self._check()
        self.calls += 1
        if distributed.is_initialized():
            enter(Crew(_gather, distributed.get_world_size()))
        try:
            with stopped_by(self._stop()._replace(each_rollout=each_rollout)):
                return pack(super().step(self._received(params)))
        except BaseException:
            if distributed.is_initialized():
                distributed.destroy_process_group()  # or the others would wait for this one
            raise

    def ask(self, fn: bytes) -> Any:
        self._check()
        return pack(super().ask(cloudpickle.loads(fn)))

    @ray.method(concurrency_group="control")
    def preempt(self, call: int, share: float) -> None:
        """Has that call stop collecting, from another thread; later calls go on."""
        self.asked = (call, share)

    def _received(self, params: Any) -> Any:
        found = unpack(params)
        if self.device == "cpu":
            return found  # to(), which rebuilds the tree, would take longer than unpack
        return found.to(self.device)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _stop(self) -> Stop:
        if self.arrivals and distributed.is_initialized():
            return self._arrivals()
        call = self.calls

        def asked(share):
            return self.asked is not None and self.asked[0] == call and share >= self.asked[1]

        return Stop(asked, lambda: None)

    def _arrivals(self) -> Stop:
        """In a group: stop when enough others are at the end of their rollouts."""
        store, (enough, least) = distributed.distributed_c10d._get_default_store(), self.arrivals

        def asked(share):
            return share >= least and store.add(f"arrived-{self.rounds}", 0) >= enough

        def arrived():
            store.add(f"arrived-{self.rounds}", 1)
            self.rounds += 1

        return Stop(asked, arrived)


RemoteActor = ray.remote(concurrency_groups={"control": 1})(Actor)


def _gather(x: torch.Tensor) -> list[torch.Tensor]:
    """What all workers of the group pass, in their order."""
    parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
    try:
        distributed.all_gather(parts, x.contiguous())
    except RuntimeError as error:
        raise Parted(f"another worker of the group was lost: {error}") from error
    return parts
