"""What the recipes share: first params, agents of the right sizes, and checks of what fits."""

from collections.abc import Callable
from typing import Any

from gymnasium.spaces import Discrete

from nappo2.algorithms.fit import check_agent, check_fit, check_storage, fit_of
from nappo2.algorithms.pieces import remade
from nappo2.algorithms.views import of_rows
from nappo2.algorithms.way import way_of
from nappo2.envs import Env, action_size, check_spaces, observation_size
from nappo2.losses import Loss
from nappo2.maths.distributions import Distribution, categorical, normal
from nappo2.networks import (
    ActorCritic,
    Agent,
    actor_critic,
    mlp,
    normalized,
    with_log_std,
)
from nappo2.optim import GradientTransformation, apply_if_finite
from nappo2.params import Params, make_params
from nappo2.pipeline import Transform, compose
from nappo2.policies import Policy
from nappo2.schemes import Stages
from nappo2.stages import can_be_scanned, collect, gradients, placed, update


@remade
def on_policy(
    env: Env,
    agent: Agent,
    dist: Distribution,
    *,
    name: str,
    init: Callable[[int], Params],
    num_steps: int,
    prepare: Transform,
    loss: Loss,
    optimizer: GradientTransformation,
    num_epochs: int = 1,
    num_minibatches: int = 1,
    afterwards: Transform = compose(),
    batches: Transform | None = None,
    policy: Policy | None = None,
    jit: bool = False,
) -> Stages:
    """The stages of an on-policy recipe.

    Args:
        prepare: advantages of rollouts.
        afterwards: of params, after each update or rollout.
        batches: None for shuffled minibatches, of transitions or whole sequences.
        policy: None for the one that the agent and the distribution make.
        jit: whether learning is compiled, and with it rollouts of environments in torch.

    Raises:
        ValueError: if the minibatches do not divide a rollout, or something does not fit.
    """
    check_agent(name, agent)
    way = way_of(agent)
    way.check_division(env.num_envs, num_steps, num_minibatches)
    params = make_params(agent.init(0), normalizer=agent.normalizer())
    outputs = dist.num_outputs(action_size(env.action_space))
    heads = {
        "actor": (lambda params, x: agent.begin(params, x)[0], (outputs,)),
        "critic": (lambda params, x: agent.begin(params, x)[1], ()),
    }
    check_fit(name, env, params, heads)
    optimizer = apply_if_finite(optimizer)
    policy = policy or way.policy(env, agent, dist)
    grads, updates = gradients(loss, jit), compose(update(optimizer), afterwards)
    if batches is None:
        batches = way.batches(num_epochs, num_minibatches)
        learnt = compose(way.learn(loss, optimizer, num_epochs, num_minibatches, jit), afterwards)
    else:
        learnt = compose(batches, grads, updates)
    check_storage(name, batches)
    return Stages(
        init=init,
        collect=collect(env, policy, num_steps, jit=jit and can_be_scanned(env, policy)),
        prepare=compose(placed(), prepare),
        batches=batches,
        gradients=grads,
        update=updates,
        learn=learnt,
        policy=policy,
        greedy=way.greedy(agent, dist),
        name=name,
        fit=fit_of(name),
    )


def first_params(agent: Any, config: Any, *names: str) -> Callable[[int], Params]:
    """``seed -> params``: the agent's weights, and of the config what may change during a run."""

    def init(seed):
        hyper = {name: getattr(config, name) for name in names}
        return make_params(agent.init(seed), normalizer=agent.normalizer(), **hyper)

    return init


def suited(env: Env) -> Distribution:
    """The distribution for an environment's actions: categorical, or diagonal normal."""
    return categorical() if isinstance(env.action_space, Discrete) else normal()


def perceptrons(
    env: Env, hidden: tuple[int, ...] = (64, 64), normalize: bool = False
) -> ActorCritic:
    """Separate tanh perceptrons for actor and critic, of an environment's sizes.

    For continuous actions with standard deviations that no observation changes.

    Args:
        env: whose spaces they fit.
        hidden: sizes of the layers between.
        normalize: whether they see normalised observations, and rewards are scaled.
    """
    check_spaces(env.name, env.observation_space, env.action_space)
    inputs, outputs = observation_size(env.observation_space), action_size(env.action_space)
    networks = mlp(inputs, *hidden, outputs, final_gain=0.01), mlp(inputs, *hidden, 1)
    agent = actor_critic(*(of_rows(network, env) for network in networks))
    if not isinstance(env.action_space, Discrete):
        agent = with_log_std(agent, outputs)
    return normalized(agent, env.observation_space.shape) if normalize else agent


def check_ranges(config: Any) -> None:
    """Refuses hyper-parameters that are out of their ranges, by their names.

    Raises:
        ValueError: names the field, what it was and what would be right.
    """
    for name, value in vars(config).items():
        low, high, strict = RANGES.get(name, (None, None, False))
        if low is None:
            continue
        if isinstance(low, int) and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"{name} is an integer, not {value!r}")
        if (
            value < low
            or (strict and value == low)
            or (high is not None and value > high)
            or value != value
        ):
            bounds = f"above {low:g}" if strict else f"at least {low:g}"
            bounds = f"within {low:g} and {high:g}" if high is not None else bounds
            raise ValueError(f"{name} is {bounds}, not {value}")


RANGES = {  # name: (lowest, highest, whether the lowest is out); integers have integer bounds
    **dict.fromkeys(("num_steps", "num_epochs", "num_minibatches"), (1, None, False)),
    **dict.fromkeys(("gamma", "lambda_"), (0.0, 1.0, False)),
    **dict.fromkeys(("learning_rate", "clip_eps", "max_grad_norm"), (0.0, None, True)),
    **dict.fromkeys(("adam_eps", "rmsprop_eps", "clip_rho", "clip_c"), (0.0, None, True)),
    **dict.fromkeys(("value_coef", "entropy_coef"), (0.0, None, False)),
    **dict.fromkeys(("capacity", "batch_size", "policy_delay", "target_delay"), (1, None, False)),
    **dict.fromkeys(("resample_every", "length", "period"), (1, None, False)),
    "burn_in": (0, None, False),
    **dict.fromkeys(("anneal_updates", "start_steps", "exploration_updates"), (0, None, False)),
    **dict.fromkeys(("update_ratio", "target_step_size", "initial_alpha"), (0.0, None, True)),
    **dict.fromkeys(("noise_std", "noise_limit", "exploration_std"), (0.0, None, False)),
    **dict.fromkeys(("epsilon", "discrete_entropy_share"), (0.0, 1.0, False)),
}
