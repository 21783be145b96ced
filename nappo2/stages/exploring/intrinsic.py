"""Intrinsic rewards and their advantages, as transforms of rollouts [T, B].

``intrinsic_rewards`` stands right of advantages, or left of them, and ``intrinsic_advantages`` right of both.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import num_samples, valid
from nappo2.maths import returns
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import absorb, moments
from nappo2.networks import next_values
from nappo2.params import Params, Plain, beside_params, device_of
from nappo2.pipeline import Pipeline, Transform, is_empty, stage
from nappo2.policies import Apply
from nappo2.reports import note
from nappo2.seeds import fold_in, generator, split
from nappo2.stages.exploring.bonus import RETURN, Bonus
from nappo2.stages.rollouts import check_left, check_rollout, map_rollouts


class IntrinsicState(NamedTuple):
    """The state of ``intrinsic_rewards``.

    Attributes:
        running: the discounted sum of the bonuses so far, in each column of the rollouts, [B]; None
            before the first one.
        seed: of the shares.
    """

    running: Tensor | None
    seed: int


@stage
def intrinsic_rewards(bonus: Bonus, novelty_share: float = 1.0) -> Transform:
    """Adds ``next/reward_intrinsic`` [T, B] float32, the bonus of what each step led to.

    If ``params["normalizer"]`` has statistics ``exploration.return``, the bonus is divided by the standard
    deviation of its discounted sums so far, those of this rollout among them (Burda et al., 2018, section
    2.4). These sums are not cut where episodes end. Adds ``novelty``, too: what the bonus's loss reads of
    a minibatch, which has no ``next``. The report has the moments that the bonus counts, for ``update``.

    Args:
        bonus: such as ``random_distillation(...)``.
        novelty_share: share of the transitions from which the bonus learns, drawn once for each
            rollout; with many environments a small one keeps a predictor from learning too fast.

    Returns:
        A transform of rollouts.

    Raises:
        ValueError: if the share is not above 0 and at most 1.

    Example:
        >>> from nappo2.stages import intrinsic_rewards, visit_counts
        >>> bonus = visit_counts(lambda x: (x[..., 0] > 0).long(), 2, row=lambda x: x, beta=0.1)
        >>> recipe = with_counts(
        ...     ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2)),
        ...     state_of=lambda x: (x[..., 0] > 0).long(),
        ...     num_states=2,
        ... )
        >>> pipe = collect_of(recipe) | intrinsic_rewards(bonus)
        >>> first(pipe, recipe.init(0)).item["next", "reward_intrinsic"].shape
        torch.Size([8, 4])
    """
    if not 0 < novelty_share <= 1:
        raise ValueError(f"novelty_share is above 0 and at most 1, not {novelty_share}")
    name = "intrinsic_rewards"

    def transform(source):
        check_left(name, source)

        def init(params, seed):
            return source.init(params, seed) | {name: IntrinsicState(None, fold_in(seed, name))}

        @torch.no_grad()
        def step(params, states):
            inner, rollout, report = source.step(params, states)
            state = states[name]
            if is_empty(rollout):
                return inner | {name: state}, rollout, report
            check_rollout(name, rollout)
            rollout = beside_params(params, rollout)
            seed, key = split(state.seed)
            reward, running, counts = rewards(bonus, params, rollout, state.running)
            rollout = with_novelty(rollout, reward, _chosen(novelty_share, rollout, key))
            size = num_samples(rollout)
            mean = reward.sum() / max(1, size)  # bonuses of masked transitions are 0
            report = note(report, size, reward_intrinsic=mean)
            report = report._replace(moments=report.moments | counts)
            running = None if running is None else running.cpu()  # as a file has it
            return inner | {name: IntrinsicState(running, seed)}, rollout, report

        return Pipeline(init, step)

    return Transform(transform)


def rewards(
    bonus: Bonus, params: Params, rollout: TensorDict, running: Tensor | None
) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """The bonuses of a rollout, scaled where the normalizer says so.

    Args:
        bonus: to be paid.
        params: of the bonus, without the moments of this rollout.
        rollout: [T, B].
        running: the discounted sums so far, [B]; None, or of other columns, to begin at 0.

    Returns:
        Bonuses [T, B] float32, 0 where the rollout is masked; the sums after it, [B]; and the moments
        [3, ...] that it adds to the normalizer, by name.
    """
    mask, counts = valid(rollout), bonus.count(rollout)
    normalizer = absorb(params["normalizer"], counts)
    plain = Plain(params.to_dict() | {"normalizer": normalizer.to_dict()})
    reward = bonus.reward(plain, rollout)
    reward = reward if mask is None else reward.where(mask, 0.0)
    if RETURN not in normalizer.keys():
        return reward, running, counts
    if running is None or running.shape != reward.shape[1:]:
        running = torch.zeros_like(reward[0])
    never = torch.zeros_like(reward, dtype=torch.bool)
    running = running.to(reward.device)  # one that was read from a file is on the CPU
    sums = returns.running_return(reward, never, running, params["hyper", "intrinsic_gamma"])
    counts = counts | {RETURN: moments(sums, mask)}
    std = absorb(normalizer, {RETURN: counts[RETURN]})[RETURN]["std"]
    return reward / std, sums[-1], counts


def with_novelty(rollout: TensorDict, reward: Tensor, mask: Tensor | None) -> TensorDict:
    """A copy of a rollout with bonuses, and with what their loss reads of minibatches.

    Args:
        rollout: [T, B].
        reward: the bonuses, [T, B] float32.
        mask: transitions from which the bonus learns, [T, B] bool; None for all.

    Returns:
        The copy, with ``next/reward_intrinsic`` and ``novelty``.
    """
    after = rollout["next"].copy().update({"reward_intrinsic": reward})
    novelty = {"observation": _as_data(unmasked(rollout["next", "observation"]))}
    if mask is not None:
        novelty["mask"] = mask
    data = TensorDict(novelty, batch_size=rollout.batch_size)
    return rollout.copy().update({"next": after, "novelty": data})


def _as_data(observation: Tensor | Mapping) -> Tensor | Mapping:
    return observation if isinstance(observation, Tensor) else dict(observation.items())


def _chosen(share: float, rollout: TensorDict, seed: int) -> Tensor | None:
    """The transitions from which a bonus learns, [T, B] bool, drawn on the CPU; None for all."""
    if share == 1:
        return None
    drawn = torch.rand(rollout.batch_size, generator=generator(seed)) < share
    return drawn.to(device_of(rollout))


@stage
def intrinsic_advantages(critic: Apply, lambda_: float = 0.95, episodic: bool = False) -> Transform:
    """Adds the advantages of intrinsic rewards to ``advantage``, each with its coefficient.

    ``A = extrinsic_coef A_extrinsic + intrinsic_coef A_intrinsic`` (Burda et al., 2018, section 2.3). The
    intrinsic ones are of a critic of their own, whose targets are added as ``novelty/value_target``.
    Coefficients and ``intrinsic_gamma`` are in ``params["hyper"]``.

    Args:
        critic: ``(params, observation) -> value`` [...] float32, of intrinsic returns.
        lambda_: of the generalised advantage estimates.
        episodic: whether intrinsic returns end with an episode. In the paper they do not: what is
            found after an episode's end is worth as much.

    Returns:
        A transform of rollouts with ``advantage`` and ``next/reward_intrinsic``.

    Raises:
        ValueError: if ``lambda_`` is not within 0 and 1.

    Example:
        >>> plain = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2))
        >>> recipe = with_counts(plain, state_of=lambda x: (x[..., 0] > 0).long(), num_states=2)
        >>> collect_of(recipe) | recipe.prepare
        collect(num_steps=8) | ... | intrinsic_rewards(...) | intrinsic_advantages(lambda_=0.95)
        >>> first(collect_of(recipe) | recipe.prepare, recipe.init(0)).item["novelty", "value_target"].shape
        torch.Size([8, 4])
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ is within 0 and 1, not {lambda_}")

    @torch.no_grad()
    def fn(params, rollout):
        plain, hyper, after = Plain(params.to_dict()), params["hyper"], rollout["next"]
        value = critic(plain, rollout["observation"])
        next_value = next_values(critic, plain, after, value)
        columns = after["reward_intrinsic"], value, next_value
        discounts = hyper["intrinsic_gamma"], lambda_
        if episodic:
            advantage = returns.gae(*columns, after["terminated"], after["done"], *discounts)
        else:
            advantage = returns.continuing_gae(*columns, valid(rollout), *discounts)
        total = hyper["extrinsic_coef"] * rollout["advantage"]
        total = total + hyper["intrinsic_coef"] * advantage
        novelty = rollout["novelty"].copy().update({"value_target": advantage + value})
        return rollout.copy().update({"advantage": total, "novelty": novelty})

    return map_rollouts("intrinsic_advantages", fn)
