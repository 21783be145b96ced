"""The command line, ``nappo2 train ppo --env HalfCheetahBulletEnv-v0``, with a file per command."""

import errno
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

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Errors of a disk, which Python raises without the name of a file."""

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


RESUME = """usage: nappo2 resume RUN [OPTIONS]

Continues the run in the folder RUN from its last checkpoint; nappo2 resume RUN --help lists its options."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command; returns, or exits with a code other than 0.

    A wrong input, or a path that cannot be used, prints one sentence on the standard error and exits with
    code 2; Ctrl-C does so with code 130.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            code = _run(argv)
        finally:
            sys.stdout.flush()  # raises here if the reader of a pipe has gone
    except (ValueError, NotImplementedError, ImportError) as error:
        print(f"nappo2: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:  # as of | head, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except OSError as error:
        if (text := _text_of(error)) is None:
            raise
        print(f"nappo2: {text}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt as error:
        kept = [x for x in error.args if isinstance(x, str)]
        print("; ".join(["nappo2: interrupted", *kept]), file=sys.stderr)
        code = 128 + signal.SIGINT
    if code is not None:
        sys.exit(code)


def _text_of(error: OSError) -> str | None:
    """An error of a path or a disk in a sentence; None for others, such as those of a network."""
    if error.errno is None:  # it is a sentence of this library
        return str(error) if isinstance(error, FileNotFoundError) else None
    if error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}"
    if error.errno in DISK:
        return f"what was to be written could not be: {error.strerror}"
    return None


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
        if words and words[0] in ("-h", "--help"):
            print(RESUME)
            return None
        if not words or words[0].startswith("-"):
            raise ValueError(
                "nappo2 resume takes the folder of a run, as in nappo2 resume runs/pole"
            )
        command, words = "train", ["--resume", *words]
    return import_module(f"nappo2.cli.{command}").run(words)
