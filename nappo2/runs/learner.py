"""The Learner: the loop of a run, with its metrics, files, evaluations and checkpoints."""

import json
import logging
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from signal import Signals
from time import perf_counter
from typing import Any

from nappo2.checks import checked
from nappo2.machine.memory import keep_freed_memory
from nappo2.machine.stop import Interrupted, Stop, left_behind, one_rollout_each, stopped_by
from nappo2.machine.threads import check_threads, torch_threads
from nappo2.params import Params, device_of, in_one_vector, non_finite, replaced, with_hyper
from nappo2.pipeline import Pipeline, adopt, is_empty, is_recorded, positive
from nappo2.reports import count, is_column
from nappo2.runs.adopting import check_statistics
from nappo2.runs.card import run_card
from nappo2.runs.evaluate import Evaluation
from nappo2.runs.evaluations import Beside, Evaluations, is_due
from nappo2.runs.events import adoption
from nappo2.runs.files import RunFiles
from nappo2.runs.interrupts import interrupt_text, interruptible
from nappo2.runs.members import num_members_of
from nappo2.runs.metrics import RECORDED, Metrics, Row, counters_of
from nappo2.runs.progress import progress_bar, shown_return
from nappo2.runs.recorder import Recorder
from nappo2.runs.stopping import Until, any_of, never_seen, until
from nappo2.runs.targets import (
    Target,
    check_first_target,
    check_target,
    target_of,
)
from nappo2.saving.checkpoint import (
    checkpoints_in,
    position_of,
    read_checkpoint,
    save_params,
    set_aside_after,
)
from nappo2.saving.log_dir import from_here, parents, write_whole
from nappo2.saving.packing import Packed, pack
from nappo2.saving.saved_learner import SavedLearner, check_counters, check_params, settled
from nappo2.saving.snapshots import close_state, packed_state, restored, unpacked
from nappo2.saving.unpacking import unpack
from nappo2.schemes.observed import taken
from nappo2.schemes.timing import FIRST
from nappo2.schemes.timing_file import TimingFile
from nappo2.seeds import check_seed
from nappo2.stages.recording.sampling import AT_ONCE

log = logging.getLogger("nappo2")
MOST_STEPS = 100_000  # of a pipeline, from one row to the next


class Learner:
    """Takes the steps of a pipeline whose items are params, and records metrics of them.

    ``for metrics in learner: ...`` yields each new row of metrics until ``target_steps``; of a
    pipeline of recorded data one per 100 updates, until ``target_updates``. SIGINT or
    SIGTERM ends the loop after the current step, and the params stay; a second one aborts. The same
    line, in the next cell, goes on from there; ``resume`` goes on from a checkpoint.

    Attributes:
        params: the latest.
        state: of the pipeline.
        metrics: a row of numbers per rollout, hyper-parameters among them. Returns and lengths are
            means over the last 100 training episodes, undiscounted and unscaled; so are
            ``success_rate``, of environments that tell ``is_success``, and ``episode_x`` of a number
            ``x`` among the ``info_keywords`` of an environment. ``recent_return`` is the mean over the
            episodes that ended in the last 10,000 env steps. ``event`` is a text
            on what happened since the row before: ``set``, ``adopt``, what began anew in ``resume``,
            restarts of workers; an interrupt is in the last row.
        env_steps: transitions collected. Updates are ``params["version"]``.
        seconds: spent in steps.
        interrupted: the number of the signal that ended the last loop, 0 if none did.
        stopped: why ``until`` ended the last loop; empty if it did not.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=96, progress=False)
        >>> for row in learner:
        ...     learner.set(learning_rate=1e-4)
        >>> learner.env_steps, row["updates"], learner.done()
        (96, 60, True)
    """

    @checked
    def __init__(
        self,
        pipeline: Pipeline,
        params: Params,
        seed: int = 0,
        target_steps: int = 100_000,
        log_dir: str | Path | None = None,
        *,
        target_updates: int | None = None,
        evaluate: Callable[[Params], Evaluation] | Beside | None = None,
        evaluate_every: int = 10_000,
        checkpoint_every: int | None = None,
        loggers: Sequence[Any] = (),
        until: Until | None = None,
        progress: bool | None = None,
        threads: int = 1,
        settings: Mapping[str, Any] | None = None,
    ):
        """Begins a run; its files are opened by the first row.

        Args:
            pipeline: whose items are params.
            params: before the first step.
            seed: from which all randomness derives.
            target_steps: env steps after which the run is done, while it collects.
            log_dir: folder for metrics.csv, params.npz, curve.png and the run card, run.json; None
                writes nothing. Files of an earlier run are set aside. It belongs to the latest
                Learner of a process.
            target_updates: updates after which it is done while it learns from ``recorded`` data, of
                which no env steps are counted; None for a run that only collects. Intervals in env
                steps are then in updates.
            evaluate: ``params -> Evaluation``, with environments and seeds of its own, which is
                called in the loop; or ``beside(...)`` of such functions, for a process of their own.
                The best params are written to best.npz in the log_dir.
            evaluate_every: env steps between evaluations.
            checkpoint_every: env steps between checkpoints of the whole run, which are also written
                when an evaluation is the best so far, and at the end of a loop; None for none.
            loggers: where rows go besides metrics.csv: anything with ``log(row)``; what a function of
                ``nappo2.runs.loggers`` returns; or its name, as ``"tensorboard"``.
            until: when to end a loop before ``target_steps``: ``until(episode_return=475)``.
            progress: whether to show a bar; None shows it on a terminal and in a notebook.
            threads: of torch within a step. With small networks, more than one are slower, and much
                slower on busy cores.
            settings: further entries of the run card, as data for JSON.

        Raises:
            ValueError: for counts that are not at least 1, more than 1,024 threads, a pipeline that is
                none, a target that does not fit it, a log_dir that is a file or to which a run of
                another process writes, a logger that is none, and ``checkpoint_every`` without a log_dir.
            ImportError: if the package of a logger is missing.
        """
        positive(target_steps=target_steps, evaluate_every=evaluate_every, threads=threads)
        check_threads(threads)
        positive(checkpoint_every=1 if checkpoint_every is None else checkpoint_every)
        positive(target_updates=1 if target_updates is None else target_updates)
        check_first_target(pipeline, target_updates)
        if checkpoint_every and log_dir is None:
            raise ValueError("checkpoints need a log_dir to be written to")
        self.pipeline, self.params, self.seed = pipeline, params, check_seed(seed)
        self.files, self.recorder = RunFiles(log_dir, loggers), Recorder()
        self.state = pipeline.init(params, seed)
        self.target_steps, self.target_updates = target_steps, target_updates
        self.interrupted, self.stopped = 0, ""
        self.evaluate, self.evaluate_every = evaluate, evaluate_every
        self.evaluations, self._until = Evaluations(self.files, self.recorder), until
        self.checkpoint_every = checkpoint_every
        self._given = params["hyper"].clone()
        self._steps_without_row = 0
        self._whole = True  # whether no step was broken off
        self._closed = False
        self.progress, self._threads = progress, threads
        self._settings, self._card = dict(settings or {}), {}
        keep_freed_memory()

    @property
    def log_dir(self) -> Path | None:
        """The folder of the run's files, an absolute path; None if it writes nothing."""
        return self.files.log_dir

    @property
    def env_steps(self) -> int:
        """Transitions collected."""
        return self.recorder.env_steps

    @property
    def seconds(self) -> float:
        """Seconds spent in steps."""
        return self.recorder.seconds

    @property
    def sums(self) -> dict[str, float]:
        """Sums of all reports so far, by name."""
        return self.recorder.sums

    @property
    def metrics(self) -> Metrics:
        """A row of numbers per rollout."""
        return self.recorder.metrics

    def __repr__(self):
        return f"Learner({self.pipeline!r}) at {self._info()}"

    def step(self) -> Row:
        """Takes one step of the pipeline; returns the latest row of metrics.

        Raises:
            ValueError: once this Learner is closed, or if the pipeline yields no params.
        """
        if self._closed:
            raise ValueError("this Learner is closed; another one goes on from what it saved")
        if self._notes_timing():
            self.begin()  # so that the params before the first step are there
        start = perf_counter()
        self._whole = False
        try:
            with torch_threads(self._threads), one_rollout_each():
                self.state, item, report = self.pipeline.step(self.params, self.state)
        except Interrupted as interrupt:
            self.state, self._whole = left_behind(self.state, interrupt), True
            self._note_timing(TimingFile.broken)
            raise
        params = self.params if is_empty(item) else item
        if "hyper" not in params.keys():
            raise ValueError(
                f"a Learner's pipeline ends with update or learn, whose items are params; this one "
                f"is {self.pipeline!r}"
            )
        if is_recorded(self.pipeline):
            new = int(params["version"]) - int(self.params["version"])
            report = count(report, **{RECORDED: new})
        self.params = params
        self.state, notes = taken(self.state)
        if notes is not None:
            self._note_timing(lambda file: file.step(params, notes))
        self.recorder.add(report, perf_counter() - start)
        self._whole = True
        if report.sums.get("env_steps") or self._row_of_updates():
            self._steps_without_row = 0
            self._log()
        else:
            self._check_source()
        return self.metrics[-1] if self.metrics else {}

    def _row_of_updates(self) -> bool:
        """Tests whether a row is due of a run on recorded data: of 100 updates, or of its last ones."""
        updates = self.recorder.updates_without_row
        return updates >= AT_ONCE or (updates > 0 and self.done())

    def _check_source(self) -> None:
        """Refuses to run for ever with a pipeline that counts neither env steps nor updates.

        Raises:
            ValueError: after 100,000 steps without any.
        """
        self._steps_without_row += 1
        if self._steps_without_row >= MOST_STEPS:
            raise ValueError(
                f"{MOST_STEPS:,} steps of {self.pipeline!r} reported no env_steps, so that no target "
                "is ever reached; a source says count(report, env_steps=...) of each rollout"
            )

    def done(self) -> bool:
        """Tests whether there are ``target_steps`` env steps, or ``target_updates`` from recorded data."""
        target = self._target()
        return target.now >= target.total

    def _target(self) -> Target:
        return target_of(self.pipeline, self.recorder, self.target_steps, self.target_updates)

    def __iter__(self) -> Iterator[Row]:
        return self._loop(any_of([self._until] if self._until else []))

    @checked
    def until(
        self,
        *others: Callable[[Row], Any] | Until,
        patience: int | None = None,
        seconds: float | None = None,
        **columns: Any,
    ) -> Iterator[Row]:
        """Runs as ``for metrics in learner`` does, until a condition holds: ``episode_return=475``.

        Args:
            *others: as those of ``nappo2.until``.
            patience: likewise.
            seconds: likewise.
            **columns: likewise.

        Returns:
            The rows of metrics, as the loop yields them.

        Raises:
            ValueError: if there is no condition.
        """
        condition = until(*others, patience=patience, seconds=seconds, **columns)
        return self._loop(any_of([self._until, condition] if self._until else [condition]))

    def _loop(self, until: Until) -> Iterator[Row]:
        """Steps until the target, an interrupt, or a condition; then saves."""
        self.interrupted, self.stopped, state = 0, "", until.init()
        shown = partial(progress_bar, self._target(), self.progress)
        with interruptible() as signals, shown() as bar:
            save = self.save
            stop = Stop(lambda share: signals.over(), lambda: None, interrupted=signals.over)
            try:
                while not self.done() and not signals.number and not self.stopped:
                    before = self.recorder.position
                    with stopped_by(stop):
                        row = self.step()
                    bar.update(self.recorder.position - before)
                    bar.set_postfix_str(shown_return(row), refresh=False)
                    if self.recorder.position > before:
                        yield row
                        state, self.stopped = until.step(state, row)
                for text in never_seen(until, self.metrics) if self.done() else ():
                    warnings.warn(text, stacklevel=2)
            except Interrupted:
                pass
            except KeyboardInterrupt:
                save = self._save_params
                raise
            finally:
                self.interrupted = signals.number
                with stopped_by(stop):
                    save()
        if self.interrupted and not self.done():
            log.warning(self._how_to_go_on())

    def _how_to_go_on(self) -> str:
        text = interrupt_text(self.interrupted, self.env_steps)
        if self.log_dir is None or not checkpoints_in(self.log_dir / "checkpoints"):
            return text
        return f"{text}, or nappo2 resume {shlex.quote(str(from_here(self.log_dir)))}"

    def run(self) -> "Learner":
        """Runs until ``target_steps`` or an interrupt, and returns the Learner."""
        for _ in self:
            pass
        return self

    @checked
    def adopt(self, pipeline: Pipeline) -> "Learner":
        """Goes on with another pipeline: a changed stage, or another scheme of the same recipe.

        Params, metrics, and the states of stages with the same name and structure stay. Workers of a
        cut with the same name and size receive the new pipeline and keep their states; other workers
        are ended, or started. Steps that are under way are dropped, and not counted.

        Raises:
            ValueError: if it is no pipeline, or one of recorded data, and there is no ``target_updates``;
                if its recipe does not read the statistics by which the params normalise observations.
        """
        check_target(pipeline, self.target_updates)
        check_statistics(pipeline, self.params)
        self.state = adopt(pipeline, self.state, self.params, self.seed)
        event = adoption(self.pipeline, pipeline)
        self.pipeline = pipeline
        self._note_timing(TimingFile.broken)
        if self.files.is_open:
            self._write_card()
        self.recorder.tell(event)
        return self

    @checked
    def set(self, **hyper: float) -> None:
        """Changes hyper-parameters from the next step on, on all workers.

        Raises:
            ValueError: if params have none of that name, of which it names those they have; or if a
                number is out of its range.
        """
        self.params = with_hyper(self.params, **hyper)
        self._note_timing(lambda file: file.set(hyper))
        self.recorder.tell(*(f"set {name} {value:g}" for name, value in hyper.items()))

    @checked
    def record(self, **numbers: float | str) -> None:
        """Adds columns of one's own to the next row of metrics.

        Raises:
            ValueError: if a column of the Learner, one of the last row that its stages report, or a
                hyper-parameter has one of these names.
        """
        others = {*self.recorder.columns, *self.params["hyper"].keys()}
        for name in numbers:
            if name in others or is_column(name):
                raise ValueError(f"{name!r} is a column of the Learner; another name is free")
        columns = {k: x if isinstance(x, str) else float(x) for k, x in numbers.items()}
        self.recorder.add_numbers(columns)

    def print_info(self) -> None:
        """Prints a line with env steps, updates, steps per second and the latest return."""
        print(self._info())

    @checked
    def save_model(self, path: str | Path | None = None) -> Path:
        """Writes the params to ``path``, or to ``log_dir/params.npz`` without one; returns the path.

        Raises:
            ValueError: if there is neither a path nor a log_dir.
        """
        if path is None and self.log_dir is None:
            raise ValueError("save_model needs a path, as this Learner has no log_dir")
        return save_params(self.params, path or self.log_dir / "params.npz")

    def save(self) -> None:
        """Writes params, curve and a last checkpoint to the log_dir, if there is one."""
        if self.interrupted:
            self._tell_last(f"interrupted by {Signals(self.interrupted).name}")
        if self.stopped:
            self._tell_last(f"stopped: {self.stopped}")
        self.evaluations.finish(wait=not self.interrupted)
        if self.log_dir is not None:
            self._save_files()
        self.files.finish()

    def _save_files(self) -> None:
        from nappo2.runs.curve import draw_curve

        self.begin()
        curve = self.log_dir / "curve.png"
        self.files.attempt("params.npz", self.save_model)  # first, as it is what a run is for
        if self.checkpoint_every and self._whole:
            self.files.attempt("a checkpoint", self.checkpoint)
        title, num = self.log_dir.name, num_members_of(self.params)
        self.files.attempt(curve.name, lambda: draw_curve(self.metrics, curve, title, num))
        if curve.exists():
            self.files.show(curve, self.recorder.position)

    def _save_params(self) -> None:
        if self.log_dir is not None:
            self.files.attempt("params.npz", self.save_model)

    def checkpoint(self, best: bool = False) -> None:
        """Begins to write the whole run to ``log_dir/checkpoints``; the run goes on meanwhile.

        With ``best`` the checkpoint is marked as that of the best evaluation so far.

        Raises:
            ValueError: if there is no log_dir, or params are not finite.
            TypeError: if a stage's state is no data that can be saved; names its place.
        """
        if self.log_dir is None:
            raise ValueError("a checkpoint needs a log_dir to be written to")
        if (name := non_finite(self.params)) is not None:
            raise ValueError(f"{name} is not finite, and good checkpoints stay")
        self.begin()
        self.files.checkpoints.begin(self._packed(), self.recorder.position, best)
        self._note_timing(lambda file: file.saved(self.recorder.position, self.params))

    @checked
    def resume(self, path: str | Path) -> None:
        """Goes on from a checkpoint, or the newest good one of a run's log_dir.

        Params, optimizer, replay, counters and metrics come from the checkpoint. Settings come from
        this Learner: capacities, intervals, the environment's arguments, and hyper-parameters that
        differ from those with which the saved run began. The pipeline may be another scheme, or have
        another number of workers or environments: stages of the same name and structure go on, and
        warnings name those that begin anew. In the log_dir of the saved run, later checkpoints are set
        aside. Nothing is touched unless the whole file is good.

        Raises:
            ValueError: if no checkpoint is good, or they have other params; names them.
            FileNotFoundError: if there is none.
        """
        saved = read_checkpoint(path, self._checked)
        inside = self.log_dir is not None and self.log_dir.absolute() in parents(path)
        self.begin(aside=not inside)
        if inside:
            version = int(saved.params["version"])
            set_aside_after(self.log_dir, position_of(saved.counters), version)
        self.params = in_one_vector(saved.params.to(self.params["version"].device))
        self.state, notes = restored(self.pipeline, self.state, saved.state)
        for note in notes:
            log.warning(note)
        self.recorder.restore(saved.counters)
        self.seed = saved.counters["seed"]
        self._note_timing(lambda file: file.resumed(self.recorder.position, self.params))
        self.recorder.tell(*(f"resume: {note}" for note in notes))

    def _checked(self, parts: dict[str, Packed]) -> SavedLearner:
        """The parts of a checkpoint, verified; this Learner is unchanged."""
        params = check_params(unpack(parts["params"]), self.params)
        counters = check_counters(unpack(parts["learner"]))
        hyper = settled(self._given, counters["given"], params["hyper"])
        return SavedLearner(
            replaced(params, hyper=hyper), counters, unpacked(self.state, parts["state"])
        )

    def _packed(self) -> Packed:
        counters = self.recorder.counters() | {"seed": self.seed, "given": self._given}
        stages = [[stage.name, stage.kind] for stage in self.pipeline.stages]
        state = packed_state(self.pipeline, self.state)
        return pack({"params": self.params, "state": state, "learner": counters, "stages": stages})

    def begin(self, aside: bool = True) -> None:
        """Opens the files of the run, if it has not begun.

        Those of an earlier run are set aside, unless ``aside`` is false.

        Raises:
            ValueError: if this Learner is closed, or another one was made for this log_dir.
        """
        if self.files.made_again():
            self._write_card()
        if self.files.begin(aside):
            self._write_card()
            if aside and self._notes_timing():
                self._note_timing(lambda file: file.begun(self.seed, self.params))
                first = self.log_dir / FIRST
                self.files.attempt(FIRST, lambda: save_params(self.params, first))
            hyper = {name: float(x) for name, x in self._given.items() if x.numel() == 1}
            self.files.open_loggers(self._card | {"hyper": hyper})

    def _write_card(self) -> None:
        """Writes run.json, from which the agent can be made again, if there is a log_dir."""
        settings = {
            "seed": self.seed,
            "total_steps": self.target_steps,
            **({"total_updates": self.target_updates} if self.target_updates else {}),
            "log_dir": self.log_dir and from_here(self.log_dir),
            "device": str(device_of(self.params)),
            "threads": self._threads,
            "evaluate_every": self.evaluate_every if self.evaluate else 0,
            "checkpoint_every": self.checkpoint_every or 0,
            **self._settings,
        }

        def write():
            self._card = run_card(self.pipeline, **settings)
            if self.log_dir is not None:
                text = json.dumps(self._card, indent=2)
                write_whole(self.log_dir / "run.json", text + "\n")

        self.files.attempt("run.json", write)

    def _notes_timing(self) -> bool:
        """Whether decisions of the pipeline's cuts are noted, and there is a place for them."""
        return self.log_dir is not None and taken(self.state)[1] is not None

    def _note_timing(self, note: Callable[[TimingFile], None]) -> None:
        """Adds to timing.bin, if the timing of the pipeline is recorded and the files are open."""
        if self.files.is_open and self._notes_timing():
            self.files.note_timing(note)

    def close(self) -> None:
        """Closes simulators, ends workers, and releases the log_dir; params and metrics stay."""
        if not self._closed:
            self._closed = True
            self._note_timing(lambda file: file.params(self.params))
            close_state(self.pipeline, self.state)
            self.evaluations.close()
            self.files.close()

    def _log(self) -> None:
        """Makes a row of the reports since the last row, and writes all files that are due."""
        self.begin()
        before = self.recorder.position
        row = self.recorder.row(self.params)
        with torch_threads(self._threads):
            self.evaluations.begin(self.evaluate, self.evaluate_every, self.params, before)
        is_best = self.evaluations.add_to(row)
        self.files.write(self.metrics)
        self.files.write_spans(self.recorder.spans)
        every = self.checkpoint_every
        if every and (is_best or is_due(every, before, self.recorder.position)):
            self.files.attempt("a checkpoint", partial(self.checkpoint, is_best))

    def _tell_last(self, event: str) -> None:
        """Adds an event to the last row, in the files too."""
        self.recorder.tell_last(event)
        if self.metrics:
            row = self.metrics[-1]
            changed = {**counters_of(row), "event": row["event"]}
            self.files.write_again(self.metrics, changed)

    def _info(self) -> str:
        is_timed = self.env_steps and self.seconds
        rate = f", {self.env_steps / self.seconds:.0f} steps/s" if is_timed else ""
        row = self.metrics[-1] if self.metrics else {}
        line = f"{self.env_steps:,} env steps, {int(self.params['version']):,} updates{rate}"
        return ", ".join(filter(None, [line, shown_return(row)]))
