"""``python -m benchmarks [name ...]``: a JSON line per figure of all benchmarks, or of those named.

Each runs in a process of its own; the exit code is 1 if a bound is not kept. Arguments of one are
behind its name: ``race:PYTHON``, ``advise:CartPole``. Figures are kept in benchmarks/results/bench.json,
and with their commit in history.jsonl; what got slower since, by more than both spreads, is printed and
then kept as it is.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import history

NAMES = (
    *("minibatch", "collecting", "locomotion", "cartpole", "soft", "populations", "starting"),
    *(
        "distributed",
        "decentralised",
        "cores",
        "processes",
        "sleeping",
        "straggler",
        "transfer",
        "replaying",
    ),
    *("keeping", "torch_envs", "atari", "acting", "seeds", "words", "masks", "critics"),
    *("recording", "advise", "dqn", "scale"),
)
WITH_ARGUMENTS = ("race",)  # which others run
KEPT = Path(__file__).parent / "results/bench.json"
COSTS = ("us", "ms", "s", "MB")  # of which more is worse


def main(names: list[str]) -> int:
    for name in names:
        if name.partition(":")[0] not in (*NAMES, *WITH_ARGUMENTS):
            known = ", ".join((*NAMES, *WITH_ARGUMENTS))
            print(f"no benchmark is called {name!r}; there is {known}", file=sys.stderr)
            return 2
    failed = False
    for name in names or NAMES:
        figures, code = run(name)
        failed |= bool(code)
        for line in slower(kept(), figures):
            print(line, flush=True)
        keep(figures)
        history.add(name.partition(":")[0], figures)
    return int(failed)


def run(name: str) -> tuple[list[dict], int]:
    """The figures of a benchmark, printed as they come, and its exit code."""
    module, *arguments = name.split(":")
    command, found = [sys.executable, "-m", f"benchmarks.{module}", *arguments], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith('{"figure"'):
                found.append(json.loads(line))
    return found, process.returncode


def kept() -> dict[str, dict]:
    """The figures of earlier runs, by name."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(figures: list[dict]) -> None:
    """Keeps figures for the next time."""
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept() | {x["figure"]: x for x in figures}, indent=1) + "\n")


def slower(before: dict[str, dict], figures: list[dict]) -> list[str]:
    """A line for each figure that is worse than it was, all of its spread beyond all of that.

    A figure that was kept without a spread says nothing.
    """
    lines = []
    for now in figures:
        old = before.get(now["figure"])
        if old and old["spread"] and _worse(old, now):
            lines.append(
                f"slower: {now['figure']}: {now['value']} {now['spread']} {now['unit']}, "
                f"after {old['value']} {old['spread']}"
            )
    return lines


def _worse(old: dict, now: dict) -> bool:
    (old_low, old_high), (low, high) = old["spread"], now["spread"]
    if now["unit"] in COSTS or "at_most" in now:
        return low > old_high
    return high < old_low


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
