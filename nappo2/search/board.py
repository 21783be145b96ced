"""The books of a search, kept by Optuna: which trials there are, what they reached, what is next.

All of it is in a journal in the search's folder, to which each answer is added before anything is
done with it. So a search that was killed at any moment goes on from there. Samplers are seeded by the
number of the trial: with one process, a search that went on finds what it would have found.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nappo2.search.jobs import Budget, Job, Rung
from nappo2.search.results import STATES, Result, decoded, middle, result_of, write_row
from nappo2.search.space import Space
from nappo2.search.study import known_rungs
from nappo2.seeds import fold_in

RANDOM_TRIALS = 10  # before the sampler learns from earlier ones


class Board:
    """Hands out jobs, and enters what they reach.

    Trials are in groups of ``size`` that follow one another, each a job. A group that fails is
    tried again, each of its trials alone, so that one which raises ends no other.

    Attributes:
        study: of Optuna.
        space: of the values.
        budget: of the search.
        size: of a group.
        seed: of all.
        first: values that are tried first.
    """

    def __init__(
        self,
        study: Any,
        space: Space,
        budget: Budget,
        folder: Path,
        *,
        size: int,
        seed: int,
        first: Sequence[Mapping[str, Any]] = (),
    ):
        """Opens the books of a study.

        Args:
            study: of Optuna.
            space: of the values.
            budget: of the search.
            folder: for the jobs' files.
            size: of a group of trials.
            seed: of all.
            first: values that are tried first.
        """
        self.study, self.space, self.budget = study, space, budget
        self.folder, self.size, self.seed, self.first = folder, size, seed, first
        self._trials: dict[int, Any] = {}
        self._taken: set[int] = set()  # the first numbers of groups that were handed out
        self._alone: list[int] = []  # trials of groups that failed
        for numbers in self._groups():  # a killed process may not have told all
            self._settle(numbers)

    def _groups(self) -> list[tuple[int, ...]]:
        """The numbers of the trials of each group."""
        trials = range(self.budget.trials)
        return [tuple(trials[i : i + self.size]) for i in range(0, len(trials), self.size)]

    def _running(self, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if self.state(number) == "running"]

    def trial(self, number: int) -> Any:
        """The trial of a number, asked for if there is none; its values are those of its number."""
        import optuna

        if number not in self._trials:
            known = self.study.get_trials(deepcopy=False)
            if number == len(known):
                self.study.enqueue_trial(self._drawn(number, known))
            if number == len(known) or known[number].state.name == "WAITING":
                self._trials[number] = self.study.ask()
            else:
                self._trials[number] = optuna.trial.Trial(self.study, known[number]._trial_id)
        return self._trials[number]

    def _drawn(self, number: int, known: Sequence[Any]) -> dict[str, Any]:
        """The values of a new trial, drawn in a copy of the study, as the journal is to get all at once."""
        import optuna

        seed = fold_in(self.seed, f"trial {number}") % 2**32
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True
        )
        copy = optuna.create_study(direction="maximize", sampler=sampler)
        copy.add_trials(known)
        if number < len(self.first):
            values = self.first[number].items()
            copy.enqueue_trial({name: self.space[name].code(value) for name, value in values})
        trial = copy.ask()
        for name, dimension in self.space.items():
            dimension.suggest(trial, name)
        return trial.params

    def values(self, number: int) -> dict[str, Any]:
        """The values of a trial, by name."""
        trial, state = self.trial(number), self.state(number)
        if state == "running":
            return {name: x.suggest(trial, name) for name, x in self.space.items()}
        return decoded(self.space, trial.params)

    def state(self, number: int) -> str:
        """The state of a trial."""
        known = self.study.get_trials(deepcopy=False)
        return STATES.get(known[number].state.name, "running") if number < len(known) else "running"

    def next_job(self) -> Job | None:
        """The next job; None if none is left."""
        if self._alone:
            return self._job((self._alone.pop(0),))
        for numbers in self._groups():
            if numbers[0] not in self._taken and self._running(numbers):
                self._taken.add(numbers[0])
                return self._job(numbers)
        return None

    def _job(self, numbers: tuple[int, ...]) -> Job:
        values = tuple(self.values(number) for number in numbers)
        name = "-".join(f"{n:04d}" for n in dict.fromkeys((numbers[0], numbers[-1])))
        done = min(len(known_rungs(self.study, number)) for number in self._running(numbers))
        return Job(
            numbers,
            values,
            done,
            self.folder / "trials" / name,
            fold_in(self.seed, f"job {numbers[0]}"),
            fold_in(self.seed, "evaluation"),
            self.budget,
        )

    def judge(self, job: Job, rung: Rung) -> bool:
        """Enters what a job has reached; returns whether one of its trials goes on."""
        for number in self._running(job.numbers):
            if number in rung.failed:
                self._fail(number, rung.failed[number])
            else:
                self._enter(job, number, rung.env_steps, rung.scores[number])
        self._settle(job.numbers)
        return bool(self._running(job.numbers))

    def _enter(self, job: Job, number: int, env_steps: int, scores: Sequence[float]) -> None:
        trial, score = self.trial(number), middle(scores)
        if env_steps not in known_rungs(self.study, number):
            write_row(job.folder, number, env_steps, score, scores)
            trial.set_user_attr("scores", list(scores))
            trial.report(score, env_steps)

    def _settle(self, numbers: Sequence[int]) -> None:
        """Tells which trials of a group are complete, or pruned, once all have entered the same rung."""
        import optuna

        known = len(self.study.get_trials(deepcopy=False))
        running = self._running([number for number in numbers if number < known])
        rungs = {number: known_rungs(self.study, number) for number in running}
        if len({len(scores) for scores in rungs.values()}) != 1:
            return
        for number in running:
            last = rungs[number].get(self.budget.steps[-1])
            if last is not None:
                self.study.tell(self.trial(number), last)
            elif rungs[number] and self.trial(number).should_prune():
                self.study.tell(self.trial(number), state=optuna.trial.TrialState.PRUNED)

    def fail(self, job: Job, error: str) -> None:
        """Enters that a job raised: its trial has failed, or its trials are to be tried alone."""
        running = self._running(job.numbers)
        if len(job.numbers) > 1:
            self._alone += running
        else:
            self._fail(running[0], error)

    def _fail(self, number: int, error: str) -> None:
        import optuna

        self.trial(number).set_user_attr("error", error)
        self.study.tell(self.trial(number), state=optuna.trial.TrialState.FAIL)

    def results(self) -> tuple[Result, ...]:
        """All trials so far."""
        trials = self.study.get_trials(deepcopy=False)
        return tuple(result_of(trial, self.space) for trial in trials if trial.params)
