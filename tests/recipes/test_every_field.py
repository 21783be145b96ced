"""No switch of a configuration is ignored: the other value changes what is learnt, or is refused."""

from dataclasses import fields, replace

import pytest
import torch

from nappo2 import envs, ravel, scheme
from nappo2.recipes import RECIPES
from tests.makers.recipes import CONFIGS
from tests.makers.stepping import train_until

EXEMPT = {"jit": "it changes no number"}
SWITCHES = [
    (name, field.name)
    for name, config in CONFIGS.items()
    for field in fields(config)
    if isinstance(getattr(config, field.name), bool) and field.name not in EXEMPT
]


def environment(name):
    """One that the recipe takes: a pendulum where it can, else a pole."""
    fit = RECIPES[name].compatible.actions or ("continuous",)
    return envs.pendulum(2, time_limit=9) if "continuous" in fit else envs.cartpole(2, time_limit=9)


def learnt(name, config):
    """All weights after some updates, and the temperature beside them."""
    recipe = RECIPES[name](environment(name), config)
    params, _ = train_until(scheme("3cs", recipe), recipe.init(0), 20)
    return ravel(params["weights"])[0]


@pytest.mark.parametrize(("name", "field"), SWITCHES, ids=lambda x: x)
def test_a_switch_changes_what_is_learnt(name, field):
    config = replace(CONFIGS[name], learning_rate=0.03)  # so that values leave a clip range
    before = learnt(name, config)
    try:
        after = learnt(name, replace(config, **{field: not getattr(config, field)}))
    except ValueError as refusal:
        assert field in str(refusal)
        return
    assert before.shape != after.shape or not torch.equal(before, after)
