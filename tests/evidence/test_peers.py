"""Stable-Baselines3 beside us: with our settings, and with results of the same form."""

import json

import pytest

from evidence.entry import PEERS, Entry, Task
from evidence.peers import Peer, dqn_arguments, ppo_arguments, sac_arguments, train
from evidence.training import RESULT
from nappo2.recipes import PPO, SAC, preset

POLES = {
    name: Entry(
        name, ("classic", "pole"), ("sb3", name), "CartPole-v1", 512, 1, 1, (), None, 2, PEERS
    )
    for name in ("ppo", "dqn")
}


def test_settings_are_the_same_in_other_words():
    """8 x 256 steps in 32 minibatches of 64; its value loss has no half, so that its share is one."""
    arguments = ppo_arguments(PPO(), 8, 1_000_000)
    assert arguments["batch_size"] == 64 and arguments["vf_coef"] == 0.25
    assert sac_arguments(SAC(num_steps=8, update_ratio=0.5), 1, 10)["gradient_steps"] == 4


def test_rl_zoo3s_dqn_comes_out_as_it_went_in():
    """Explored for 0.16 of 50,000 steps, 128 gradients in 256 steps; it copies once between these."""
    found = dqn_arguments(preset("dqn", "cartpole").config, 1, 50_000)
    assert found["exploration_fraction"] == 0.16 and found["exploration_final_eps"] == 0.04
    assert (found["train_freq"], found["gradient_steps"]) == (256, 128)
    assert found["target_update_interval"] == 256 and found["tau"] == 1.0


@pytest.mark.faults
@pytest.mark.parametrize("name", POLES)
def test_a_model_leaves_a_result_of_the_same_form_and_goes_on_where_it_was_saved(name, tmp_path):
    pytest.importorskip("stable_baselines3")
    pole, task = POLES[name], Task(0, 1, tmp_path)
    assert train(pole, task) == 0
    result = json.loads((tmp_path / RESULT).read_text())
    (run,) = result["runs"]
    assert result["card"]["algorithm"] == f"Stable-Baselines3's {name}"
    assert run["evaluations"]["env_steps"] == [256, 512]
    assert len(run["last"]["return"]) == len(run["best"]["return"]) == 100
    again = Peer(pole, task)
    assert again.env_steps == again.model.num_timesteps == 512
    assert again.recorder.metrics[-1]["env_steps"] <= 512
