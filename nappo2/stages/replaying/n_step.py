"""Returns of several steps, for off-policy learning."""

import torch
from tensordict import TensorDict

from nappo2.batch import valid
from nappo2.params import Params
from nappo2.pipeline import Transform, described, positive, stage
from nappo2.stages.rollouts import map_rollouts


@stage
def n_step(num: int) -> Transform:
    """Rewards of up to ``num`` steps as one, and what was reached then (Sutton, 1988).

    Of a rollout [T, B]: ``next`` becomes that of the last of these steps, where ``reward`` is
    their discounted sum and ``steps`` their number: fewer at the end of an episode or of the
    rollout. Losses discount what follows by ``gamma ** steps``. Left of replay.

    Raises:
        ValueError: if ``num`` is not at least 1, or ``hindsight`` or ``windows`` stands left of
            it; in a step, if rollouts are shorter than ``num``.
    """
    positive(num=num)

    def fn(params, rollout):
        if len(rollout) < num and valid(rollout) is None:  # not one that was cut short
            raise ValueError(
                f"n_step({num}) sums {num} steps of one rollout, and these have {len(rollout)}; "
                f"collect with num_steps of at least {num}"
            )
        return summed(params, rollout, num)

    return described(map_rollouts("n_step", fn), regroups=True)


def summed(params: Params, rollout: TensorDict, num: int) -> TensorDict:
    """A copy of a rollout, whose transitions are of up to ``num`` steps."""
    reached, gamma = rollout["next"], params["hyper", "gamma"].to("cpu")
    reward, going, steps = reached["reward"], ~reached["done"], torch.ones_like(reached["reward"])
    for i in range(1, min(num, len(rollout))):
        ahead = torch.zeros_like(reward)
        ahead[:-i] = reached["reward"][i:]
        going[-i:] = False
        reward = reward + going * gamma**i * ahead
        steps = steps + going
        done = torch.ones_like(going)
        done[:-i] = reached["done"][i:]
        going = going & ~done
    last = torch.arange(len(rollout))[:, None] + steps.long() - 1
    column = torch.arange(rollout.batch_size[1])
    following = reached[last, column].update({"reward": reward, "steps": steps})
    return rollout.copy().update({"next": following})
