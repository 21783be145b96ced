"""Sources: pipelines of rollouts."""

from time import perf_counter
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.utils._pytree import tree_map

from nappo2.envs import Env, Outcome
from nappo2.maths import returns
from nappo2.maths.moments import moments
from nappo2.params import Params
from nappo2.pipeline import Pipeline, positive, stage
from nappo2.policies import Decision, Policy
from nappo2.reports import Report, count
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.on_bad import OnBad, finite, raise_
from nappo2.stages.stop import current_stop
from nappo2.threads import without_garbage_collection


class CollectState(NamedTuple):
    """Where the environments stand between two rollouts."""

    env: Any
    observation: Any  # [B, ...], or a dictionary of such
    memory: Any
    score: Tensor  # [B], the return of each episode so far
    length: Tensor  # [B], its steps so far
    fresh: Tensor  # [B] bool, whether one begins; of games with lives, whether a life does
    discounted: Tensor  # [B], its discounted return so far, by which rewards are scaled
    seed: int


@stage
def collect(env: Env, policy: Policy, num_steps: int, on_bad: OnBad = raise_) -> Pipeline:
    """Rollouts of ``num_steps`` steps, as TensorDicts of shape [T, B].

    Their keys are ``observation``, ``action``, ``action_log_prob``, ``params_version`` and, under
    ``next``, ``observation`` (the one reached, before any reset), ``reward``, ``terminated``,
    ``truncated`` and ``done``; of a policy that remembers also ``memory``, what acting began with
    at each step, and ``is_init``, whether an episode began there. Nothing in them is normalised,
    and all is on the CPU. The report counts env steps and the seconds inside of ``env.step``, and
    has the finished episodes, and the moments of observations and discounted returns that
    ``params["normalizer"]`` asks for.

    ``on_bad`` is what becomes of a rollout in which an observation or a reward is not finite; a
    policy never sees such.

    Raises:
        ValueError: if ``num_steps`` is not at least 1; in a step, by ``raise_``, if an
            observation or a reward is not finite.
    """
    positive(num_steps=num_steps)

    def init(params, seed):
        env_seed, memory_seed, seed = split(fold_in(seed, "collect"), 3)
        env_state, observation = env.reset(env_seed)
        zeros = torch.zeros(env.num_envs)
        memory, fresh = policy.init(env.num_envs, memory_seed), torch.ones(env.num_envs).bool()
        own = CollectState(env_state, observation, memory, zeros, zeros, fresh, zeros, seed)
        return {"collect": own}

    @torch.no_grad()
    def step(params, states):
        state = states["collect"]
        params = params if params["version"].device.type == "cpu" else params.cpu()
        plain = params.to_dict()
        seed, key = split(state.seed)
        state, rollout, seconds = interact(env, policy, num_steps, plain, state, generator(key))
        rollout, num_bad = on_bad(env.name, rollout)
        cut = rollout.pop("cut", None)
        done = rollout["next"]["terminated"] | rollout["next"]["truncated"]
        rollout["next"]["done"] = done
        if "memory" in rollout:
            rollout["is_init"] = torch.cat([state.fresh[None], done[:-1]])
        if "action_log_prob" not in rollout:
            rollout["action_log_prob"] = policy.log_prob(plain, rollout)
        rollout["params_version"] = params["version"].expand(done.shape)
        if len(done) < num_steps:
            rollout.setdefault("mask", torch.ones_like(done))  # says that it was cut short
        state, report = account(params, rollout, state._replace(seed=seed))
        rollout.pop("game", None)
        report = count(report, simulator_seconds=seconds)
        if num_bad:
            report = count(report, non_finite=num_bad)
        if cut is not None:  # the trace, not the episode, which was counted above
            flags = {key: rollout["next"][key] | cut for key in ("truncated", "done")}
            rollout["next"] = rollout["next"] | flags
        return {"collect": state}, TensorDict(rollout, batch_size=done.shape), report

    return Pipeline(init, step)


def interact(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: dict,
    state: CollectState,
    rng: torch.Generator,
) -> tuple[CollectState, dict, float]:
    """Acts ``num_steps`` times, and stacks what happened once: a copy per step costs more than it copies.

    Whoever preempts the worker may stop it earlier. Returns the state afterwards, the rollout,
    and the seconds inside of ``env.step``.
    """
    env_state, observation, memory = state[:3]
    act, remembers, kept = policy.act, not nothing(memory), ()
    rows, seconds, stop = [], 0.0, current_stop()
    with torch.inference_mode(), without_garbage_collection():
        for t in range(num_steps):
            if remembers:
                kept = policy.recorded(memory)
            action, memory = act(params, finite(observation), memory, rng)
            action, *said = action if isinstance(action, Decision) else (action,)
            start = perf_counter()
            env_state, following, outcome = env.step(env_state, action)
            seconds += perf_counter() - start
            game = outcome.game
            told = () if game is None else (game.reward, game.over)
            before, after = leaves(observation), leaves(outcome[0])
            rows.append((*before, action, *after, *outcome[1:4], *told, *kept, *said))
            if remembers:
                memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
            observation = following
            if stop.asked((t + 1) / num_steps):
                break
    stop.arrived()
    columns = [torch.stack(column) for column in zip(*rows, strict=True)]
    env_state, observation, memory = tree_map(ordinary, (env_state, observation, memory))
    num = len(before)
    action, *reached, reward, terminated, truncated = columns[num : 2 * num + 4]
    rollout = {"observation": like(observation, columns[:num]), "action": action}
    reached = (like(observation, reached), reward, terminated, truncated)
    rollout["next"] = dict(zip(Outcome._fields, reached, strict=False))
    if told:
        rollout["game"] = columns[2 * num + 4 : 2 * num + 6]
    if said:
        rollout["action_log_prob"] = columns.pop()
    if kept:
        rollout["memory"] = columns[-1]
    return state._replace(env=env_state, observation=observation, memory=memory), rollout, seconds


def ordinary(x: Any) -> Any:
    """A tensor made in inference mode as one that may be written to, and differentiated, outside of it."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def nothing(memory: Any) -> bool:
    """Whether a memory is that of a policy which has none."""
    return isinstance(memory, tuple) and not memory


def leaves(observation: Tensor | dict) -> tuple[Tensor, ...]:
    """The tensors of an observation, which is one, or a dictionary of some."""
    return (observation,) if isinstance(observation, Tensor) else tuple(observation.values())


def like(observation: Tensor | dict, columns: list[Tensor]) -> Tensor | dict:
    """Columns in the form of an observation."""
    if isinstance(observation, Tensor):
        return columns[0]
    return dict(zip(observation, columns, strict=True))


def account(params: Params, rollout: dict, state: CollectState) -> tuple[CollectState, Report]:
    """What happened, in numbers: steps, finished episodes, and the moments that params ask for."""
    reward, done = rollout["next"]["reward"], rollout["next"]["done"]
    points, over = rollout.get("game", (reward, done))
    score = returns.running(points, over, state.score)
    length = returns.running(torch.ones_like(points), over, state.length)
    counted = [name for name, x in params["normalizer"].items() if "moments" in x.keys()]
    sums, discounted = {"env_steps": done.numel()}, state.discounted
    alive = ~done[-1]
    if "observation" in counted:
        sums["observation_moments"] = moments(rollout["observation"])
    if "return" in counted:
        so_far = returns.running(reward, done, discounted, params["hyper"]["gamma"])
        sums["return_moments"] = moments(so_far)
        discounted = so_far[-1] * alive
    going_on = ~over[-1]
    state = state._replace(
        score=score[-1] * going_on,
        length=length[-1] * going_on,
        fresh=done[-1],
        discounted=discounted,
    )
    return state, Report({}, sums, {"return": score[over], "length": length[over]})
