"""TD3 with behaviour cloning (TD3+BC), for recorded data."""

from nappo2.checks import checked
from nappo2.losses._td3 import twin_critics
from nappo2.losses.critics import CriticReduction, least
from nappo2.losses.loss import Loss
from nappo2.networks import ActorCritics
from nappo2.params import stop_gradient

SMALLEST = 1e-8  # mean value by which values are divided, which all are 0 at first in some networks


@checked
def td3_bc(
    agent: ActorCritics,
    *,
    alpha: float = 2.5,
    noise_std: float = 0.2,
    noise_limit: float = 0.5,
    next_value: CriticReduction = least,
) -> Loss:
    """TD3+BC (Fujimoto and Gu, https://arxiv.org/abs/2106.06860): TD3 whose actor stays near the data.

    The critics are those of ``td3``, and the actor's loss is, with a weight that is no function of it::

        actor:  -alpha / mean |q_1(s, mu(s))|  q_1(s, mu(s)) + (mu(s) - a)^2

    Reads the same keys as ``td3``. Equal to TorchRL's ``TD3BCLoss``, but for the factor 1/2 of critics.

    Args:
        agent: an actor of actions in [-1, 1], [N, A], and critics of (observation, action).
        alpha: weight of the value, relative to that of cloning.
        noise_std: standard deviation of the noise on the target's action.
        noise_limit: bound on that noise.
        next_value: ``(values [K, N], batch) -> [N]``, the target critics' value.

    Returns:
        The loss, with the means ``critic_loss``, ``actor_loss``, ``cloning_loss``, ``value`` and
        ``value_target``.

    Example:
        >>> agent = networks.actor_critics(mlp(3, 1), mlp(4, 1))
        >>> params = make_params(agent.init(0), target=agent.init(0), gamma=0.5)
        >>> x, zeros, terminated = torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([True, True])
        >>> after = {"observation": x, "reward": torch.zeros(2), "terminated": terminated}
        >>> batch = {"observation": x, "action": zeros + 0.5, "next_noise": zeros, "next": after}
        >>> _, means = losses.td3_bc(agent)(params, batch)
        >>> means["cloning_loss"]  # of an actor that gives 0: (1/2)^2
        tensor(0.2500)
    """
    critic_of = twin_critics(agent, noise_std, noise_limit, next_value)

    def loss(params, batch):
        critic, of_critics = critic_of(params, batch)
        observation = batch["observation"]
        action = agent.actor(params, observation)
        critics = stop_gradient(params["weights"]["critics"])
        value = agent.critics(critics, observation, action)[0]
        cloning = (action - batch["action"]).square().mean()
        scale = value.abs().mean().detach().clamp(min=SMALLEST)
        actor = -alpha * value.mean() / scale + cloning
        means = {"critic_loss": critic, "actor_loss": actor, "cloning_loss": cloning}
        return critic + actor, means | of_critics

    return loss
