"""``on_ray``: the backend whose workers are Ray actors."""

from functools import partial
from time import monotonic
from typing import Any

import ray
import torch
from ray import cloudpickle

from nappo2.checks import checked
from nappo2.machine.stop import check_interrupt, current_stop
from nappo2.saving.calls import remembering
from nappo2.schemes.backend import Backend, reduces
from nappo2.schemes.picklable import MEGABYTE, check_picklable
from nappo2.schemes.remote.actor import RemoteActor
from nappo2.schemes.remote.calls import Handle, RemoteCall, answer, get, wait_until
from nappo2.schemes.remote.cluster import actors_of, find_place, num_fitting
from nappo2.schemes.remote.grouping import join_group, regroup
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
    deadline: float = 300.0,
    group_deadline: float = 60.0,
    max_restarts: int = 10,
    max_megabytes: float = 1.0,
    logs: bool = False,
) -> Backend:
    """Workers as Ray actors, each in a process of its own with one torch thread.

    Ray is started if it does not run: on this machine only, with token authentication, without a
    dashboard, and with 256 CPUs declared, so that actors of later Learners find room. A Ray that
    runs already (``ray.init(address="auto")``) is used as it is. Neither is ever shut down; both
    end with the process that started them.

    Args:
        num_cpus, num_gpus, resources, scheduling_strategy, runtime_env: of each actor, as in Ray.
            With GPUs, actors compute there.
        deadline: seconds after which a step is given up and its worker replaced.
        group_deadline: the same for a reduction in 3ds.
        max_restarts: how often in a row a worker is replaced.
        max_megabytes: what a pipeline may take when it is sent to a worker.
        logs: whether to show what workers print; only if Ray is started here.

    Returns:
        The backend, for ``workers(..., on=...)`` and ``scheme(..., on=...)``.

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

    def spawn(pipeline, params, seeds, arrivals, patient=True):
        data = check_picklable(
            pipeline, "pipeline", cloudpickle.dumps, int(max_megabytes * MEGABYTE)
        )
        if patient:
            find_place(needs, actors_of(pipeline, len(seeds)), logs)
        make = RemoteActor.options(**options)
        grouped = reduces(pipeline)
        num = actors_of(pipeline, 1)
        handles = [
            Handle(make.remote(arrivals, device, group_deadline), grouped, num) for _ in seeds
        ]
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

    def needs_of_each(handles):
        each = max((worker.num_actors for worker in handles), default=1)
        return {name: x * each for name, x in needs.items()}

    def room(handles):
        waiting = sum(not worker.placed() for worker in handles)  # whose resources are still free
        return num_fitting(needs_of_each(handles), ray.available_resources()) - waiting

    def leaving(handles):
        waiting = [i for i, worker in enumerate(handles) if not worker.placed()]
        if not waiting:
            return []
        num = num_fitting(needs_of_each(handles), ray.cluster_resources())
        return waiting[num - len(handles) :] if len(handles) > num else []

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
        stop=lambda handles: [ray.kill(worker.actor) for worker in handles],
        room=room,
        leaving=leaving,
        max_restarts=max_restarts,
        remote=True,
    )
