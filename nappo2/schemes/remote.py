"""Workers as Ray actors. The only module that imports ray."""

import logging
import os
import socket
import sys
import warnings
from datetime import timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any, NamedTuple

if "ray" not in sys.modules:  # which reads this once, when it is imported
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
import torch
from ray import cloudpickle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from torch import distributed

from nappo2.pipeline import Pipeline
from nappo2.schemes.backend import Backend, Lost, Parted, Worker, reduces
from nappo2.schemes.crew import Crew, enter
from nappo2.schemes.parcels import pack, pack_params, unpack
from nappo2.schemes.shipping import MEGABYTE, check_shippable
from nappo2.stages.stop import Stop, stopped_by

log = logging.getLogger("nappo2")
PLACE_SECONDS = 20.0  # in which an actor finds a place, or it is said what is missing
START_SECONDS = 60.0  # in which it has made its environments


class Actor(Worker):
    """A worker in a process of its own, perhaps one of a group."""

    def __init__(self, arrivals: tuple[int, float] | None, device: str, seconds: float):
        torch.set_num_threads(1)
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

    def step(self, params: Any) -> Any:
        self._check()
        self.calls += 1
        if distributed.is_initialized():
            enter(Crew(_gather, distributed.get_world_size()))
        try:
            with stopped_by(self._stop()):
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
        return unpack(params).to(self.device)

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


class Ref(NamedTuple):
    """A call on its way."""

    object: ray.ObjectRef
    actor: Any
    call: int
    since: float  # by time.monotonic, when the deadline begins to count


class Handle:
    """An actor, and how many steps it was called for."""

    def __init__(self, actor: Any):
        self.actor, self.calls = actor, 0


def on_ray(
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: dict[str, float] | None = None,
    scheduling_strategy: Any = None,
    runtime_env: dict | None = None,
    *,
    deadline: float = 300.0,
    group_deadline: float = 60.0,
    max_restarts: int = 10,
    max_megabytes: float = 1.0,
    logs: bool = False,
) -> Backend:
    """Workers as Ray actors, each in a process of its own with one torch thread.

    Ray is started if it does not run: on this machine only, with token authentication, without a
    dashboard, and with as many CPUs declared as there are actors. A Ray that runs already
    (``ray.init(address="auto")``) is used as it is. Both end with the process that started them.

    Args:
        num_cpus, num_gpus, resources, scheduling_strategy, runtime_env: of each actor, as Ray has
            them. With GPUs, actors compute there.
        deadline: seconds after which a step is given up and its worker replaced.
        group_deadline: the same for a reduction in 3ds.
        max_restarts: how often in a row a worker is replaced.
        max_megabytes: what a pipeline may take when it is sent to a worker.
        logs: whether to show what workers print; only if Ray is started here.

    Raises:
        ValueError: where workers are made, if the pipeline cannot be sent to them; it names the
            attribute to blame.
        RuntimeError: there, if actors find no place within 20 s.
    """
    if deadline <= 0 or group_deadline <= 0:
        raise ValueError(f"deadlines are above 0 seconds, not {min(deadline, group_deadline)}")
    needs = {"CPU": num_cpus, "GPU": num_gpus} | (resources or {})
    options = {
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "resources": resources,
        "runtime_env": runtime_env,
        "scheduling_strategy": scheduling_strategy,
        "max_restarts": 0,  # replaced by nappo2, which knows with which seed and params
    }
    options = {name: value for name, value in options.items() if value is not None}
    device = "cuda" if num_gpus and torch.cuda.is_available() else "cpu"

    def spawn(pipeline, params, seeds, arrivals):
        data = check_shippable(
            pipeline, "pipeline", cloudpickle.dumps, int(max_megabytes * MEGABYTE)
        )
        find_place(needs, actors_of(pipeline, len(seeds)), logs)
        make = RemoteActor.options(**options)
        staff = [Handle(make.remote(arrivals, device, group_deadline)) for _ in seeds]
        if reduces(pipeline) and len(seeds) > 1:
            regroup(staff)
        handle = put(params)
        for worker, seed in zip(staff, seeds, strict=True):
            worker.actor.start.remote(data, handle, seed)
        return staff

    def put(params):
        return ray.put(pack_params(params))

    def regroup(staff):
        host, port = ray.get(staff[0].actor.address.remote())
        joined = [w.actor.join.remote(host, port, i, len(staff)) for i, w in enumerate(staff)]
        ray.get(joined, timeout=group_deadline)

    def call(worker, handle):
        worker.calls += 1
        begin = monotonic() + START_SECONDS * (worker.calls == 1)
        return Ref(worker.actor.step.remote(handle), worker.actor, worker.calls, begin)

    def ask(worker, fn):
        answer = worker.actor.ask.remote(cloudpickle.dumps(fn))
        try:
            return unpack(ray.get(answer, timeout=START_SECONDS + deadline))
        except RayTaskError as error:
            raise error.cause from error
        except GetTimeoutError as error:
            seconds = START_SECONDS + deadline
            raise TimeoutError(f"a worker did not answer within {seconds:g} s") from error

    def preempt(refs, share):
        for ref in refs:
            ref.actor.preempt.remote(ref.call, share)

    def wait(refs, num):
        return wait_until(refs, num, deadline)

    return Backend(
        spawn,
        put,
        call,
        ask,
        preempt,
        wait,
        get=partial(get, deadline=deadline),
        regroup=regroup,
        stop=lambda staff: [ray.kill(worker.actor) for worker in staff],
        max_restarts=max_restarts,
        remote=True,
    )


def wait_until(refs: list[Ref], num: int, deadline: float) -> list[Ref]:
    """The first ``num`` calls to be ready or overdue, in call order, so that sums are reproducible."""
    by_object = {ref.object: ref for ref in refs}
    calls = {ref.actor: 0 for ref in refs}
    ends = {}
    for ref in refs:  # a call begins when the one before it has ended
        calls[ref.actor] += 1
        ends[ref] = ref.since + deadline * calls[ref.actor]
    while True:
        left = max(0.0, min(ends.values()) - monotonic())
        ready, _ = ray.wait(list(by_object), num_returns=num, timeout=left, fetch_local=False)
        overdue = [ref.object for ref in refs if monotonic() >= ends[ref]]
        chosen = {*ready, *overdue}
        if len(ready) >= num or overdue:
            first = [ref for ref in refs if ref.object in ready] + [
                ref for ref in refs if ref.object in chosen and ref.object not in ready
            ]
            return [ref for ref in refs if ref in first[:num]]


def get(refs: list[Ref], deadline: float) -> list:
    """What the calls gave, or why they are lost."""
    return [_result(ref, deadline) for ref in refs]


def _result(ref: Ref, deadline: float) -> Any:
    ready, _ = ray.wait([ref.object], timeout=0)
    if not ready:
        return Lost(TimeoutError(f"a step took more than {deadline} s"), died=True)
    try:
        return unpack(ray.get(ref.object))
    except RayTaskError as error:
        cause = error.cause
        cause.__cause__ = error  # which has the traceback of the worker
        return Lost(cause, died=False)
    except RayError as error:
        return Lost(error, died=True)


def actors_of(pipeline: Pipeline, num: int) -> int:
    """How many actors ``num`` workers of a pipeline are, with those that these own."""
    total = times = num
    for stage in reversed(pipeline.stages):
        if stage.kind == "workers" and stage.arguments["on"].remote:
            times *= stage.arguments["num_workers"]
            total += times
    return total


_started_here = False


def find_place(needs: dict[str, float], num_actors: int, logs: bool = False) -> None:
    """Starts Ray on this machine, unless it runs, and waits until it has room for so many actors.

    One that nappo2 has started, and that has nothing to do, is made larger.

    Raises:
        RuntimeError: after 20 s, with what is needed and what there is.
    """
    if not ray.is_initialized():
        start_ray(num_actors, logs)
    end, all_needs = monotonic() + PLACE_SECONDS, {k: x * num_actors for k, x in needs.items() if x}
    while True:
        whole, free = ray.cluster_resources(), ray.available_resources()
        if all(free.get(name, 0) >= x for name, x in all_needs.items()):
            return
        if _started_here and whole.get("CPU") == free.get("CPU") and whole["CPU"] < num_actors:
            ray.shutdown()
            start_ray(num_actors, logs)
        elif monotonic() > end:
            there = ", ".join(f"{free.get(k, 0):g} of {whole.get(k, 0):g} {k}" for k in all_needs)
            wanted = ", ".join(f"{x:g} {name}" for name, x in all_needs.items())
            raise RuntimeError(
                f"{num_actors} workers find no place: they need {wanted}, and {there} are free; the "
                "workers of a Learner that is no longer needed go with learner.close()"
            )
        sleep(0.05)


def start_ray(num_actors: int, logs: bool) -> None:
    """Starts Ray on the loopback, quietly, with token authentication."""
    global _started_here
    cores = os.cpu_count() or 1
    if num_actors > cores:
        warnings.warn(
            f"{num_actors} workers share {cores} cores: they take turns, and are no faster for their number",
            stacklevel=7,
        )
    ray.init(
        address="local",  # and no other that may run on this machine
        num_cpus=num_actors,
        include_dashboard=False,
        log_to_driver=logs,
        logging_level=logging.ERROR,
        _node_ip_address="127.0.0.1",
    )
    _started_here = True
