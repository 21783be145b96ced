"""Advantage-weighted regression (Peng et al., https://arxiv.org/abs/1910.00177), on rollouts."""

from dataclasses import dataclass

from nappo2 import Recipe, envs, gae, optim
from nappo2.maths.surrogates import squared_error, standardize
from nappo2.params import make_params
from nappo2.recipes import default_distribution, perceptrons
from nappo2.recipes.recipe import on_policy


@dataclass(frozen=True)
class AWR:
    num_steps: int = 32
    num_epochs: int = 4
    num_minibatches: int = 2
    learning_rate: float = 1e-3
    gamma: float = 0.99
    temperature: float = 1.0
    jit: bool = False


def awr(env: envs.Env, config: AWR = AWR()) -> Recipe:
    c, agent, dist = config, perceptrons(env, (16,)), default_distribution(env)
    hyper = {name: getattr(c, name) for name in ("learning_rate", "gamma", "temperature")}

    def loss(params, batch):
        outputs, value = agent.both(params, batch["observation"])
        weight = (standardize(batch["advantage"]) / params["hyper"]["temperature"]).exp()
        log_prob = dist.log_prob(outputs, batch["action"])
        actor = -(weight.clamp(max=20) * log_prob).mean()
        critic = squared_error(value, batch["value_target"])
        return actor + critic, {"actor_loss": actor, "critic_loss": critic}

    return on_policy(
        env, agent, dist, name="awr", init=lambda seed: make_params(agent.init(seed), **hyper),
        num_steps=c.num_steps, prepare=gae(agent), loss=loss, optimizer=optim.adam(),
        num_epochs=c.num_epochs, num_minibatches=c.num_minibatches, jit=c.jit,
    )  # fmt: skip
