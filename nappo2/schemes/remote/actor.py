"""The Ray actor: a worker in a process of its own.

Params and results travel as arrays (``transfer``), the pipeline as a pickle.
"""

from collections.abc import Sequence
from typing import Any

import ray
import torch
from ray import cloudpickle

from nappo2.machine.memory import keep_freed_memory
from nappo2.machine.stop import Stop, stopped_by
from nappo2.schemes.backend import Worker
from nappo2.schemes.remote.meeting import Meeting
from nappo2.schemes.transfer import pack, unpack


class Actor(Worker):
    """A worker in a process of its own, perhaps one of a group."""

    def __init__(self, arrivals: tuple[int, float] | None, device: str, seconds: float):
        torch.set_num_threads(1)
        keep_freed_memory()
        self.device, self.meeting = device, Meeting(device, seconds, arrivals)
        self.calls, self.preempted, self.error = 0, None, None  # preempted: a call and a share

    def node(self) -> str:
        """Ray's name of the machine that this runs on."""
        return ray.get_runtime_context().get_node_id()

    def meet(self, nodes: Sequence[str]) -> tuple[str, int]:
        """Opens the store where a group on these nodes meets, as ``Meeting.open`` does."""
        return self.meeting.open(nodes)

    def join(self, place: tuple[str, int], rank: int, size: int) -> None:
        """Joins the group of a cut, as ``Meeting.join`` does.

        Args:
            place: the store, as ``meet`` gives it.
            rank: of this worker.
            size: of the group.
        """
        self.meeting.join(place, rank, size)

    def start(self, pipeline: bytes, params: Any, seed: int) -> None:
        """Begins a pickled pipeline.

        Args:
            pipeline: its pickle.
            params: packed.
            seed: of this worker.

        Raises:
            Exception: of the pipeline; later calls raise it again.
        """
        try:
            super().start(cloudpickle.loads(pipeline), self._received(params), seed)
        except Exception as error:
            self.error = error  # later calls raise this, and not that there is no pipeline
            raise

    def step(self, params: Any, each_rollout: bool = False) -> Any:
        """Takes a step with packed params: ``(item, report)``, packed."""
        self._check()
        self.calls += 1
        self.meeting.enter()
        try:
            with stopped_by(self._stop()._replace(each_rollout=each_rollout)):
                return pack(super().step(self._received(params)))
        except BaseException:
            self.meeting.leave()  # or the others would wait for this one
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
        return self.meeting.waiting

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

        return self.meeting.stop(stops)


RemoteActor = ray.remote(concurrency_groups={"control": 1})(Actor)
