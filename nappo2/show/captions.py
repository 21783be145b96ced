"""Short captions of stages and cuts for drawings."""

from typing import NamedTuple

from nappo2.pipeline import Stage


class Cut(NamedTuple):
    """A cut in words.

    Attributes:
        name: of the stage.
        num: of workers.
        where: the workers run.
        waits: the number of workers that a step waits for.
        further: rollouts ahead and preemption; empty for neither.
        all: whether a step waits for all workers.
    """

    name: str
    num: int
    where: str
    waits: str
    further: str
    all: bool


def cut_of(stage: Stage) -> Cut:
    """The words for a ``workers`` stage."""
    arguments = stage.arguments
    num, ahead, preempt = arguments["num_workers"], arguments["ahead"], arguments["preempt"]
    wait_for = num if arguments["wait_for"] is None else arguments["wait_for"]
    where = "in processes of Ray" if arguments["on"].remote else "in this process"
    waits = f"all {num}" if wait_for == num else f"{wait_for} of {num}"
    further = [f"{ahead} ahead"] if ahead else []
    further += [f"rest at {preempt:.0%}"] if preempt is not None else []
    return Cut(stage.name, num, where, waits, ", ".join(further), wait_for == num)


def words(stage: Stage) -> str:
    """The most telling number among the arguments of a stage."""
    numbers = {
        name: value
        for name, value in stage.arguments.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value
    }
    match stage.kind:
        case "collect":
            env = stage.arguments["env"]
            return f"{numbers['num_steps']} steps of {env.num_envs}"
        case "members" | "collect_members":
            return f"of {numbers['num_members']} members"
        case "minibatches" | "sequences" | "all_minibatches" | "all_sequences":
            return f"{numbers['num_epochs']} x {numbers['num_minibatches']} batches"
        case "all_reduce":
            return "mean of all"
    texts = [f"{name.replace('num_', '').strip('_')} {value:g}" for name, value in numbers.items()]
    return ", ".join(texts[:1])
