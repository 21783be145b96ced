"""Returns and advantages, as functions of tensors of shape [T, B].

Rewards, values and flags at index t belong to the transition from t to t+1. A
``terminated`` state has no value to bootstrap from; a ``done`` state
(terminated or truncated) ends the episode, but may still have one.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nappo2.maths.recurrences import solve_recurrence
from nappo2.maths.surrogates import with_finite_ratio

# with their shapes where jaxtyping is installed, as in the tests
if TYPE_CHECKING:
    Real = Tensor
    Flag = Tensor
else:
    try:
        from jaxtyping import Bool, Float
    except ImportError:
        Real = Flag = Tensor
    else:
        Real = Float[Tensor, "T B"]
        Flag = Bool[Tensor, "T B"]


def lambda_advantage(td_error: Real, discount: Real) -> Real:
    """Solves ``A[t] = td_error[t] + discount[t] * A[t + 1]`` backwards in time; all are [T, B].

    Example:
        >>> from nappo2.maths.returns import lambda_advantage
        >>> lambda_advantage(torch.ones(3, 1), torch.full((3, 1), 0.5)).flatten()
        tensor([1.7500, 1.5000, 1.0000])
    """
    return solve_recurrence(td_error, discount)


def gae(
    reward: Real,
    value: Real,
    next_value: Real,
    terminated: Flag,
    done: Flag,
    gamma: float | Tensor,
    lambda_: float | Tensor,
) -> Real:
    """Generalised advantage estimates (Schulman et al., https://arxiv.org/abs/1506.02438).

    ``A[t] = delta[t] + gamma * lambda * A[t + 1]``, where
    ``delta[t] = r[t] + gamma * V(s[t + 1]) - V(s[t])``.

    Args:
        reward: rewards, [T, B].
        value: V(s[t]), [T, B].
        next_value: V(s[t + 1]) of the state before any reset, [T, B].
        terminated: whether s[t + 1] is terminal, [T, B] bool.
        done: whether the episode ended at t + 1, [T, B] bool.
        gamma: discount factor per step.
        lambda_: 0 gives one-step TD errors, 1 gives Monte Carlo returns.

    Returns:
        Advantages, [T, B]; add ``value`` for the value targets.

    Example:
        >>> from nappo2.maths.returns import gae
        >>> reward, next_value = torch.ones(3, 1), torch.zeros(3, 1)
        >>> terminated, done = torch.zeros(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
        >>> value = torch.zeros(3, 1)
        >>> gae(reward, value, next_value, terminated, done, gamma=0.5, lambda_=1.0).flatten()
        tensor([1.7500, 1.5000, 1.0000])
    """
    td_error = reward + gamma * next_value * ~terminated - value
    return lambda_advantage(td_error, gamma * lambda_ * ~done)


def continuing_gae(
    reward: Real,
    value: Real,
    next_value: Real,
    counted: Flag | None,
    gamma: float | Tensor,
    lambda_: float | Tensor,
) -> Real:
    """``gae`` of returns that go on where episodes end (Burda et al., https://arxiv.org/abs/1810.12894).

    What follows the last step of an episode is the first one of the next: ``delta[t] = r[t] + gamma *
    V[t + 1] - V[t]``, where ``V[t + 1]`` is the value of the next row, whatever ends between them.

    Args:
        reward, value, next_value, gamma, lambda_: as for ``gae``; ``next_value`` is read in the last
            row, and before rows that do not count.
        counted: which rows count, [T, B] bool; None for all.

    Returns:
        Advantages, [T, B].

    Example:
        >>> from nappo2.maths.returns import continuing_gae
        >>> reward, next_value = torch.ones(3, 1), torch.zeros(3, 1)
        >>> terminated, done = torch.zeros(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
        >>> continuing_gae(reward, torch.zeros(3, 1), next_value, None, 0.5, 1.0).flatten()
        tensor([1.7500, 1.5000, 1.0000])
    """
    counted = torch.ones_like(reward, dtype=torch.bool) if counted is None else counted
    goes_on = torch.cat([counted[1:], torch.zeros_like(counted[:1])])
    following = value.roll(-1, 0).where(goes_on, next_value)
    return gae(reward, value, following, torch.zeros_like(goes_on), ~goes_on, gamma, lambda_)


def vtrace(
    log_ratio: Real,
    reward: Real,
    value: Real,
    next_value: Real,
    terminated: Flag,
    done: Flag,
    gamma: float | Tensor,
    lambda_: float | Tensor = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
) -> tuple[Real, Real]:
    """V-trace targets and advantages (Espeholt et al., https://arxiv.org/abs/1802.01561, eq. 1).

    Args:
        log_ratio: log pi(a|s) - log mu(a|s) of the learner's policy pi and the collector's
            policy mu, [T, B].
        reward, value, next_value, terminated, done, gamma: as for ``gae``.
        lambda_: scales the trace-cutting coefficients (their remark 2); advantages bootstrap from as much
            of the next target, and from the next value for the rest, as in rlax.
        clip_rho: bound on the ratios that scale the TD errors.
        clip_c: bound on the ratios that cut the traces.

    Returns:
        Value targets and policy-gradient advantages, each [T, B].

    Example:
        >>> from nappo2.maths.returns import vtrace
        >>> reward, next_value = torch.ones(3, 1), torch.zeros(3, 1)
        >>> terminated, done = torch.zeros(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
        >>> value, log_ratio = torch.zeros(3, 1), torch.zeros(3, 1)
        >>> target, advantage = vtrace(log_ratio, reward, value, next_value, terminated, done, gamma=0.5)
        >>> target.flatten(), advantage.flatten()
        (tensor([1.7500, 1.5000, 1.0000]), tensor([1.7500, 1.5000, 1.0000]))
    """
    ratio = with_finite_ratio(log_ratio).exp()
    rho, c = ratio.clamp(max=clip_rho), lambda_ * ratio.clamp(max=clip_c)
    td_error = rho * (reward + gamma * next_value * ~terminated - value)
    target = value + lambda_advantage(td_error, gamma * c * ~done)
    mixed = lambda_ * target[1:] + (1 - lambda_) * next_value[:-1]
    next_target = torch.cat([mixed, next_value[-1:]]).where(~done, next_value)
    advantage = rho * (reward + gamma * next_target * ~terminated - value)
    return target, advantage


def lambda_return(
    reward: Real,
    next_value: Real,
    terminated: Flag,
    done: Flag,
    gamma: float | Tensor,
    lambda_: float | Tensor,
) -> Real:
    """``G[t] = r[t] + gamma * ((1 - lambda) * next_value[t] + lambda * G[t + 1])`` (Sutton, 1988).

    At the end of an episode, or of the sequence, ``next_value`` stands for all of the rest; at a
    termination there is none.

    Args:
        reward, next_value, terminated, done, gamma: as for ``gae``.
        lambda_: 0 gives TD targets of one step, 1 gives ``discounted``.

    Returns:
        Returns G, [T, B].

    Example:
        >>> from nappo2.maths.returns import lambda_return
        >>> reward, next_value = torch.ones(3, 1), torch.zeros(3, 1)
        >>> terminated, done = torch.zeros(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
        >>> lambda_return(reward, next_value, terminated, done, gamma=0.5, lambda_=1.0).flatten()
        tensor([1.7500, 1.5000, 1.0000])
    """
    continues = ~done
    continues[-1] = False
    trace = lambda_ * continues
    return solve_recurrence(reward + gamma * (1 - trace) * next_value * ~terminated, gamma * trace)


def discounted(
    reward: Real, next_value: Real, terminated: Flag, done: Flag, gamma: float | Tensor
) -> Real:
    """Discounted returns, which bootstrap where an episode is cut off: ``R[t] = r[t] + gamma * R[t + 1]``.

    At a truncation, and at the end of the rollout, ``next_value`` stands for the rest; at a
    termination there is none.

    Args:
        reward, next_value, terminated, done, gamma: as for ``gae``.

    Returns:
        Returns R, [T, B].

    Example:
        >>> from nappo2.maths.returns import discounted
        >>> reward, next_value = torch.ones(3, 1), torch.zeros(3, 1)
        >>> terminated, done = torch.zeros(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
        >>> discounted(reward, next_value, terminated, done, gamma=0.5).flatten()
        tensor([1.7500, 1.5000, 1.0000])
    """
    last = torch.zeros_like(done)
    last[-1] = True
    cut = done | last
    return solve_recurrence(reward + gamma * next_value * (cut & ~terminated), gamma * ~cut)


def running_return(reward: Real, done: Flag, before: Tensor, gamma: float | Tensor = 1.0) -> Real:
    """The discounted sum of an episode's rewards so far: ``R[t] = r[t] + gamma * R[t - 1]``.

    Args:
        reward: [T, B].
        done: whether the episode ended at t + 1, [T, B] bool; the sum begins anew then.
        before: R[-1], the sum before the first step, [B].
        gamma: discount factor per step; 1 gives plain sums.

    Returns:
        Sums R, [T, B].

    Example:
        >>> from nappo2.maths.returns import running_return
        >>> done = torch.tensor([[False], [True], [False]])
        >>> running_return(torch.ones(3, 1), done, before=torch.tensor([10.0])).flatten()
        tensor([11., 12.,  1.])
    """
    discount = gamma * ~torch.cat([torch.zeros_like(done[:1]), done[:-1]])
    start = torch.cat([reward[:1] + discount[:1] * before, reward[1:]])
    return solve_recurrence(start.flip(0), discount.flip(0)).flip(0)
