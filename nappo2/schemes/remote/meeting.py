"""Where the actors of a cut meet in ``all_reduce``: a process group of torch.distributed.

NCCL gathers between GPUs, gloo between processes on the CPU.
"""

import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import ray
import torch
from torch import Tensor, distributed

from nappo2.machine.clock import waitable
from nappo2.machine.stop import Stop
from nappo2.schemes.backend import Parted
from nappo2.schemes.group import Group, enter


class Meeting:
    """The group of an actor.

    Args:
        device: on which it computes.
        seconds: in which the others are to come to a gather.
        arrivals: how many, and with which share the others stop collecting when so many are at the
            end of their rollouts; None if nobody stops.

    Attributes:
        waiting: whether the actor waits for the others in a gather.
    """

    def __init__(self, device: str, seconds: float, arrivals: tuple[int, float] | None):
        self.device, self.seconds, self.arrivals = device, seconds, arrivals
        self.rounds, self.waiting, self.store = 0, False, None

    def open(self, nodes: Sequence[str]) -> tuple[str, int]:
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
            place: the store, as ``open`` gives it.
            rank: of this worker.
            size: of the group.

        Raises:
            Parted: if another worker was lost meanwhile.
        """
        self.leave()
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
                timeout=timedelta(seconds=waitable(self.seconds)),
            )
        except RuntimeError as error:
            raise Parted(f"another worker of the group was lost: {error}") from error
        self.rounds = 0

    def enter(self) -> None:
        """Puts this thread into the group, if the actor has joined one."""
        if distributed.is_initialized():
            enter(Group(self.gather, distributed.get_world_size()))

    def leave(self) -> None:
        """Leaves the group, so that the others wait no longer."""
        if distributed.is_initialized():
            distributed.destroy_process_group()

    def gather(self, x: Tensor) -> list[Tensor]:
        """What all workers of the group pass, in their order, of one shape [...].

        Raises:
            Parted: if another worker was lost meanwhile.
        """
        where = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        sent = x.to(where).contiguous()
        parts = [torch.empty_like(sent) for _ in range(distributed.get_world_size())]
        self.waiting = True
        try:
            distributed.all_gather(parts, sent)
        except RuntimeError as error:
            raise Parted(f"another worker of the group was lost: {error}") from error
        finally:
            self.waiting = False
        return [part.to(x.device) for part in parts]

    def stop(self, preempted: Callable[[float], bool]) -> Stop:
        """The stop flag of a step: also set when enough others are at the end of their rollouts."""
        if self.arrivals is None or not distributed.is_initialized():
            return Stop(preempted, lambda: None)
        store, (enough, least) = distributed.distributed_c10d._get_default_store(), self.arrivals

        def stops(share):
            enough_arrived = share >= least and store.check([f"enough-{self.rounds}"])
            return enough_arrived or preempted(share)

        def arrived():
            if store.add(f"arrived-{self.rounds}", 1) == enough:
                store.set(f"enough-{self.rounds}", "")
            self.rounds += 1

        return Stop(stops, arrived)


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
