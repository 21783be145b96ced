"""The parts of a checkpoint, and checks that a Learner can go on from them."""

from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.params import Params, non_finite
from nappo2.reports import Report
from nappo2.saving.checkpoint import BRANCHES
from nappo2.trees import walk


class SavedLearner(NamedTuple):
    """The parts of a checkpoint, verified.

    Attributes:
        params: with the hyper-parameters of the Learner that goes on.
        counters: env steps, seconds, sums, rows, episodes, reports without a row.
        state: of the pipeline's stages, as plain data.
    """

    params: Params
    counters: dict[str, Any]
    state: dict[str, Any]


def check_params(params: Any, like: Params) -> Params:
    """Returns the params of a checkpoint that have the structure of ``like`` and are finite.

    Hyper-parameters are settings, and are not compared.

    Raises:
        ValueError: names the leaf that differs or is not finite.
    """
    if not isinstance(params, TensorDict) or set(params.keys()) != set(like.keys()):
        raise ValueError(f"its params are {type(params).__name__}, not a TensorDict of {BRANCHES}")
    trees = [{name for name in p.keys() if isinstance(p[name], TensorDict)} for p in (params, like)]
    odd = sorted(trees[0] ^ trees[1])
    if odd:
        raise ValueError(f"the {odd[0]} of its params is {type(params[odd[0]]).__name__}")
    here, saved = _shapes(like), _shapes(params)
    if here != saved:
        name = next(n for n in (*here, *saved) if here.get(n) != saved.get(n))
        raise ValueError(
            f"it has other params: {name} is {saved.get(name, 'not in it')}, and here "
            f"{here.get(name, 'there is none')}"
        )
    if (name := non_finite(params)) is not None:
        raise ValueError(f"it has params that are not finite: {name}")
    return params


def _shapes(params: Params) -> dict[str, str]:
    leaves = walk(params.exclude("hyper"))
    return {"/".join(names): f"{leaf.dtype} {list(leaf.shape)}" for names, leaf in leaves}


def settled(given: TensorDict, given_before: TensorDict, hyper: TensorDict) -> TensorDict:
    """The hyper-parameters with which a run goes on.

    Args:
        given: of the Learner that goes on, at its construction.
        given_before: of the saved Learner, at its construction.
        hyper: of the saved Learner when it was saved: set, scheduled or evolved since.

    Returns:
        Saved values, where both Learners were constructed with the same; else those of ``given``.
    """

    def same(name: str) -> bool:
        old, new = given_before.get(name, None), given[name].cpu()
        known = isinstance(old, Tensor) and isinstance(hyper.get(name, None), Tensor)
        return known and torch.equal(old, new) and hyper[name].shape == new.shape

    return TensorDict({name: hyper[name] if same(name) else x for name, x in given.items()})


KINDS = {
    "env_steps": int,
    "seconds": (int, float),
    "sums": dict,
    "metrics": list,
    "seed": int,
    "episodes": list,
    "ended": list,
    "unlogged": list,
    "events": list,
    "numbers": dict,
    "given": TensorDict,
}


def check_counters(counters: Any) -> dict[str, Any]:
    """Returns the counters of a checkpoint, if a Learner can go on with them.

    Raises:
        ValueError: names the one that is missing or of another type.
    """
    if not isinstance(counters, dict):
        raise ValueError(f"its counters are {type(counters).__name__}")
    counters = {"events": [], "numbers": {}} | counters  # which earlier versions did not save
    counters |= {"episodes": _episodes(counters.get("episodes"))}
    counters = {"ended": _ended(counters)} | counters
    for name, kind in KINDS.items():
        if not isinstance(counters.get(name), kind) or isinstance(counters[name], bool):
            raise ValueError(f"its {name} is {counters.get(name)!r}")
    rows = [counters["sums"], counters["numbers"], *counters["metrics"]]
    values = [x for row in rows for x in dict(row).values()]
    if not all(isinstance(x, (int, float, str)) for x in values):
        raise ValueError("its rows hold more than numbers and texts")
    for episode in counters["episodes"]:
        if not isinstance(episode, dict) or not {"return", "length"} <= set(episode):
            raise ValueError("its episodes have no return and length")
        if not all(isinstance(x, (int, float)) for x in episode.values()):
            raise ValueError("its episodes hold more than numbers")
    for pair in counters["ended"]:
        if (
            not isinstance(pair, (tuple, list))
            or len(pair) != 2
            or not all(isinstance(x, (int, float)) for x in pair)
        ):
            raise ValueError("its ended episodes are no pairs of env steps and return")
    if not all(isinstance(report, Report) for report in counters["unlogged"]):
        raise ValueError("its reports are none")
    if not all(isinstance(event, str) for event in counters["events"]):
        raise ValueError("its events are no texts")
    if counters["env_steps"] < 0 or counters["seed"] < 0:
        raise ValueError("its env_steps or seed is below 0")
    return counters


def _episodes(saved: Any) -> Any:
    """The episodes of a checkpoint; earlier versions saved pairs of return and length."""
    if not isinstance(saved, list):
        return saved
    return [
        dict(zip(("return", "length"), x, strict=True))
        if isinstance(x, (tuple, list)) and len(x) == 2
        else x
        for x in saved
    ]


def _ended(counters: dict[str, Any]) -> list[tuple[int, float]]:
    """The recent episodes of a checkpoint of an earlier version, which did not say when they ended."""
    if not isinstance(counters["episodes"], list):
        return []
    now = counters.get("env_steps")
    return [
        (now, x["return"]) for x in counters["episodes"] if isinstance(x, dict) and "return" in x
    ]
