"""Recipes of entries that no command line makes: with hindsight, without a bonus, with recorded data."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from tensordict import TensorDict

from evidence.entry import Entry, Task, interval_of, is_begun
from nappo2 import (
    DQN,
    PPO,
    SAC,
    Learner,
    collect,
    double_dqn,
    envs,
    hindsight,
    load_dataset,
    population,
    ppo,
    preset,
    record,
    replay_with,
    sac,
    scheme,
)
from nappo2.seeds import fold_in
from nappo2.stages import Recipe, future

BITS = 20


def learner(recipe: Recipe, entry: Entry, task: Task) -> Learner:
    """The Learner of a recipe, or of a population of it, which goes on from its last checkpoint."""
    every, members = interval_of(entry, task), recipe
    if task.num > 1:
        members = population(recipe, task.num)
    made = Learner(
        scheme("3cs", members),
        members.init(fold_in(task.seed, "params")),
        task.seed,
        entry.steps * task.num,
        task.folder,
        evaluate_every=every,
        checkpoint_every=every,
        settings={"num_envs": recipe.env.num_envs},
    )
    if is_begun(task):
        made.resume(task.folder)
    return made


def flipping(copies: bool) -> Recipe:
    """Double DQN that flips 20 bits, with hindsight or without."""
    config = DQN(
        num_steps=BITS,
        capacity=500_000,
        batch_size=256,
        update_ratio=0.25,
        start_steps=2_000,
        learning_rate=1e-3,
        gamma=0.98,
        target_step_size=0.05,
        epsilon=0.1,
        hidden=(256,),
    )
    recipe = double_dqn(envs.bit_flipping(8, BITS), config)
    relabel = hindsight(envs.bits_reward, future(4), envs.bits_reached)
    return recipe.replace(rollouts=relabel) if copies else recipe


def bits(copies: bool, entry: Entry, task: Task) -> Learner:
    """``flipping`` as an entry."""
    return learner(flipping(copies), entry, task)


def reaching(copies: bool, env_id: str) -> Recipe:
    """SAC that moves a robot's hand to a goal, with hindsight or without."""
    config = SAC(
        num_steps=50,
        capacity=200_000,
        update_ratio=0.5,
        start_steps=1_000,
        learning_rate=1e-3,
        gamma=0.95,
        target_step_size=0.02,
        hidden=(64, 64),
    )
    recipe, reward = sac(envs.make(env_id, 1), config), envs.goal_reward(env_id)
    relabel = hindsight(reward, future(4), lambda reached, goal: reward(reached, goal) == 0)
    return recipe.replace(rollouts=relabel) if copies else recipe


def reach(copies: bool, entry: Entry, task: Task) -> Learner:
    """``reaching`` as an entry."""
    return learner(reaching(copies, entry.env), entry, task)


def without_bonus(entry: Entry, task: Task) -> Learner:
    """PPO with the numbers of the preset of ``ppo_rnd`` for the same maze, without its bonus."""
    base = preset("ppo_rnd", "minigrid")
    same = PPO(**{field.name: getattr(base.config, field.name) for field in fields(PPO)})
    return learner(ppo(envs.make(entry.env, base.num_envs), same), entry, task)


def recorded_and_new(entry: Entry, task: Task) -> Learner:
    """SAC half of whose batches are of recorded data (Ball et al., https://arxiv.org/abs/2302.02948)."""
    config = preset("sac", "pendulum").config
    data = mediocre(task.folder.parent / "recorded.npz", config)
    recipe = sac(envs.make(entry.env, 1), config, replay=partial(replay_with, data))
    return learner(recipe, entry, task)


def mediocre(path: Path, config: SAC, seed: int = 100) -> TensorDict:
    """20,000 transitions of an agent that is on its way: the first whose episodes return -900."""
    if path.exists():
        return load_dataset(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    recipe = sac(envs.make("torch/Pendulum-v1", 1), config)
    agent = Learner(scheme("3cs", recipe), recipe.init(seed), seed, 20_000, progress=False)
    for _ in agent.until(episode_return=-900.0):
        pass
    source = collect(envs.make("torch/Pendulum-v1", 4), recipe.policy, 200)
    return record(source, agent.params, 20_000, path, seed=seed)
