"""TorchRL's PPO, put together as its own example does, to take turns with."""

import warnings
from collections.abc import Callable

import gymnasium
import torch
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn


def torchrl(
    make: Callable[[], gymnasium.Env],
    num_envs: int,
    num_steps: int,
    num_epochs: int,
    batch_size: int,
    normalize: bool,
) -> Callable[[], None]:
    """A function that takes a rollout of ``num_envs * num_steps`` and learns from it.

    Separate 64-64 tanh actor and critic, fused Adam, one process, as in
    https://docs.pytorch.org/rl/stable/tutorials/coding_ppo.html.
    """
    from torchrl import torchrl_logger
    from torchrl.collectors import Collector
    from torchrl.data import LazyTensorStorage, SamplerWithoutReplacement, TensorDictReplayBuffer
    from torchrl.envs import Compose, GymWrapper, SerialEnv, TransformedEnv, VecNormV2
    from torchrl.modules import OneHotCategorical, ProbabilisticActor, TanhNormal, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    torchrl_logger.setLevel("ERROR")  # it announces each buffer, and what its next version changes
    warnings.filterwarnings("ignore", module="torchrl")
    torch.manual_seed(0)
    env = SerialEnv(num_envs, lambda: GymWrapper(make()))
    if normalize:
        env = TransformedEnv(env, Compose(VecNormV2(in_keys=["observation", "reward"])))
    space, inputs = env.action_spec_unbatched, env.observation_spec["observation"].shape[-1]
    discrete = not space.dtype.is_floating_point
    outputs = space.shape[-1]
    if discrete:
        heads, keys, dist, bounds = [_mlp(inputs, outputs)], ["logits"], OneHotCategorical, {}
    else:
        heads, keys = [_mlp(inputs, 2 * outputs), NormalParamExtractor()], ["loc", "scale"]
        dist, bounds = TanhNormal, {"low": space.space.low, "high": space.space.high}
    actor = ProbabilisticActor(
        TensorDictModule(nn.Sequential(*heads), ["observation"], keys),
        in_keys=keys,
        distribution_class=dist,
        distribution_kwargs=bounds,
        return_log_prob=True,
    )
    critic = ValueOperator(_mlp(inputs, 1), in_keys=["observation"])
    size = num_envs * num_steps
    frames = iter(Collector(env, actor, frames_per_batch=size, total_frames=-1))
    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
    loss = ClipPPOLoss(actor, critic, clip_epsilon=0.2, entropy_coeff=0.0, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=3e-4, fused=True)
    buffer = TensorDictReplayBuffer(
        storage=LazyTensorStorage(size), sampler=SamplerWithoutReplacement(), batch_size=batch_size
    )

    def run():
        rollout = next(frames)
        with torch.no_grad():
            rollout = advantage(rollout)
        buffer.empty()
        buffer.extend(rollout.reshape(-1))
        for _ in range(num_epochs):
            for batch in buffer:
                found = loss(batch)
                total = found["loss_objective"] + found["loss_critic"]
                optimizer.zero_grad()
                total.backward()
                nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()

    return run


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
    )
