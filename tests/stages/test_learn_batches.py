"""One step for all batches that a rollout feeds, and the pipe of which it is the sum."""

import pytest
import torch

from nappo2 import repeat
from nappo2.reports import join
from tests.makers.recipes import REPLAYED, composed, fused
from tests.makers.stepping import train


@pytest.mark.parametrize("recipe", REPLAYED.values(), ids=REPLAYED)
def test_learning_in_one_step_is_learning_in_many(recipe, same):
    """To the last bit, targets and all, also where the number of batches is not always the same.

    The loss of REDQ is a mean over those updates that compute all of it, which are fewer.
    """
    s = recipe()
    params, reports = train(fused(s), s.init(0), 4)
    pipe = composed(s) | repeat(int(params["version"]))
    expected, (theirs,) = train(pipe, s.init(0), 1)
    assert params["version"] > 10 and same(params, expected)
    assert sum(report.sums["env_steps"] for report in reports) == theirs.sums["env_steps"]
    name = "loss" if s.delayed is None else "critic_loss"
    mean = join(reports).means[name].value
    torch.testing.assert_close(mean, theirs.means[name].value, rtol=1e-4, atol=1e-6)
    assert set(reports[0].means) == set(theirs.means)
