"""The backend of Ray actors."""

from functools import partial
from time import monotonic
from typing import Any

import ray
import torch
from ray import cloudpickle
from ray.exceptions import GetTimeoutError, RayTaskError

from nappo2.schemes.backend import Backend, reduces
from nappo2.schemes.parcels import pack_params, unpack
from nappo2.schemes.remote.actor import RemoteActor
from nappo2.schemes.remote.calls import Handle, Ref, get, wait_until
from nappo2.schemes.remote.cluster import actors_of, find_place
from nappo2.schemes.shipping import MEGABYTE, check_shippable
from nappo2.stages.stop import current_stop

START_SECONDS = 60.0  # in which an actor has made its environments


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
        if not ray.is_initialized():  # or ray.put would start another, of which nobody knows
            raise RuntimeError(
                "Ray was shut down, and its workers are gone; a new Learner starts it again, and "
                "resume(...) goes on from a checkpoint"
            )
        return ray.put(pack_params(params))

    def regroup(staff):
        host, port = ray.get(staff[0].actor.address.remote())
        joined = [w.actor.join.remote(host, port, i, len(staff)) for i, w in enumerate(staff)]
        ray.get(joined, timeout=group_deadline)

    def call(worker, handle):
        worker.calls += 1
        begin = monotonic() + START_SECONDS * (worker.calls == 1)
        return Ref(
            worker.actor.step.remote(handle, current_stop().each_rollout),
            worker.actor,
            worker.calls,
            begin,
        )

    def ask(worker, fn, seconds=None):
        seconds = START_SECONDS + deadline if seconds is None else seconds
        answer = worker.actor.ask.remote(cloudpickle.dumps(fn))
        try:
            return unpack(ray.get(answer, timeout=seconds))
        except RayTaskError as error:
            raise error.cause from error
        except GetTimeoutError as error:
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
