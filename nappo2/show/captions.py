"""Stages and cuts, in the few words that a drawing has room for."""

from typing import NamedTuple

from nappo2.pipeline import Stage


class Cut(NamedTuple):
    """A cut, as it is said in words.

    Attributes:
        name: of the stage.
        num: of workers.
        where: they are.
        waits: for how many of them a step waits.
        further: ahead and preemption, or nothing.
        all: whether for all.
    """

    name: str
    num: int
    where: str
    waits: str
    further: str
    all: bool


def cut_of(stage: Stage) -> Cut:
    """What a ``workers`` stage does."""
    given = stage.arguments
    num, ahead, preempt = given["num_workers"], given["ahead"], given["preempt"]
    wait_for = num if given["wait_for"] is None else given["wait_for"]
    where = "in processes of Ray" if given["on"].remote else "in this process"
    waits = f"all {num}" if wait_for == num else f"{wait_for} of {num}"
    further = [f"{ahead} ahead"] if ahead else []
    further += [f"rest at {preempt:.0%}"] if preempt is not None else []
    return Cut(stage.name, num, where, waits, ", ".join(further), wait_for == num)


def words(stage: Stage) -> str:
    """What a stage was called with, as far as it is a number."""
    numbers = {
        name: value
        for name, value in stage.arguments.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value
    }
    match stage.kind:
        case "collect":
            env = stage.arguments["env"]
            return f"{numbers['num_steps']} steps of {env.num_envs}"
        case "minibatches" | "sequences" | "all_minibatches" | "all_sequences":
            return f"{numbers['num_epochs']} x {numbers['num_minibatches']} batches"
        case "all_reduce":
            return "mean of all"
    said = [f"{name.replace('num_', '').strip('_')} {value:g}" for name, value in numbers.items()]
    return ", ".join(said[:1])
