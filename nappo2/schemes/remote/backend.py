"""``on_ray``: the backend whose workers are Ray actors."""

from functools import partial
from time import monotonic
from typing import Any

import ray
from ray import cloudpickle

from nappo2.checks import checked
from nappo2.machine.stop import check_interrupt, current_stop
from nappo2.saving.calls import remembering
from nappo2.schemes.backend import Backend, reduces
from nappo2.schemes.picklable import MEGABYTE, check_picklable
from nappo2.schemes.remote.actor import RemoteActor
from nappo2.schemes.remote.calls import Handle, RemoteCall, answer, get, wait_until
from nappo2.schemes.remote.cluster import connect
from nappo2.schemes.remote.grouping import join_group, regroup
from nappo2.schemes.remote.installed import misfits
from nappo2.schemes.remote.modules import of_actors
from nappo2.schemes.remote.nodes import Needs, all_needs, needs_of, nodes, num_fitting
from nappo2.schemes.remote.places import Placement, placed, reserved_places, wait_for_room
from nappo2.schemes.transfer import pack_params

START_SECONDS = 60.0  # in which an actor has made its environments


@remembering
@checked
def on_ray(
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: dict[str, float] | None = None,
    scheduling_strategy: Any = None,
    runtime_env: dict | None = None,
    *,
    address: str | None = None,
    placement: Placement | None = None,
    deadline: float = 300.0,
    group_deadline: float = 60.0,
    place_deadline: float = 20.0,
    max_restarts: int = 10,
    max_megabytes: float = 1.0,
    logs: bool = False,
) -> Backend:
    """Workers as Ray actors, each in a process of its own with one torch thread.

    Ray is started if it does not run: on this machine only, with token authentication, without a
    dashboard, and with 256 CPUs declared, so that actors of later Learners find room. A Ray that
    runs already is joined by its address, or is used as it is where this process has joined it
    (``ray.init(address="auto")``). None is ever shut down; one that was started here ends with the
    process.

    On the nodes of a Ray that is joined, the versions of nappo2, torch, tensordict and Python are
    compared with those of this process: where they differ, no worker begins, and a warning says so.
    Modules of one's own that the pipeline needs travel with the job when it joins.

    Args:
        num_cpus, num_gpus, resources, scheduling_strategy: of each actor, as in Ray. With GPUs,
            actors compute there, if their node has CUDA.
        runtime_env: as in Ray; folders in it travel with the job when Ray is started or joined.
        address: of a Ray that runs: "auto" for that of this machine, or HOST:PORT of its head;
            "local" for one of one's own. None for that of the variable RAY_ADDRESS, or else one of
            one's own.
        placement: has Ray reserve places for all workers of a cut at once: "spread" over nodes or
            "pack" onto few of them, as far as possible; "strict_spread" or "strict_pack".
        deadline: seconds after which a step is given up and its worker replaced.
        group_deadline: the same for a reduction in 3ds.
        place_deadline: seconds in which workers find a place; more where a cluster has to grow.
        max_restarts: how often in a row a worker is replaced.
        max_megabytes: what a pipeline may take when it is sent to a worker.
        logs: whether to show what workers print; only if Ray is started or joined here.

    Returns:
        The backend, for ``workers(..., on=...)`` and ``scheme(..., on=...)``.

    Raises:
        ValueError: where workers are made, if the pipeline cannot be sent to them; it names the
            attribute to blame.
        ConnectionError: there, if the address leads to no Ray that can be joined.
        RuntimeError: there, if actors find no place in time; says what they need and what is free.
    """
    needs = needs_of(num_cpus, num_gpus, resources)
    _check_places(placement, scheduling_strategy, needs)
    options = {
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "resources": resources,
        "scheduling_strategy": scheduling_strategy,
        "max_restarts": 0,  # replaced by nappo2, which knows with which seed and params
    }
    options = {name: value for name, value in options.items() if value is not None}
    device = "cuda" if num_gpus else "cpu"

    def spawn(pipeline, params, seeds, arrivals, patient=True, others=()):
        data = check_picklable(
            pipeline, "pipeline", cloudpickle.dumps, int(max_megabytes * MEGABYTE)
        )
        num, each = len(seeds), all_needs(pipeline, len(seeds), needs)
        connect(address, each, data, runtime_env, logs)
        environment = of_actors(runtime_env)
        refused = misfits(environment)
        if patient:
            own = 0 if placement is None else num  # whose places are reserved
            wait_for_room(each[own:], place_deadline, refused)
        reserved = reserved_places(each[:num], others, placement, place_deadline, refused)
        grouped, handles = reduces(pipeline), []
        for _ in seeds:
            where = {**options, **placed(reserved, refused), "runtime_env": environment}
            actor = RemoteActor.options(**where).remote(arrivals, device, group_deadline)
            handles.append(Handle(actor, grouped, all_needs(pipeline, 1, needs), reserved))
        if grouped and len(seeds) > 1:
            for lost in filter(None, join_group(handles, START_SECONDS + group_deadline)):
                raise lost.error
        params_ref = put(params)
        for worker, seed in zip(handles, seeds, strict=True):
            worker.actor.start.remote(data, params_ref, seed)
        return handles

    def put(params):
        if not ray.is_initialized():  # or ray.put would start another, of which nobody knows
            raise RuntimeError(
                "Ray was shut down, and its workers are gone; a new Learner starts it again, and "
                "resume(...) goes on from a checkpoint"
            )
        return ray.put(pack_params(params))

    def call(worker, params_ref):
        worker.calls += 1
        begin = monotonic() + START_SECONDS * (worker.calls == 1)
        return RemoteCall(
            worker.actor.step.remote(params_ref, current_stop().each_rollout),
            worker.actor,
            worker.calls,
            begin,
            worker.grouped,
        )

    def ask(worker, fn, seconds=None):
        ref = worker.actor.ask.remote(cloudpickle.dumps(fn))
        if seconds is not None:
            return answer(ref, worker.actor, seconds)
        return answer(ref, worker.actor, START_SECONDS + deadline, check_interrupt)

    def preempt(refs, share):
        for ref in refs:
            ref.actor.preempt.remote(ref.call, share)

    def wait(refs, num):
        return wait_until(refs, num, deadline)

    def room(handles):
        waiting = sum(not worker.placed() for worker in handles)  # whose resources are still free
        there = nodes(misfits(of_actors(runtime_env)))
        return num_fitting(each_of(handles), [node.free for node in there]) - waiting

    def leaving(handles):
        waiting = [i for i, worker in enumerate(handles) if not worker.placed()]
        if not waiting:
            return []
        num = num_fitting(each_of(handles), [node.whole for node in nodes()])
        return waiting[num - len(handles) :] if len(handles) > num else []

    def each_of(handles):
        return max((worker.each for worker in handles), key=len, default=[needs])

    return Backend(
        spawn,
        put,
        call,
        ask,
        preempt,
        wait,
        get=partial(get, deadline=deadline),
        regroup=lambda handles, fns: regroup(
            handles, fns, START_SECONDS + group_deadline, START_SECONDS + deadline
        ),
        stop=lambda handles: [worker.stop() for worker in handles],
        room=room,
        leaving=leaving,
        max_restarts=max_restarts,
        remote=True,
        needs=needs,
    )


def _check_places(placement: str | None, strategy: Any, needs: Needs) -> None:
    if placement is not None and strategy is not None:
        raise ValueError(
            f"placement={placement!r} is a scheduling_strategy of its own; one of both is given"
        )
    if placement is not None and not needs:
        raise ValueError(
            f"placement={placement!r} reserves resources, and with num_cpus=0 a worker needs none"
        )
