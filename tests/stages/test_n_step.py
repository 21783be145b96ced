"""Returns of several steps."""

import torch
from tensordict import TensorDict

from nappo2.losses.target import target
from nappo2.params import make_params
from nappo2.stages.n_step import summed

PARAMS = make_params(TensorDict(w=torch.zeros(1)), gamma=0.5)


def rollout(reward, done):
    """Of one environment, which is in state t at time t."""
    steps = torch.arange(len(reward)).float()
    flags = torch.tensor(done)[:, None]
    return TensorDict(
        {
            "observation": steps[:, None],
            "next": {
                "observation": steps[:, None] + 1,
                "reward": torch.tensor(reward)[:, None],
                "terminated": flags,
                "done": flags,
            },
        },
        batch_size=(len(reward), 1),
    )


def test_three_steps_by_hand():
    """Discount 1/2: 1 + 2/2 + 4/4 = 3; the episode ends with 4, and the rollout with 8."""
    found = summed(PARAMS, rollout([1.0, 2.0, 4.0, 8.0], [False, False, True, False]), 3)["next"]
    assert found["reward"][:, 0].tolist() == [3, 4, 4, 8]
    assert found["steps"][:, 0].tolist() == [3, 2, 1, 1]
    assert found["observation"][:, 0].tolist() == [3, 3, 3, 4]
    assert found["terminated"][:, 0].tolist() == [True, True, True, False]


def test_one_step_changes_nothing():
    before = rollout([1.0, 2.0], [False, True])
    after = summed(PARAMS, before, 1)["next"]
    assert (after["reward"] == before["next", "reward"]).all() and (after["steps"] == 1).all()


def test_what_follows_is_discounted_once_per_step():
    """Two steps to a value of 8: 3 + 8/4."""
    reached = {
        "reward": torch.tensor([3.0]),
        "terminated": torch.tensor([False]),
        "steps": torch.tensor([2.0]),
    }
    assert target(PARAMS.to_dict(), reached, torch.tensor([8.0])) == 5
