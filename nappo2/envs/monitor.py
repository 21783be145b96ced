"""Monitor files, a line per episode, in the format of Stable-Baselines3 that its plotters read."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.env import Env, counted
from nappo2.saving.calls import remembering


class MonitorState(NamedTuple):
    env: Any
    score: Tensor  # [B], the return of each game so far
    length: Tensor  # [B], the steps of each game so far
    files: "MonitorFiles"
    folder: str  # of the files


@remembering
@checked
def monitored(env: Env, folder: str | Path, info_keywords: Sequence[str] = ()) -> Env:
    """Writes a line per episode of an environment to monitor files in ``folder``.

    There is a file ``{worker}_{env}.monitor.csv`` per environment: a comment in JSON (``t_start``,
    ``env_id``), the header, and return, length and seconds since ``t_start`` of each episode: of
    whole games, unclipped. Numbers of workers are given in the order in which first episodes end,
    each once in a folder, whichever processes share it.

    Args:
        env: the environment.
        folder: of the files; it is made when the first episode ends.
        info_keywords: further columns, of what the environment tells of the last step of a game.

    Returns:
        The environment, which steps as before.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> env = envs.monitored(envs.cartpole(2, time_limit=3), folder)
        >>> state, observation = env.reset(0)
        >>> for _ in range(3):
        ...     state, observation, transition = env.step(state, torch.tensor([0, 1]))
        >>> rows = (folder / "0_0.monitor.csv").read_text().splitlines()  # of the first environment
        >>> rows[1], rows[2][:5]  # return, length and time
        ('r,l,t', '3.0,3')
    """

    def reset(seed):
        state, observation = env.reset(seed)
        zeros, files = torch.zeros(env.num_envs), MonitorFiles(env, Path(folder), info_keywords)
        return MonitorState(state, zeros, zeros, files, str(files.folder)), observation

    def step(state, action):
        inner, observation, transition = env.step(state.env, action)
        reward, over = counted(transition)
        info = transition.info
        score, length = state.score + reward, state.length + 1
        if over.any():
            for i in over.nonzero().flatten().tolist():
                columns = [
                    info[name][i].item() if name in info else math.nan for name in info_keywords
                ]
                state.files.write(i, score[i].item(), int(length[i]), columns)
            score, length = score * ~over, length * ~over
        state = state._replace(env=inner, score=score, length=length)
        return state, observation, transition

    def save(state):
        inner = env.save(state.env)
        return None if inner is None else {"env": inner, "games": [state.score, state.length]}

    def load(state, saved):
        inner = env.load(state.env, saved["env"])
        score, length = saved["games"]
        return state._replace(env=inner, score=score, length=length)

    return env._replace(
        reset=reset,
        step=step,
        close=lambda state: env.close(state.env),
        render=env.render and (lambda state: env.render(state.env)),
        many=None,
        save=env.save and save,
        load=env.load and load,
        restarts=env.restarts and (lambda state: env.restarts(state.env)),
    )


class MonitorFiles:
    """The files of one worker, which are made when the first of its episodes ends."""

    def __init__(self, env: Env, folder: Path, info_keywords: Sequence[str]):
        self.folder, self.num = folder.absolute(), env.num_envs
        self.start, self.paths = time(), []
        head = json.dumps({"t_start": self.start, "env_id": env.name})
        self.head = f"#{head}\n{','.join(['r', 'l', 't', *info_keywords])}\n"

    def write(self, i: int, score: float, length: int, columns: Sequence[float]) -> None:
        """Appends a line to the file of an environment.

        Args:
            i: the number of the environment.
            score: the return of the episode.
            length: its number of steps.
            columns: a number for each of ``info_keywords``.
        """
        if not self.paths:
            self.paths = self._create()
        row = [round(score, 6), length, round(time() - self.start, 6), *columns]
        with open(self.paths[i], "a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

    def _create(self) -> list[Path]:
        """New files under the first number that no other worker has taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        worker = 0
        while True:
            paths = [self.folder / f"{worker}_{i}.monitor.csv" for i in range(self.num)]
            try:
                for path in paths:
                    with open(path, "x") as file:  # fails where another worker was faster
                        file.write(self.head)
                return paths
            except FileExistsError:
                worker += 1
