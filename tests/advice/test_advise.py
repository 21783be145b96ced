"""Advice, of what is measured in this process alone: that on Ray is a benchmark."""

import pytest

from nappo2 import SAC, advise, envs, sac, serial
from nappo2.advice import Advice, Costs, Learning, Prediction, Transfer
from nappo2.advice.between import Call, measured_between, transfer_of
from nappo2.advice.measuring import measured_here
from tests.makers.recipes import CARTPOLE_PPO

COSTS = Costs(10, 4, 0.5, 0.0, {1: Learning(0.0, 0.0, 0.0, 0.5)}, 0.0)


def predicted(word, rate):
    return Prediction(word, 2, 2, rate, 0.0, 0.0, 0.5)


def advice(**rates):
    predictions = [predicted(word.strip("_"), rate) for word, rate in rates.items()]
    predictions.sort(key=lambda x: -x.steps_per_second)
    return Advice("ppo", "cartpole", 2, COSTS, tuple(predictions))


def test_what_is_measured_in_one_process():
    """16 env steps and 4 updates of a rollout; nothing sleeps, and everything takes time."""
    costs, rollout = measured_here(CARTPOLE_PPO, 2, seconds=0.01)
    assert costs.env_steps == rollout.numel() == 16 and costs.num_updates == 4
    assert set(costs.learning) == {1, 2}
    assert costs.collect > 0 and costs.update > 0 and min(costs.learning[2]) > 0


def test_what_is_measured_between_processes():
    """Here they are one, so that nothing has a latency worth mentioning, and numbers are at least 0."""
    costs, rollout = measured_here(CARTPOLE_PPO, 2, seconds=0.01)
    costs = measured_between(CARTPOLE_PPO, costs, rollout, 2, serial, seconds=0.01)
    assert set(costs.transfers) == {"rollout", "gradients", "params"}
    assert costs.slowdown >= 1 and min(map(min, costs.transfers.values())) >= 0


def test_a_replay_is_filled_first():
    config = SAC(num_steps=4, start_steps=32, batch_size=8, capacity=64, hidden=(8,))
    costs, _ = measured_here(sac(envs.pendulum(2), config), 1, seconds=0.01)
    assert costs.env_steps == 8 and costs.num_updates == 8 * config.update_ratio


def test_a_call_by_hand():
    """8 s, of which this process works 3 s, 1 s of them to hand out params; each of two workers 1 s."""
    found = transfer_of(Call(wall=8.0, cpu=3.0, beside=2.0), put=1.0, num_workers=2)
    assert found == pytest.approx(Transfer(call=1 / 3, take=2 / 3, worker=1.0, latency=4.0))


def test_the_simplest_scheme_of_the_fast_ones_is_the_best():
    assert advice(_3cs=95, da2cs=100).best.word == "3cs"
    assert advice(_3cs=80, da2cs=95, ds2cs=91, dadaca=100).best.word == "ds2cs"


def test_where_ray_is_no_help_it_is_said():
    said = advice(_3cs=100, da2cs=50).sentence
    assert said.startswith("Do not use Ray for ppo on cartpole with 2 cores: 3cs makes 100")
    said = advice(_3cs=50, da2cs=100).sentence
    assert said.startswith("Use scheme('da2cs', recipe, collectors=2, learners=2, on=on_ray())")


def test_advice_shows_itself():
    found = advise(CARTPOLE_PPO, on=serial, seconds=0.01, cores=1)
    assert [x.word for x in found.predictions] == ["3cs"] and found.best.steps_per_second > 0
    assert "env steps/s" in repr(found) and "A rollout of 16 env steps" in repr(found)
    assert "<svg" in found._repr_html_() and found.sentence.startswith("Do not use Ray")


def test_wrong_counts_are_sentences():
    with pytest.raises(ValueError, match="collectors is an integer of at least 1"):
        advise(CARTPOLE_PPO, collectors=-1, on=serial)
    with pytest.raises(ValueError, match="no scheme is called 'fast'"):
        advise(CARTPOLE_PPO, words=["fast"], on=serial)
