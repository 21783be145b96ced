"""The loop, as something one holds in hand."""

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import pstdev
from time import perf_counter

from nappo2.checkpoint import save_params
from nappo2.evaluate import Evaluation
from nappo2.interrupts import interruptible
from nappo2.metrics import CsvFile, Metrics, Row
from nappo2.params import Params, with_hyper
from nappo2.pipeline import Pipeline, adopt, check_pipeline, positive
from nappo2.reports import Report, flat, join
from nappo2.seeds import check_seed
from nappo2.threads import torch_threads

FILES = ("metrics.csv", "params.npz", "curve.png", "run.json", "tensorboard")


class Learner:
    """Takes the steps of a pipeline that yields params, and remembers what they were like.

    ``for metrics in learner: ...`` runs until ``target_steps``; SIGINT ends that after the step
    that is being taken, and what was learnt is kept; a second one aborts. Run on from there in
    the next cell by the same line.

    Attributes:
        params, state: with which the pipeline goes on.
        metrics: a row of numbers per rollout. Returns and lengths are means over the last 100
            training episodes, undiscounted and unscaled.
        env_steps: transitions collected. Updates are ``params["version"]``.
        seconds: spent in steps.
        interrupted: whether SIGINT ended the last loop.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        params: Params,
        seed: int = 0,
        target_steps: int = 100_000,
        log_dir: str | Path | None = None,
        *,
        evaluate: Callable[[Params], Evaluation] | None = None,
        evaluate_every: int = 10_000,
        tensorboard: bool = False,
        progress: bool | None = None,
        threads: int = 1,
    ):
        """
        Args:
            pipeline: whose items are params.
            params: the first ones.
            seed: from which all randomness derives.
            target_steps: env steps after which the run is done.
            log_dir: for metrics.csv, params.npz and curve.png; None writes nothing. Files of
                an earlier run are set aside.
            evaluate: ``params -> Evaluation``, with environments and seeds of its own.
            evaluate_every: env steps between evaluations.
            tensorboard: whether to log to ``log_dir/tensorboard`` too.
            progress: whether to show a bar; None shows it where somebody can see it.
            threads: of torch within a step. For small networks more than one are slower, and
                many times so on busy cores.

        Raises:
            ValueError: for counts that are not at least 1, a pipeline that is none, or a log_dir
                that is a file.
        """
        positive(target_steps=target_steps, evaluate_every=evaluate_every, threads=threads)
        check_pipeline(pipeline)
        if tensorboard and log_dir is None:
            raise ValueError("TensorBoard needs a log_dir to write to")
        self.pipeline, self.params, self.seed = pipeline, params, check_seed(seed)
        self.log_dir = None if log_dir is None else _prepared(Path(log_dir))
        self.state = pipeline.init(params, seed)
        self.target_steps = target_steps
        self.evaluate, self.evaluate_every = evaluate, evaluate_every
        self.env_steps, self.seconds, self.interrupted = 0, 0.0, False
        self.sums: dict[str, float] = {}
        self.metrics = Metrics()
        self._episodes = deque(maxlen=100)
        self._unlogged: list[Report] = []
        self._next_evaluation = evaluate_every
        self._csv = self.log_dir and CsvFile(self.log_dir / "metrics.csv")
        self._tensorboard = _tensorboard(self.log_dir) if tensorboard else None
        self.progress, self._threads = progress, threads

    def __repr__(self):
        return f"Learner({self.pipeline!r}) at {self._info()}"

    def step(self) -> Row:
        """Takes one step of the pipeline; returns the latest row of metrics."""
        start = perf_counter()
        with torch_threads(self._threads):
            self.state, params, report = self.pipeline.step(self.params, self.state)
        if "hyper" not in params.keys():
            raise ValueError(
                f"a Learner's pipeline ends with update or learn, whose items are params; this one "
                f"is {self.pipeline!r}"
            )
        self.params, elapsed = params, perf_counter() - start
        self.seconds += elapsed
        self._unlogged.append(report._replace(sums=report.sums | {"seconds": elapsed}))
        if report.sums.get("env_steps"):
            self._log()
        return self.metrics[-1] if self.metrics else {}

    def done(self) -> bool:
        """Whether the target is reached."""
        return self.env_steps >= self.target_steps

    def __iter__(self) -> Iterator[Row]:
        self.interrupted = False
        with interruptible() as interrupted, self._bar() as bar:
            try:
                while not self.done() and not interrupted():
                    before, row = self.env_steps, self.step()
                    bar.update(self.env_steps - before)
                    bar.set_postfix_str(_shown(row), refresh=False)
                    yield row
                self.interrupted = interrupted()
            finally:
                self.save()

    def run(self) -> "Learner":
        """Runs until ``target_steps`` or an interrupt; returns itself, to be looked at."""
        for _ in self:
            pass
        return self

    def adopt(self, pipeline: Pipeline) -> "Learner":
        """Goes on with another pipeline: a changed stage, or another scheme of the same recipe.

        Params, metrics, and the states of stages that have the same name and structure stay.
        Workers of a cut of the same name and size receive the new pipeline and keep what they
        remember; others are ended, or started. Steps that are under way are dropped, and not counted.

        Raises:
            ValueError: if it is no pipeline.
        """
        self.state = adopt(check_pipeline(pipeline), self.state, self.params, self.seed)
        self.pipeline = pipeline
        return self

    def set(self, **hyper: float) -> None:
        """Changes hyper-parameters from the next step on, on every worker.

        Raises:
            ValueError: if params have none of that name; says which they have.
        """
        self.params = with_hyper(self.params, **hyper)

    def print_info(self) -> None:
        """Prints where the run stands, in a line."""
        print(self._info())

    def save_model(self, path: str | Path | None = None) -> Path:
        """Writes the params, to ``log_dir/params.npz`` if no path is given; returns where.

        Raises:
            ValueError: if there is neither a path nor a log_dir.
        """
        if path is None and self.log_dir is None:
            raise ValueError("save_model needs a path, as this Learner has no log_dir")
        return save_params(self.params, path or self.log_dir / "params.npz")

    def save(self) -> None:
        """Leaves the params and the curve in the log_dir, if there is one."""
        if self.log_dir is None:
            return
        from nappo2.curve import draw_curve

        self.save_model()
        draw_curve(self.metrics, self.log_dir / "curve.png", self.log_dir.name)

    def close(self) -> None:
        """Ends the workers, if there are any; the params and metrics stay."""
        for state in self.state.values():
            if hasattr(state, "stop"):
                state.stop()

    def _log(self) -> None:
        """Makes a row of all reports since the last one."""
        report, self._unlogged = join(self._unlogged), []
        steps = int(report.sums["env_steps"])
        self.env_steps += steps
        if report.episodes:
            self._episodes.extend(
                zip(
                    report.episodes["return"].tolist(),
                    report.episodes["length"].tolist(),
                    strict=True,
                )
            )
        numbers = flat(report._replace(episodes={}))
        for name in report.sums:
            self.sums[name] = self.sums.get(name, 0.0) + numbers.get(name, 0.0)
        elapsed = numbers.pop("seconds")
        row = {"env_steps": self.env_steps, "updates": int(self.params["version"])}
        row |= {"seconds": self.seconds, "steps_per_second": steps / elapsed}
        if self._episodes:
            row |= {"episode_return": self._mean(0), "episode_length": self._mean(1)}
            row["episode_return_std"] = pstdev(score for score, _ in self._episodes)
        row |= {name: value for name, value in numbers.items() if name != "env_steps"}
        self.metrics.append(row | self._evaluated())
        self._write(self.metrics[-1])

    def _evaluated(self) -> Row:
        if self.evaluate is None or self.env_steps < self._next_evaluation:
            return {}
        self._next_evaluation += self.evaluate_every
        with torch_threads(self._threads):
            found = self.evaluate(self.params)
        return {
            "evaluation_return": float(found.returns.mean()),
            "evaluation_std": float(found.returns.std(correction=0)),
            "evaluation_length": float(found.lengths.mean()),
        }

    def _write(self, row: Row) -> None:
        if self._csv:
            self._csv.write(row)
        if self._tensorboard:
            for name, value in row.items():
                self._tensorboard.log_scalar(name, value, step=self.env_steps)

    def _mean(self, i: int) -> float:
        return sum(episode[i] for episode in self._episodes) / len(self._episodes)

    def _bar(self):
        with warnings.catch_warnings():  # without ipywidgets it is a plain bar, and says so
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
        visible = {None: None, True: False, False: True}[
            self.progress
        ]  # tqdm's None: on a terminal
        return tqdm(
            total=self.target_steps,
            initial=self.env_steps,
            unit="step",
            disable=visible,
            mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a file would fill up
        )

    def _info(self) -> str:
        rate = f", {self.env_steps / self.seconds:.0f} steps/s" if self.seconds else ""
        row = self.metrics[-1] if self.metrics else {}
        line = f"{self.env_steps:,} env steps, {int(self.params['version']):,} updates{rate}"
        return ", ".join(filter(None, [line, _shown(row)]))


def _shown(row: Row) -> str:
    return f"return {row['episode_return']:.1f}" if "episode_return" in row else ""


def _prepared(log_dir: Path) -> Path:
    """The directory, made if need be; what an earlier run left there is set aside."""
    if log_dir.exists() and not log_dir.is_dir():
        raise ValueError(f"log_dir is a directory; {log_dir} is a file")
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"log_dir {log_dir} cannot be made: {error}") from error
    old = [log_dir / name for name in FILES if (log_dir / name).exists()]
    if old:
        aside = next(p for i in range(1, 10**6) if not (p := log_dir / f"earlier-{i}").exists())
        aside.mkdir()
        for path in old:
            os.replace(path, aside / path.name)
    return log_dir


def _tensorboard(log_dir: Path):
    from torchrl.record.loggers.tensorboard import TensorboardLogger  # 0.7 s, so only here

    return TensorboardLogger("tensorboard", log_dir=str(log_dir))
