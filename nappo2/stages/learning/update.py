"""Gradients to params: optimizer, target networks, schedules of hyper-parameters."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from tensordict import TensorDict

from nappo2.checks import suggestion
from nappo2.machine.threads import without_denormals
from nappo2.maths.moments import absorb_if
from nappo2.optim import GradientTransformation, Schedule
from nappo2.optim.finite import last_accepted
from nappo2.params import Params, beside_params, device_of, ravel, replaced
from nappo2.pipeline import Pipeline, Transform, described, is_empty, positive, stage, stateless
from nappo2.pipeline.tensor_functions import Part
from nappo2.reports import Report, count, note


@stage
def update(optimizer: GradientTransformation) -> Transform:
    """Turns gradients into params, and adds the moments of reports to the normalizer.

    The normalizer is unchanged where the optimizer refuses the gradient, or moments are not finite.

    Example:
        >>> agent, dist = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), distributions.categorical()
        >>> params = make_params(agent.init(0), gamma=0.99, entropy_coef=0.0, learning_rate=1e-3)
        >>> pipe = collect(envs.cartpole(4), agent.policy(dist), num_steps=8) | gae(agent)
        >>> pipe = pipe | minibatches(num_epochs=1, num_minibatches=1) | gradients(losses.a2c(agent, dist))
        >>> pipe = pipe | update(optim.chain(optim.clip_by_global_norm(0.5), optim.adam()))
        >>> _, params, _ = pipe.step(params, pipe.init(params, 0))
        >>> params["version"]
        tensor(1)
    """

    def transform(source):
        def init(params, seed):
            vector, _ = ravel(params["weights"])
            return source.init(params, seed) | {"update": optimizer.init(vector)}

        @torch.no_grad()
        def step(params, state):
            inner, grads, report = source.step(params, state)
            if is_empty(grads):
                return inner | {"update": state["update"]}, grads, report
            grads = beside_params(params, grads)  # those of other processes come on the CPU
            vector, unravel = ravel(params["weights"])
            with without_denormals():
                updates, optimizer_state = optimizer.update(
                    grads["weights"], state["update"], params["hyper"], vector
                )
                vector = vector + updates
            normalizer, report = absorb_moments(params["normalizer"], report, optimizer_state)
            lag, norm = (params["version"] - grads["version"]).float(), grads["weights"].norm()
            weights, version = TensorDict(unravel(vector)), params["version"] + 1
            params = replaced(params, weights=weights, normalizer=normalizer, version=version)
            report = note(report, 1, gradient_lag=lag, grad_norm=norm)
            return inner | {"update": optimizer_state}, params, report

        return Pipeline(init, step)

    return described(transform, updates=True)


def absorb_moments(
    normalizer: TensorDict, report: Report, state: Any, absorb: Callable = absorb_if
) -> tuple[TensorDict, Report]:
    """Adds the moments of a report, if it has any, to the normalizer.

    The normalizer is unchanged where the last gradient was refused, or moments are not finite: the
    report then counts ``refused_moments``.

    Args:
        normalizer: of params.
        report: of the batches of the gradients.
        state: of the optimizer, after the last gradient.
        absorb: ``absorb_if``, or its equivalent for all members of a population.

    Returns:
        The normalizer, and the report without moments.
    """
    if not report.moments:
        return normalizer, report
    device = device_of(normalizer)
    moments = {name: x.to(device) for name, x in report.moments.items()}
    normalizer, refused = absorb(last_accepted(state).to(device), normalizer, moments)
    report = report._replace(moments={})
    return normalizer, count(report, refused_moments=refused) if refused else report


@stage
def polyak(step_size: float, skip: int = 0) -> Transform:
    """Moves ``params["target"]`` towards the weights of the same names (Polyak & Juditsky, 1992).

    ``target += step_size * (weights - target)``, as ``optax.incremental_update``: a step of 0.005 is
    ``polyak=0.995`` of Nappo. Before each movement ``skip`` updates pass without one.

    Raises:
        ValueError: if ``step_size`` is not above 0 and at most 1, or ``skip`` not at least 0.

    Example:
        >>> recipe = dqn(envs.cartpole(4), DQN(num_steps=4, hidden=(8,)))
        >>> polyak(step_size=0.005)
        polyak(step_size=0.005)
    """
    if not 0 < step_size <= 1:
        raise ValueError(f"step_size is above 0 and at most 1, not {step_size}")

    def fn(_, params):
        if params["version"] % (skip + 1):
            return params
        target, unravel = ravel(params["target"])
        online, _ = ravel({name: params["weights"][name] for name in params["target"].keys()})
        with without_denormals():
            target = target.lerp(online, step_size)
        return replaced(params, target=TensorDict(unravel(target)))

    return stateless(fn)


@stage
def scheduled(every: int = 1, **schedules: Schedule) -> Transform:
    """Sets hyper-parameters by schedules of the number of updates, at each multiple of ``every``.

    With the number of updates per rollout for ``every``, they are constant within a rollout, and
    ``learn`` equals the stages it fuses. Right of an update; the first values are those of the params.

    Raises:
        ValueError: if ``every`` is not at least 1; in a step, if params have no such name, or are those of
            a population.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> recipe = recipe.replace(after=scheduled(learning_rate=optim.linear(1e-3, 0.0, num_updates=40)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run()
        >>> round(float(learner.params["hyper", "learning_rate"]), 6)
        0.0
    """
    positive(every=every)

    def step_function(schedule: Schedule) -> Schedule:
        return lambda version: schedule(version // every * every).float()

    values = {name: step_function(schedule) for name, schedule in schedules.items()}

    def fn(_, params):
        check_names(params, schedules)
        _check_single(params, schedules)
        hyper = {name: value(params["version"]) for name, value in values.items()}
        return replaced(params, hyper=params["hyper"].copy().update(hyper))

    def end(params, state, _, report):
        return state, fn(None, params), report

    part = Part(None, (), end)
    return described(stateless(fn), schedules=values, part=lambda *_: part)


def check_names(params: Params, names: Iterable[str]) -> None:
    """Refuses names that are no hyper-parameters of params.

    Raises:
        ValueError: names the first of them, and those there are.
    """
    hyper = params["hyper"].keys()
    unknown = [name for name in names if name not in hyper]
    if unknown:
        known = suggestion(unknown[0], sorted(hyper))
        raise ValueError(f"no hyper-parameter is called {unknown[0]!r}; there are {known}")


def _check_single(params: Params, names: Iterable[str]) -> None:
    """Refuses params of a population, whose hyper-parameters are [n].

    Raises:
        ValueError: says where a schedule of its members stands.
    """
    sizes = [len(params["hyper", name]) for name in names if params["hyper", name].ndim]
    if sizes:
        raise ValueError(
            f"scheduled sets hyper-parameters of one run, and these params are of {sizes[0]} members: "
            f"population(recipe.replace(after=scheduled(...)), {sizes[0]}) schedules those of each"
        )
