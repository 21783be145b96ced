"""A Q-function as an actor and a critic, for on-policy recipes."""

from collections.abc import Callable

from tensordict import TensorDict

from nappo2.checks import checked
from nappo2.maths.values import epsilon_greedy_log_probs
from nappo2.networks._actor_critic import ActorCritic
from nappo2.policies import Apply


@checked
def epsilon_greedy_agent(
    init: Callable[[int], TensorDict], q: Apply, normalizer: Callable[[], TensorDict] = TensorDict
) -> ActorCritic:
    """The actor that takes the best action of a Q-function or a uniform one, and the best value as critic.

    The actor gives log-probabilities [..., n], for ``distributions.categorical()``; a uniform action has
    the probability ``params["hyper"]["epsilon"]``. At an epsilon of 1 the most probable action says
    nothing, so that an evaluation acts by ``policies.greedy_q``.

    Args:
        init: ``seed -> weights``.
        q: ``(params, observation) -> values`` [..., n], lowest where an action is forbidden.
        normalizer: ``() -> statistics`` that ``q`` reads, empty by default.

    Returns:
        The agent.

    Example:
        >>> agent = networks.epsilon_greedy_agent(mlp(2, 2).init, lambda params, x: x)
        >>> params, values = make_params(agent.init(0), epsilon=0.5), torch.tensor([[3.0, 1.0]])
        >>> agent.actor(params, values).exp(), agent.critic(params, values)  # 1/2 + 1/4 and 1/4; the best
        (tensor([[0.7500, 0.2500]]), tensor([3.]))
    """

    def actor(params, x):
        return epsilon_greedy_log_probs(q(params, x), params["hyper"]["epsilon"])

    def critic(params, x):
        return q(params, x).amax(-1)

    def both(params, x):
        values = q(params, x)
        log_probs = epsilon_greedy_log_probs(values, params["hyper"]["epsilon"])
        return log_probs, values.amax(-1)

    return ActorCritic(init, actor, critic, both, normalizer)
