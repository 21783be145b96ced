"""Where the workers of ``nappo2 train`` are: the options of its Ray, and the backends that they make."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nappo2.cli.train_options import Train
    from nappo2.schemes import Backend

OF_RAY = ("address", "deadline", "place_deadline")
OF_WORKERS = ("resources", "placement")
"""Options of collectors and of learners, such as ``collector_resources``."""
STAGES = {"collectors": "collector", "learners": "learner"}


def check_worker_options(names: Iterable[str], options: "Train") -> None:
    """Refuses options of workers that would change nothing.

    Args:
        names: of the options that are given.
        options: all of them.

    Raises:
        ValueError: if there is one; says which other option it needs.
    """
    from nappo2.schemes.words import TAKES

    names = set(names)
    if "backend" in names and options.backend == "ray" and options.scheme == "3cs":
        raise ValueError("--backend ray is where workers are, and the scheme 3cs has none")
    of_stages = [f"{stage}_{what}" for stage in STAGES.values() for what in OF_WORKERS]
    for name in (*OF_RAY, *of_stages):
        if name in names and options.backend != "ray":
            raise ValueError(f"--{_dashed(name)} is of workers on ray; it needs --backend ray")
    for cut, stage in STAGES.items():
        given = [name for name in of_stages if name in names and name.startswith(stage)]
        if given and cut not in TAKES[options.scheme]:
            raise ValueError(
                f"--{_dashed(given[0])} is of {cut} with processes of their own, and the scheme "
                f"{options.scheme} has none"
            )


def backends_of(options: "Train") -> "dict[str, Backend]":
    """The backend of each cut of the scheme among the options."""
    from nappo2.schemes import on_ray, record_timing, serial
    from nappo2.schemes.words import TAKES

    cuts = [name for name in STAGES if name in TAKES[options.scheme]]
    if options.backend == "ray":
        shared = {name: getattr(options, name) for name in OF_RAY}
        on = {name: on_ray(**shared, **places_of(options, name)) for name in cuts}
    else:
        on = dict.fromkeys(cuts, serial)
    return {name: record_timing(x) for name, x in on.items()} if options.record_timing else on


def places_of(options: "Train", cut: str) -> dict[str, Any]:
    """The resources of each worker of a cut and their placement, as arguments of ``on_ray``."""
    option = f"{STAGES[cut]}_resources"
    given = resources_of(f"--{_dashed(option)}", getattr(options, option))
    num_cpus = given.pop("CPU", 1.0)
    num_gpus = given.pop("GPU", gpu_share(options) if cut == "learners" else 0.0)
    places = {"num_cpus": num_cpus, "num_gpus": num_gpus, "resources": given or None}
    return places | {"placement": getattr(options, f"{STAGES[cut]}_placement")}


def resources_of(option: str, text: str) -> dict[str, float]:
    """Resources by name, of a text such as "CPU=1,GPU=0.5"; none of an empty one.

    Raises:
        ValueError: if it is no such text; names the option.
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    try:
        resources = {name.strip(): float(amount) for name, _, amount in pairs}
    except ValueError:
        resources = {"": 0.0}
    if not all(name and 0 <= amount < math.inf for name, amount in resources.items()):
        raise ValueError(f"{option} is of amounts by name, such as CPU=1,GPU=0.5, not {text!r}")
    return resources


def gpu_share(options: "Train") -> float:
    """How much of a GPU each learner on ray has: they share those of this machine, one at most each."""
    import torch

    from nappo2.schemes.words import TAKES

    if not options.device.startswith("cuda") or "learners" not in TAKES[options.scheme]:
        return 0.0
    most = int(str(options.learners).rpartition("..")[2])
    share = min(1.0, torch.cuda.device_count() / most)
    return math.floor(10_000 * share) / 10_000  # as finely as Ray counts


def _dashed(name: str) -> str:
    return name.replace("_", "-")
