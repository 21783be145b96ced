"""A task that takes an image and a number is learnt, and not from one of both."""

import pytest

from nappo2 import PPO, evaluate, recipes, scheme
from nappo2.recipes import RECIPES
from tests.makers.environments import signals
from tests.makers.stepping import train_until

pytestmark = [pytest.mark.learning, pytest.mark.timeout(600)]

OFF = {"num_steps": 4, "capacity": 10_000, "batch_size": 64, "start_steps": 500, "hidden": (32,)}
CONFIGS = {
    "ppo": PPO(num_steps=16, num_epochs=4, num_minibatches=2, learning_rate=3e-3, hidden=(32,)),
    "recurrent_ppo": PPO(
        num_steps=16, num_epochs=4, num_minibatches=2, learning_rate=3e-3, hidden=(32, 32)
    ),
    "double_dqn": recipes.DQN(**OFF, learning_rate=3e-3, exploration_updates=500),
    "sac": recipes.SAC(**OFF, learning_rate=3e-3, initial_alpha=0.1),
}
UPDATES = {"ppo": 800, "recurrent_ppo": 800, "double_dqn": 1500, "sac": 1500}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("seen", "low", "high"),
    [(("eye", "sign"), 0.95, 1.0), (("eye",), 0.3, 0.7), (("sign",), 0.3, 0.7)],
    ids=["both", "the eye", "the sign"],
)
def test_an_image_and_a_number_are_joined(name, seen, low, high, seed):
    """A greedy agent is right in 19 of 20 episodes, and by chance where it sees one of both."""
    recipe = RECIPES[name](signals(8, seen), CONFIGS[name])
    params, _ = train_until(scheme("3cs", recipe), recipe.init(seed), UPDATES[name], seed)
    mean = evaluate(recipe.env, recipe.greedy, params, 400, seed=99).returns.mean()
    print(f"{name}, {' and '.join(seen)}, seed {seed}: {mean:.2f} of 1")
    assert low <= mean <= high
