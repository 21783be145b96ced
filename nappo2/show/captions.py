"""Short captions of stages and cuts for drawings."""

from typing import NamedTuple

from nappo2.pipeline import Stage


class Cut(NamedTuple):
    """A cut in words.

    Attributes:
        name: of the stage.
        num: of workers, at most.
        counted: the number in words.
        where: the workers run.
        waits: the number of workers that a step waits for.
        further: rollouts ahead and preemption; empty for neither.
        all: whether a step waits for all workers.
    """

    name: str
    num: int
    counted: str
    where: str
    waits: str
    further: str
    all: bool


def cut_of(stage: Stage) -> Cut:
    """The words for a ``workers`` stage."""
    cut = stage.cut
    where = "in processes of Ray" if cut.remote else "in this process"
    waits_for_all = cut.wait_for in (None, cut.num_workers)
    waits = f"all {cut.counted}" if waits_for_all else f"{cut.wait_for} of {cut.counted}"
    further = [f"{cut.ahead} ahead"] if cut.ahead else []
    further += [f"rest at {cut.preempt:.0%}"] if cut.preempt is not None else []
    return Cut(
        stage.name, cut.num_workers, cut.counted, where, waits, ", ".join(further), waits_for_all
    )


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
