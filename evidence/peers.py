"""``python -m evidence.peers NAME SEED NUM FOLDER``: trains a seed by Stable-Baselines3 with our settings.

It leaves the same result as ``evidence.training``. Ended before that, the same command goes on from what
was saved last, with new episodes and random numbers, as a model of Stable-Baselines3 has none of these.
"""

import json
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import torch
from tensordict import TensorDict

from evidence.entries import ENTRIES
from evidence.entry import Entry, Task, interval_of
from evidence.training import (
    COLUMNS,
    EPISODES,
    LAST_EPISODES,
    RESULT,
    check_definition,
    clock_in,
    column,
)
from nappo2.machine.silence import silent
from nappo2.params import make_params
from nappo2.recipes import preset_for
from nappo2.reports import Report
from nappo2.runs.card import circumstances
from nappo2.runs.interrupts import interruptible
from nappo2.runs.recorder import Recorder
from nappo2.saving.log_dir import write_whole
from nappo2.seeds import fold_in

STATE, MODEL, REPLAY, SCALES = "state.json", "model.zip", "replay.pkl", "scales.pkl"
TEST_SEED = 2**31


def ppo_arguments(config: Any, num_envs: int, steps: int) -> dict[str, Any]:
    """PPO's settings in Stable-Baselines3's words, whose value loss counts twice as much."""
    return {
        "n_steps": config.num_steps,
        "batch_size": config.num_steps * num_envs // config.num_minibatches,
        "n_epochs": config.num_epochs,
        "learning_rate": config.learning_rate,
        "gamma": config.gamma,
        "gae_lambda": config.lambda_,
        "clip_range": config.clip_eps,
        "ent_coef": config.entropy_coef,
        "vf_coef": config.value_coef / 2,
        "max_grad_norm": config.max_grad_norm,
        "policy_kwargs": {"net_arch": list(config.hidden)},
    }


def sac_arguments(config: Any, num_envs: int, steps: int) -> dict[str, Any]:
    """SAC's settings in Stable-Baselines3's words."""
    return {
        "buffer_size": config.capacity,
        "batch_size": config.batch_size,
        "learning_starts": config.start_steps,
        "train_freq": config.num_steps,
        "gradient_steps": round(config.num_steps * num_envs * config.update_ratio),
        "learning_rate": config.learning_rate,
        "gamma": config.gamma,
        "tau": config.target_step_size,
        "policy_kwargs": {"net_arch": list(config.hidden)},
    }


def dqn_arguments(config: Any, num_envs: int, steps: int) -> dict[str, Any]:
    """DQN's settings in Stable-Baselines3's words, which counts schedules in env steps."""
    explored = config.start_steps + config.exploration_updates / config.update_ratio
    return sac_arguments(config, num_envs, steps) | {
        "target_update_interval": round(config.target_delay / config.update_ratio / num_envs),
        "exploration_fraction": explored / steps,
        "exploration_final_eps": config.epsilon,
        "max_grad_norm": config.max_grad_norm,
    }


ARGUMENTS = {"ppo": ppo_arguments, "sac": sac_arguments, "dqn": dqn_arguments}


def train(entry: Entry, task: Task) -> int:
    """Trains until the end or a signal, and in the end leaves the result; returns the exit code."""
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    task.folder.mkdir(parents=True, exist_ok=True)
    check_definition(entry, task.folder)
    peer = Peer(entry, task)

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            peer.count(self.locals["infos"])
            return not signals.number

    with interruptible() as signals:
        left = entry.steps - peer.model.num_timesteps
        if left > 0:
            peer.model.learn(left, callback=Watch(), reset_num_timesteps=False)
    peer.save()
    if signals.number:
        return 128 + signals.number
    write_whole(task.folder / RESULT, json.dumps({"card": peer.card(), "runs": [peer.result()]}))
    return 0


class Peer:
    """A model of Stable-Baselines3 with the record of its run."""

    def __init__(self, entry: Entry, task: Task):
        self.entry, self.task, self.clock = entry, task, clock_in(task.folder)
        _, self.algorithm = entry.words
        self.preset = preset_for(self.algorithm, entry.env)
        self.normalizes = getattr(self.preset.config, "normalize", False)  # DQN has none
        self.recorder, self.evaluations = Recorder(), []
        self.begun, self.env_steps = circumstances(), 0
        self.model = self.loaded() if (task.folder / STATE).exists() else self.new()
        self.since, self.episodes = time.perf_counter(), []

    def new(self) -> Any:
        """The model at its beginning."""
        envs = self.envs(self.preset.num_envs, self.task.seed)
        return self.kind()("MlpPolicy", envs, seed=self.task.seed, device="cpu", **self.arguments())

    def arguments(self) -> dict[str, Any]:
        """The preset in Stable-Baselines3's words."""
        base = self.preset
        return ARGUMENTS[self.algorithm](base.config, base.num_envs, self.entry.steps)

    def kind(self) -> Any:
        import stable_baselines3

        return getattr(stable_baselines3, self.algorithm.upper())

    def envs(self, num: int, seed: int, training: bool = True) -> Any:
        """Environments with episodes that are counted, normalised where the preset is."""
        import pybullet_envs_gymnasium  # noqa: F401 (registers)
        from stable_baselines3.common.env_util import make_vec_env
        from stable_baselines3.common.vec_env import VecNormalize

        made = make_vec_env(lambda: gymnasium.make(self.entry.env), num, seed=seed)
        if not self.normalizes:
            return made
        gamma = self.preset.config.gamma
        return VecNormalize(made, gamma=gamma, training=training, norm_reward=training)

    def loaded(self) -> Any:
        """The model where it was saved."""
        from stable_baselines3.common.vec_env import VecNormalize

        folder = self.task.folder
        state = json.loads((folder / STATE).read_text())
        self.evaluations, self.begun = state["evaluations"], state["begun"]
        self.recorder.restore(state["recorder"])
        envs = self.envs(self.preset.num_envs, fold_in(self.task.seed, state["env_steps"]) % 2**31)
        if isinstance(envs, VecNormalize):
            envs = VecNormalize.load(folder / SCALES, envs.venv)
        model = self.kind().load(folder / MODEL, envs, device="cpu")
        if (folder / REPLAY).exists():
            model.load_replay_buffer(folder / REPLAY)
        self.env_steps = state["env_steps"]
        return model

    def save(self) -> None:
        """Saves everything; state.json comes last, and is what counts."""
        folder = self.task.folder
        self.model.save(folder / MODEL)
        if hasattr(self.model, "save_replay_buffer"):
            self.model.save_replay_buffer(folder / REPLAY)
        if self.normalizes:
            self.model.get_env().save(folder / SCALES)
        self.clock.save()
        state = {
            "env_steps": self.env_steps,
            "recorder": self.recorder.counters() | {"unlogged": []},
            "evaluations": self.evaluations,
            "begun": self.begun,
        }
        write_whole(folder / STATE, json.dumps(state))

    def count(self, infos: list[dict]) -> None:
        """Counts a step of all environments, and now and then adds a row or evaluates."""
        before, self.env_steps = self.env_steps, self.env_steps + len(infos)
        self.episodes += [info["episode"] for info in infos if "episode" in info]
        if is_over(before, self.env_steps, max(1, self.entry.steps // 500)):
            self.add_row()
        if is_over(before, self.env_steps, interval_of(self.entry, self.task)):
            self.evaluate()
            self.save()

    def add_row(self) -> None:
        """Adds a row of metrics, as a Learner has them."""
        columns = {
            "return": torch.tensor([float(x["r"]) for x in self.episodes]),
            "length": torch.tensor([float(x["l"]) for x in self.episodes]),
        }
        steps = self.env_steps - self.recorder.env_steps
        seconds, self.since, self.episodes = (
            time.perf_counter() - self.since,
            time.perf_counter(),
            [],
        )
        self.recorder.add(Report(sums={"env_steps": steps}, episodes=columns), seconds)
        self.recorder.row(EMPTY)

    def evaluate(self) -> None:
        """Plays ten greedy episodes, and keeps the model beside their mean; no second of it counts."""
        start = time.perf_counter()
        returns, _ = self.play(EPISODES, "evaluation")
        path = self.task.folder / f"evaluated-{self.env_steps}.zip"
        self.model.save(path)
        if self.normalizes:
            self.model.get_env().save(path.with_suffix(".pkl"))
        self.evaluations.append([self.env_steps, sum(returns) / len(returns), str(path.name)])
        self.since += time.perf_counter() - start

    def play(self, episodes: int, name: str, path: Path | None = None) -> tuple[list, list]:
        """Returns and lengths of greedy episodes, of the model as it is or was."""
        from stable_baselines3.common.evaluation import evaluate_policy
        from stable_baselines3.common.vec_env import VecNormalize, sync_envs_normalization

        test = self.envs(10, fold_in(self.task.seed, name) % TEST_SEED, training=False)
        model = self.model if path is None else self.kind().load(path, device="cpu")
        if isinstance(test, VecNormalize):
            scaled = self.model.get_env()
            if path is not None:
                scaled = VecNormalize.load(path.with_suffix(".pkl"), test.venv)
            sync_envs_normalization(scaled, test)
        found = evaluate_policy(model, test, episodes, return_episode_rewards=True)
        test.close()
        return found

    def card(self) -> dict[str, Any]:
        """What the run is made of."""
        versions = self.begun["versions"] | {"stable-baselines3": version("stable-baselines3")}
        return {
            "algorithm": f"Stable-Baselines3's {self.algorithm}",
            "config": asdict(self.preset.config),
            "arguments": self.arguments(),
            "env": self.entry.env,
            "num_envs": self.preset.num_envs,
            "seed": self.task.seed,
        } | self.begun | {"versions": versions}  # fmt: skip

    def result(self) -> dict[str, Any]:
        """As that of ``evidence.training``."""
        rows, found = self.recorder.metrics, self.evaluations
        env_steps, _, name = max(found, key=lambda x: x[1])
        best = self.play(LAST_EPISODES, "best", self.task.folder / name)
        return {
            "seed": self.task.seed,
            "seconds": self.recorder.seconds,
            "core_seconds": self.clock.seconds(),
            "rows": {name: column(rows, name) for name in COLUMNS if column(rows, name)},
            "evaluations": {"env_steps": [x[0] for x in found], "return": [x[1] for x in found]},
            "last": episodes_of(self.play(LAST_EPISODES, "last"), self.env_steps),
            "best": episodes_of(best, env_steps),
        }


EMPTY = make_params(TensorDict())  # of which a row has no hyper-parameters


def is_over(before: int, now: int, every: int) -> bool:
    """Tests whether a multiple of ``every`` was reached."""
    return before // every < now // every


def episodes_of(played: tuple[list, list], env_steps: int) -> dict[str, Any]:
    """Returns and lengths of episodes, and when their model was taken."""
    returns, lengths = ([float(x) for x in column] for column in played)
    return {"env_steps": env_steps, "return": returns, "length": lengths}


if __name__ == "__main__":
    name, seed, num, folder = sys.argv[1:]
    with silent(1):
        code = train(ENTRIES[name], Task(int(seed), int(num), Path(folder)))
    sys.exit(code)
