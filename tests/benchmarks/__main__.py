"""``python -m tests.benchmarks [name ...]``: a JSON line per figure of all benchmarks, or of those named.

Each runs in a process of its own; the exit code is 1 if a bound is not kept.
"""

import subprocess
import sys

NAMES = (
    *("minibatch", "collecting", "locomotion"),
    *("distributed", "sleeping", "straggler", "transfer", "off_policy"),
)


def main(names: list[str]) -> int:
    for name in names:
        if name not in NAMES:
            print(f"no benchmark is called {name!r}; there is {', '.join(NAMES)}", file=sys.stderr)
            return 2
    return int(bool([name for name in names or NAMES if run(name)]))


def run(name: str) -> int:
    return subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
