"""The command line, ``nappo2 train ppo --env HalfCheetahBulletEnv-v0``, with a file per command."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from nappo2.checks import suggestion

COMMANDS = (
    *("train", "resume", "play", "eval", "plot", "compare", "report", "export", "search"),
    *("trace", "presets"),
)

HELP = """nappo2 trains agents: pipelines of pure transforms, cut where the scheme says.

usage:
  nappo2 train                     PPO on HalfCheetahBulletEnv-v0, 300,000 steps: the main job
  nappo2 train ppo --env CartPole-v1 --seed 1 --log-dir runs/pole
  nappo2 train impala --env CartPole-v1 --scheme dadacs --collectors 2 --learners 2 --backend ray
  nappo2 train ppo --env CartPole-v1 --seeds 5    five seeds at once: a curve with its interval
  nappo2 train ppo --help          all options, with their defaults

  nappo2 resume RUN                continues a run, with its own options
  nappo2 play RUN                  films an episode; --window shows it, --best plays the best params
  nappo2 eval RUN --episodes 20    plays full episodes with the most probable actions
  nappo2 plot RUN RUN ...          draws learning curves; of several seeds with a 95 % interval
  nappo2 compare RUN RUN ...       interquartile means with 95 % intervals, as a table and a picture
  nappo2 report RUN RUN ...        one page: what, how, versions, seeds, curve, film; HTML or Markdown
  nappo2 trace RUN                 when each stage took its steps, in all processes, for a trace viewer
  nappo2 export RUN policy.onnx    a file that acts without torch; .pt2 and .safetensors too
  nappo2 search ppo --env CartPole-v1 --trials 50 --out runs/found
                                   tries hyper-parameters; the same command continues it
  nappo2 train ppo --preset runs/found/preset.json
  nappo2 presets                   all of them, and the entries that measured them
  nappo2 --version

A run leaves metrics.csv, params.npz, run.json and curve.png in its log_dir; the last line on the
standard output is one JSON object. Ctrl-C once ends it with what was learnt so far."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command; a wrong input prints one sentence on the standard error and exits with code 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            code = _run(argv)
        finally:
            sys.stdout.flush()  # raises here if the reader of a pipe has gone
    except (ValueError, NotImplementedError, ImportError, FileNotFoundError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # Python's own, which is no sentence of this library
        print(f"nappo2: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # as of | head, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    if code is not None:
        sys.exit(code)


def _run(argv: list[str]) -> int | None:
    """Runs a command; returns its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP)
        return None
    if argv[0] == "--version":
        print(f"nappo2 {version('nappo2')}")
        return None
    if argv[0] not in COMMANDS:
        raise ValueError(
            f"no command is called {argv[0]!r}; there is {suggestion(argv[0], COMMANDS)}"
        )
    command, words = argv[0], argv[1:]
    if command == "resume":  # other words for train --resume RUN
        if not words:
            raise ValueError(
                "nappo2 resume takes the folder of a run, as in nappo2 resume runs/pole"
            )
        command, words = "train", ["--resume", *words]
    return import_module(f"nappo2.cli.{command}").run(words)
