"""SAC, TD3 and DQN beside Stable-Baselines3's: whole updates, from the same weights and batches."""

import pytest
import torch
from stable_baselines3 import DQN as SB3DQN
from stable_baselines3 import SAC as SB3SAC
from stable_baselines3 import TD3 as SB3TD3
from stable_baselines3.common.logger import Logger
from tensordict import TensorDict
from torch.distributions import normal

from nappo2 import envs
from nappo2.params import replaced
from nappo2.recipes import DQN, SAC, TD3, dqn, sac, td3
from nappo2.stages.learning.batches import Sampled
from nappo2.stages.learning.loops import eager_loop
from nappo2.stages.learning.scan_loop import scan_loop
from tests.makers.sb3 import critics_weights, mlp_weights, off_policy_updates, soft_weights, updated

UPDATES, BATCH, HIDDEN = 20, 32, (16, 16)
SHARED = {"batch_size": BATCH, "learning_starts": 1000, "device": "cpu", "seed": 0}
KWARGS = {"net_arch": list(HIDDEN)}  # to be copied, as they add to it
OURS = {"hidden": HIDDEN, "batch_size": BATCH, "start_steps": 0}
LOOPS = pytest.mark.parametrize(
    "loop", [eager_loop, pytest.param(scan_loop, marks=pytest.mark.faults)]
)


def filled(model):
    """A model with 300 transitions of uniform actions in its replay."""
    model.set_logger(Logger(None, []))
    return model.learn(300)


def sampled(batches: list[dict]) -> Sampled:
    return Sampled(batches, len(batches) * BATCH, [torch.zeros(())] * len(batches))


def check_equal(ours: TensorDict, theirs: TensorDict, before: TensorDict) -> None:
    """All numbers are within 1e-5, and all tensors moved further than that."""
    assert set(ours.keys(True, True)) == set(theirs.keys(True, True))
    for name, x in theirs.items(True, True):
        torch.testing.assert_close(ours[name], x, atol=1e-5, rtol=0)
        assert (x - before[name]).abs().max() > 1e-4


def with_critics_last(model):
    """Has it move its critics after its actor, whose loss then is of the critics before."""
    actor, critic, waiting = model.actor.optimizer, model.critic.optimizer, []
    step_actor, step_critic, sample = actor.step, critic.step, model.replay_buffer.sample

    def step_later():
        waiting.append([x.grad.clone() for x in model.critic.parameters()])

    def step_now():
        for grads in waiting:
            for x, grad in zip(model.critic.parameters(), grads, strict=True):
                x.grad.copy_(grad)
            step_critic()
        waiting.clear()

    def step_both():
        step_actor()
        step_now()

    def sample_after(*args, **kwargs):
        step_now()
        return sample(*args, **kwargs)

    critic.step, actor.step, model.replay_buffer.sample = step_later, step_both, sample_after
    return model


@LOOPS
def test_sac_moves_weights_as_stable_baselines3s_does_but_for_the_order_of_its_steps(
    loop, monkeypatch
):
    """There the critics move before the actor's loss, here with it."""
    theirs = filled(SB3SAC("MlpPolicy", "Pendulum-v1", policy_kwargs=dict(KWARGS), **SHARED))
    with_critics_last(theirs)
    recipe, noise, draw = sac(envs.make("Pendulum-v1", 1), SAC(**OURS)), [], normal._standard_normal

    def drawn(*args, **kwargs):
        noise.append(draw(*args, **kwargs))
        return noise[-1]

    weights = soft_weights(theirs)
    params = replaced(recipe.init(0), weights=weights, target=weights.select("critics").clone())
    monkeypatch.setattr(normal, "_standard_normal", drawn)
    batches = off_policy_updates(theirs, UPDATES)
    pairs = zip(batches, noise[::2], noise[1::2], strict=True)
    batches = [x | {"noise": first, "next_noise": second} for x, first, second in pairs]
    after, _ = updated(recipe, params, None, sampled(batches), loop)
    check_equal(after["weights"], soft_weights(theirs), weights)
    for name, x in critics_weights(theirs.critic_target).items(True, True):
        torch.testing.assert_close(after["target", "critics"][name], x, atol=1e-5, rtol=0)


def pair_weights(actor, critic) -> TensorDict:
    """The weights of TD3's actor and critics, online or of the targets."""
    return TensorDict(actor=mlp_weights(actor), critics=critics_weights(critic))


@LOOPS
def test_td3_moves_weights_as_stable_baselines3s_does_but_for_the_order_of_its_steps(loop):
    """Its critics' loss is twice ours, which Adam does not see if its epsilon is, too."""
    theirs = filled(SB3TD3("MlpPolicy", "Pendulum-v1", policy_kwargs=dict(KWARGS), **SHARED))
    with_critics_last(theirs).critic.optimizer.param_groups[0]["eps"] = 2e-8
    config = TD3(**OURS, learning_rate=1e-3, target_delay=2)
    recipe, weights = (
        td3(envs.make("Pendulum-v1", 1), config),
        pair_weights(theirs.actor, theirs.critic),
    )
    params = replaced(recipe.init(0), weights=weights, target=weights.clone())
    torch.manual_seed(5)
    noise = [torch.empty(BATCH, 1).normal_(0, 0.2) / 0.2 for _ in range(UPDATES)]
    torch.manual_seed(5)
    batches = off_policy_updates(theirs, UPDATES)
    batches = [x | {"next_noise": drawn} for x, drawn in zip(batches, noise, strict=True)]
    after, _ = updated(recipe, params, None, sampled(batches), loop)
    check_equal(after["weights"], pair_weights(theirs.actor, theirs.critic), weights)
    target = pair_weights(theirs.actor_target, theirs.critic_target)
    for name, x in target.items(True, True):
        torch.testing.assert_close(after["target"][name], x, atol=1e-5, rtol=0)


@LOOPS
def test_dqn_moves_weights_as_stable_baselines3s_does(loop):
    """Of a network whose target is copied only after these updates."""
    theirs = filled(SB3DQN("MlpPolicy", "CartPole-v1", policy_kwargs=dict(KWARGS), **SHARED))
    theirs.q_net_target.load_state_dict(theirs.q_net.state_dict())
    config = DQN(**OURS, learning_rate=1e-4, target_step_size=1.0, target_delay=UPDATES)
    recipe, weights = (
        dqn(envs.make("CartPole-v1", 1), config),
        TensorDict(q=mlp_weights(theirs.q_net)),
    )
    params = replaced(recipe.init(0), weights=weights, target=weights.clone())
    batches = off_policy_updates(theirs, UPDATES)
    after, _ = updated(recipe, params, None, sampled(batches), loop)
    check_equal(after["weights"], TensorDict(q=mlp_weights(theirs.q_net)), weights)
    assert torch.equal(after["target", "q", "0", "weight"], after["weights", "q", "0", "weight"])
