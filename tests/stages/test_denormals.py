"""No optimizer keeps numbers too small to be normal, at which a CPU is slow, in whatever way it learns."""

from functools import partial

import pytest

from nappo2 import population, scheme
from tests.makers.denormals import check_no_denormals, flat
from tests.makers.recipes import REPLAYED, composed, fused, pendulum_ppo

WAYS = {
    "one batch after the other": (pendulum_ppo, composed),
    "all batches": (pendulum_ppo, fused),
    "compiled": (partial(pendulum_ppo, jit=True), fused),
    "workers": (pendulum_ppo, partial(scheme, "2dacs", learners=2)),
    "a replay": (REPLAYED["sac"], partial(scheme, "3cs")),
}


@pytest.mark.parametrize(("make", "line"), WAYS.values(), ids=WAYS)
def test_the_mean_of_no_gradient_ends_at_zero(make, line):
    """And does not stay at 5.6e-45, to which 0.9 of itself is rounded."""
    recipe = make()
    recipe = recipe.replace(loss=flat(recipe.loss))
    check_no_denormals(line(recipe), recipe.init(0))


def test_so_it_does_of_each_member_of_a_population():
    recipe = pendulum_ppo()
    members = population(recipe.replace(loss=flat(recipe.loss)), 2)
    check_no_denormals(scheme("3cs", members), members.init(0))
