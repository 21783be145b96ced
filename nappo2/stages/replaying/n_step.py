"""n-step returns, for off-policy learning."""

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.params import Params
from nappo2.pipeline import Transform, described, positive, stage
from nappo2.stages.rollouts import map_rollouts


@stage
def n_step(num: int) -> Transform:
    """Makes transitions of up to ``num`` steps (Sutton, 1988, https://doi.org/10.1007/BF00115009).

    In a rollout [T, B], ``next`` of step t becomes that of step ``t + steps - 1``, its ``reward`` the sum
    of ``gamma**i * reward[t + i]`` over these steps, and ``steps`` [T, B] float32 their number, which is
    smaller at the end of an episode or of the rollout. Losses discount the next value by
    ``gamma**steps``. Left of replay.

    Raises:
        ValueError: if ``num`` is not at least 1, or ``hindsight`` or ``windows`` stands left of
            it; in a step, if rollouts are shorter than ``num``.
    """
    positive(num=num)

    def fn(params, rollout):
        if len(rollout) < num and valid(rollout) is None:  # one that was cut short has a mask
            raise ValueError(
                f"n_step({num}) sums {num} steps of one rollout, and these have {len(rollout)}; "
                f"collect with num_steps of at least {num}"
            )
        return summed(params, rollout, num)

    return described(map_rollouts("n_step", fn), regroups=True)


def summed(params: Params, rollout: TensorDict, num: int) -> TensorDict:
    """A copy of a rollout with transitions of up to ``num`` steps.

    Args:
        params: of which ``gamma`` is read.
        rollout: [T, B].
        num: of steps.

    Returns:
        The copy, [T, B], with other keys under ``next``.
    """
    following, gamma = rollout["next"], params["hyper", "gamma"].to("cpu")
    reward, going = following["reward"], ~following["done"]
    steps = torch.ones_like(reward)
    for i in range(1, min(num, len(rollout))):
        ahead = torch.zeros_like(reward)
        ahead[:-i] = following["reward"][i:]
        going[-i:] = False
        reward = reward + going * gamma**i * ahead
        steps = steps + going
        done = torch.ones_like(going)
        done[:-i] = following["done"][i:]
        going = going & ~done
    last = torch.arange(len(rollout))[:, None] + steps.long() - 1
    column = torch.arange(rollout.batch_size[1])
    summed_next = following[last, column].update({"reward": reward, "steps": steps})
    return rollout.copy().update({"next": summed_next})
