"""An entry of seconds, and the process that a test kills while it runs it."""

import sys
from pathlib import Path

from evidence.entry import Entry, Task
from evidence.training import train

WORDS = "ppo --num-envs 2 --num-steps 32 --num-epochs 1 --num-minibatches 2 --hidden 8"
TINY = Entry(
    "tiny", ("classic", "tiny"), tuple(WORDS.split()), "CartPole-v1", 1_280, seeds=2, evaluations=4
)

if __name__ == "__main__":
    name, seed, num, folder = sys.argv[1:]
    sys.exit(train(TINY, Task(int(seed), int(num), Path(folder))))
