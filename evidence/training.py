"""``python -m evidence.training NAME SEED NUM FOLDER``: the process that trains a seed of an entry.

It leaves result.json in the folder. Ended before that, by whatever, the same command goes on from the
last checkpoint.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor

from evidence.entries import ENTRIES
from evidence.entry import Entry, Task, definition_of, learner_of
from nappo2.envs import Env
from nappo2.machine.silence import silent
from nappo2.params import Params
from nappo2.policies import Policy
from nappo2.populations import member
from nappo2.runs.evaluate import Evaluation, evaluate, joined
from nappo2.runs.learner import Learner
from nappo2.runs.members import member_rows
from nappo2.runs.metrics import Row
from nappo2.saving.checkpoint import load_params, save_params
from nappo2.saving.log_dir import write_whole
from nappo2.seeds import fold_in
from nappo2.trained import env_again

EPISODES, LAST_EPISODES = 10, 100  # of an evaluation in the course of a run, and after it
TEST_ENVS = 10
RESULT, CLOCK, DEFINITION = "result.json", "cpu_seconds.json", "entry.json"


class Tests:
    """Evaluates each member, and keeps what it played and its params, by their version.

    Args:
        env: of the evaluations.
        greedy: how they are played.
        task: whose members are evaluated.
        clock: whose seconds are kept with each evaluation.
    """

    def __init__(self, env: Env, greedy: Policy, task: Task, clock: "Clock"):
        self.env, self.greedy, self.task, self.clock = env, greedy, task, clock
        self.folder = task.folder / "evaluations"
        self.folder.mkdir(exist_ok=True)

    def __call__(self, params: Params) -> Evaluation:
        played = [self.play(params, i, EPISODES, "evaluation") for i in range(self.task.num)]
        path = self.path(params)
        save_params(params, path)
        write_whole(path.with_suffix(".json"), json.dumps([x.returns.tolist() for x in played]))
        self.clock.save()
        return joined(played)

    def path(self, params: Params) -> Path:
        """Where params of this version are kept."""
        return self.folder / f"{int(params['version'])}.npz"

    def play(self, params: Params, i: int, episodes: int, name: str) -> Evaluation:
        """Episodes of a member, with seeds of their own."""
        own = params if self.task.num == 1 else member(params, i)
        seed = fold_in(fold_in(self.task.seed, name), i)
        return evaluate(self.env, self.greedy, own, episodes, seed)


class Clock:
    """Counts the seconds of the CPU of a run, in all the processes that it took."""

    def __init__(self, path: Path, before: float):
        self.path, self.before = path, before

    def seconds(self) -> float:
        """Of this process and of those before, as far as they were saved."""
        return self.before + process_time()

    def save(self) -> None:
        """Keeps the seconds for a process that goes on after this one."""
        write_whole(self.path, json.dumps(self.seconds()))


def clock_in(folder: Path) -> Clock:
    """The clock of the run in a folder."""
    path = folder / CLOCK
    return Clock(path, json.loads(path.read_text()) if path.exists() else 0.0)


def train(entry: Entry, task: Task) -> int:
    """Trains until the end or a signal, and in the end leaves the result; returns the exit code."""
    torch.set_num_threads(1)
    task.folder.mkdir(parents=True, exist_ok=True)
    check_definition(entry, task.folder)
    clock = clock_in(task.folder)
    learner = learner_of(entry, task)
    learner.begin()
    card = json.loads((task.folder / "run.json").read_text())
    recipe = learner.pipeline.made.arguments["recipe"]
    tests = Tests(env_again(card, TEST_ENVS), recipe.greedy, task, clock)
    learner.evaluate, learner.progress = tests, False
    try:
        learner.run()
    finally:
        learner.close()
    clock.save()
    if learner.interrupted:
        return 128 + learner.interrupted
    found = [seed_result(learner, tests, i, entry) for i in range(task.num)]
    write_whole(task.folder / RESULT, json.dumps({"card": card, "runs": found}))
    return 0


def check_definition(entry: Entry, folder: Path) -> None:
    """Refuses to go on in the folder of an entry that was another one then.

    Raises:
        ValueError: names the folder.
    """
    settings = {k: x for k, x in definition_of(entry).items() if k != "seeds"}
    path, text = folder / DEFINITION, json.dumps(settings)
    if path.exists() and path.read_text() != text:
        raise ValueError(
            f"{folder} is of an entry {entry.name} that has changed since; remove the folder, or name "
            "the new entry otherwise"
        )
    write_whole(path, text)


def seed_result(learner: Learner, tests: Tests, i: int, entry: Entry) -> dict[str, Any]:
    """Curves, 100 greedy episodes of the last and of the best params, and what they took."""
    num, evaluations = tests.task.num, evaluations_of(learner.metrics, tests, i)
    rows = member_rows(learner.metrics, num)[i] if num > 1 else learner.metrics
    last = tests.play(learner.params, i, LAST_EPISODES, "last")
    result = {
        "seed": tests.task.seed + i,
        "seconds": learner.seconds / num,
        "core_seconds": core_seconds(learner, tests.clock, entry) / num,
        "rows": {name: column(rows, name) for name in COLUMNS if column(rows, name)},
        "evaluations": {"env_steps": [x[0] for x in evaluations], "return": [x[1] for x in evaluations]},
        "last": episodes_of(last, learner.env_steps // num),
    }  # fmt: skip
    if evaluations:
        env_steps, _, path = max(evaluations, key=lambda x: x[1])
        best = tests.play(load_params(path), i, LAST_EPISODES, "best")
        result["best"] = episodes_of(best, env_steps)
    return result


COLUMNS = ("env_steps", "seconds", "episode_return", "recent_return", "success_rate")


def column(rows: Sequence[Row], name: str) -> list[float | None]:
    """A column of rows, None where a row lacks it; empty if all do."""
    values = [row.get(name) for row in rows]
    return values if any(x is not None for x in values) else []


def evaluations_of(rows: Sequence[Row], tests: Tests, i: int) -> list[tuple[int, float, Path]]:
    """Env steps and mean return of a member's evaluations, and where its params are."""
    found = []
    for row in rows:
        path = tests.folder / f"{row['updates']}.npz"
        if "evaluation_return" in row and path.exists():
            returns = torch.tensor(json.loads(path.with_suffix(".json").read_text())[i])
            found.append((row["env_steps"] // tests.task.num, float(returns.mean()), path))
    return found


def episodes_of(evaluation: Evaluation, env_steps: int) -> dict[str, Any]:
    """Returns and lengths of episodes, what was told of them, and when their params were taken."""
    columns: dict[str, Tensor] = {"return": evaluation.returns, "length": evaluation.lengths}
    columns |= evaluation.infos
    return {"env_steps": env_steps} | {name: x.tolist() for name, x in columns.items()}


def core_seconds(learner: Learner, clock: Clock, entry: Entry) -> float:
    """Of the CPU in this process, or of the clock times the cores, where workers have processes."""
    return clock.seconds() if entry.cores == 1 else learner.seconds * entry.cores


if __name__ == "__main__":
    name, seed, num, folder = sys.argv[1:]
    with silent(1):
        code = train(ENTRIES[name], Task(int(seed), int(num), Path(folder)))
    sys.exit(code)
